// The activation functions that need more than one expression.
#pragma once
#include "kernels/fn.h"

namespace MT_FN {

template <class T>
MT_INLINE T clamp(T x, T lo, T hi) {
  return x < lo ? lo : x > hi ? hi : x;
}

#if !defined(MT_CUDA_KERNELS)
// Phi is the normal distribution function. Its upper tail Phi(-|x|) keeps the relative accuracy of
// small values, which 1 + erf(x / sqrt(2)) would lose:
//   gelu(x) = x Phi(x) = max(x, 0) - |x| Phi(-|x|)
// From |x| = kTailEnd on, e^(-x^2/2) is below 2^-126 and taken as zero.
constexpr float kTailEnd = 13.27f;
// e^(-a^2/2) for 0 <= a <= kTailEnd: the rounding of a^2 outweighs the polynomial's error.
MT_INLINE float exp_half_square(float a) {
  float r, power = split_power(a * a * -0.72134752f, &r);
  return power * horner(r, 1.000000072f, 6.931469671e-1f, 2.402211972e-1f, 5.550713277e-2f,
                        9.675541739e-3f, 1.327647196e-3f);
}
MT_INLINE float gelu(float x) {
  float a = bounded_size(x, kTailEnd);
  return (x < 0.0f ? 0.0f : x) - a * normal_tail(a, exp_half_square(a));
}
MT_INLINE double gelu(double x) { return 0.5 * x * erfc(x * -0.7071067811865476); }
// Phi(x) + x phi(x)
MT_INLINE float gelu_derivative(float x) {
  float a = bounded_size(x, kTailEnd), e = exp_half_square(a), tail = normal_tail(a, e);
  float slope = a * e * 0.39894228f - tail;  // of a Phi(-a), the sign changed
  float y = x < 0.0f ? -slope : 1.0f + slope;
  return x == x ? y : x;
}
MT_INLINE double gelu_derivative(double x) {
  return 0.5 * erfc(x * -0.7071067811865476) + x * 0.3989422804014327 * exp(-0.5 * x * x);
}
#else
template <class T>
MT_INLINE T gelu(T x) {
  return x * normcdf(x);
}
// Phi(x) + x phi(x)
template <class T>
MT_INLINE T gelu_derivative(T x) {
  return normcdf(x) + x * T(0.3989422804014327) * exp(T(-0.5) * x * x);
}
#endif

// 0.5 x (1 + tanh(u)) = x sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3)
template <class T>
MT_INLINE T gelu_tanh(T x) {
  T u = T(0.7978845608028654) * (x + T(0.044715) * x * x * x);
  return x * sigmoid(T(2) * u);
}
template <class T>
MT_INLINE T gelu_tanh_derivative(T x) {
  T u = T(0.7978845608028654) * (x + T(0.044715) * x * x * x);
  T du = T(0.7978845608028654) * (T(1) + T(3 * 0.044715) * x * x);
  T s = sigmoid(T(2) * u), dx = s + x * T(2) * s * (T(1) - s) * du;
  return du - du == T(0) ? dx : x > T(0) ? T(1) : x < T(0) ? T(0) : x;
}

// tanh(log(1 + e^x)) = n / (n + 2) with n = e^x (e^x + 2)
template <class T>
MT_INLINE T mish_gate(T x) {
  T e = exp(x > T(20) ? T(20) : x), n = e * (e + T(2));
  return n / (n + T(2));
}
template <class T>
MT_INLINE T mish_derivative(T x) {
  T t = mish_gate(x);
  return t + x * (T(1) - t * t) * sigmoid(x);
}

}  // namespace MT_FN
