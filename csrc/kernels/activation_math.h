// The activation functions that need more than one expression.
#pragma once
#include "kernels/math.h"

namespace mt::cpu::MT_ISA::fn {

template <class T>
MT_INLINE T clamp(T x, T lo, T hi) {
  return x < lo ? lo : x > hi ? hi : x;
}

// x Phi(x), Phi the normal distribution function: from its upper tail, which keeps its relative
// accuracy where 1 + erf(x / sqrt(2)) would cancel.
MT_INLINE float gelu(float x) {
  float tail = normal_tail(fabs(x), exp(-0.5f * x * x)) * x;
  float y = x > 0.0f ? x - tail : tail;
  return fabs(x) == kInf ? (x > 0.0f ? x : 0.0f) : y;
}
MT_INLINE double gelu(double x) { return 0.5 * x * erfc(x * -0.7071067811865476); }
MT_INLINE float gelu_derivative(float x) {
  float e = exp(-0.5f * x * x), tail = normal_tail(fabs(x), e);
  float y = (x > 0.0f ? 1.0f - tail : tail) + x * e * 0.39894228f;
  return fabs(x) == kInf ? (x > 0.0f ? 1.0f : 0.0f) : y;
}
MT_INLINE double gelu_derivative(double x) {
  return 0.5 * erfc(x * -0.7071067811865476) + x * 0.3989422804014327 * exp(-0.5 * x * x);
}

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

}  // namespace mt::cpu::MT_ISA::fn
