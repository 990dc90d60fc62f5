// Scalar functions that the compiler vectorises: no branches, no calls. float32 versions are ours;
// float64 and the rarely used ones go to the C library. Errors in ULP are tested over the whole
// float32 range in tests/ops/test_math_accuracy.py.
#pragma once
#include "core/macros.h"

namespace mt::cpu::MT_ISA::fn {

template <class To, class From> MT_INLINE To bits(From v) {
  static_assert(sizeof(To) == sizeof(From));
  To r;
  __builtin_memcpy(&r, &v, sizeof r);
  return r;
}

#define MT_LIBM1(name)                                                          \
  MT_INLINE float name(float x) { return __builtin_##name##f(x); }              \
  MT_INLINE double name(double x) { return __builtin_##name(x); }
#define MT_LIBM2(name)                                                                    \
  MT_INLINE float name(float x, float y) { return __builtin_##name##f(x, y); }            \
  MT_INLINE double name(double x, double y) { return __builtin_##name(x, y); }
MT_LIBM1(sqrt) MT_LIBM1(fabs) MT_LIBM1(floor) MT_LIBM1(ceil) MT_LIBM1(trunc) MT_LIBM1(nearbyint)
MT_LIBM1(sin) MT_LIBM1(cos) MT_LIBM1(tan) MT_LIBM1(asin) MT_LIBM1(acos) MT_LIBM1(atan)
MT_LIBM1(sinh) MT_LIBM1(cosh) MT_LIBM1(asinh) MT_LIBM1(acosh) MT_LIBM1(atanh)
MT_LIBM1(exp2) MT_LIBM1(expm1) MT_LIBM1(log2) MT_LIBM1(log10) MT_LIBM1(log1p)
MT_LIBM1(erfc) MT_LIBM1(lgamma)
MT_LIBM2(pow) MT_LIBM2(atan2) MT_LIBM2(hypot) MT_LIBM2(fmod) MT_LIBM2(copysign) MT_LIBM2(nextafter)
#undef MT_LIBM1
#undef MT_LIBM2

MT_INLINE double exp(double x) { return __builtin_exp(x); }
MT_INLINE double log(double x) { return __builtin_log(x); }
MT_INLINE double tanh(double x) { return __builtin_tanh(x); }
MT_INLINE double erf(double x) { return __builtin_erf(x); }

template <class T> MT_INLINE bool isnan(T x) { return x != x; }
template <class T> MT_INLINE T select(bool c, T a, T b) { return c ? a : b; }

// exp(x) = 2^n * e^r with |r| <= ln2 / 2; the power of two is applied in two halves so that
// subnormal results and overflow come out right. At most 1 ULP.
MT_INLINE float exp(float x) {
  float c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  float shifted = c * 1.44269504088896341f + magic;
  int32_t n = bits<int32_t>(shifted) - bits<int32_t>(magic);
  float nf = shifted - magic;
  float r = c - nf * 0.693359375f;
  r = r + nf * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  int32_t half = n >> 1;
  float s1 = bits<float>((half + 127) << 23), s2 = bits<float>((n - half + 127) << 23);
  return p * s1 * s2;
}

// log(x) = e * ln2 + log(m), m in [sqrt(1/2), sqrt(2)). At most 1 ULP.
MT_INLINE float log(float x) {
  bool tiny = x < 1.17549435e-38f;
  float v = tiny ? x * 8388608.0f : x;
  int32_t u = bits<int32_t>(v);
  int32_t e = ((u - 0x3f3504f3) >> 23);
  float m = bits<float>(u - (e << 23));
  float f = m - 1.0f;
  float ef = float(e) - (tiny ? 23.0f : 0.0f);
  float z = f * f;
  float p = 7.0376836292e-2f;
  p = p * f + -1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f + -1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f + -1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f + -2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float y = p * (f * z) + ef * -2.12194440e-4f - 0.5f * z;
  y = f + y;
  y = y + ef * 0.693359375f;
  y = x == 0.0f ? -__builtin_inff() : y;
  y = x == __builtin_inff() ? x : y;
  return x >= 0.0f ? y : __builtin_nanf("");
}

MT_INLINE float tanh(float x) {
  float a = __builtin_fabsf(x);
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z + -5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z + -3.33332819422e-1f;
  float small = p * z * x + x;
  float e = exp(2.0f * (a > 10.0f ? 10.0f : a));
  float large = __builtin_copysignf(1.0f - 2.0f / (e + 1.0f), x);
  float y = a < 0.625f ? small : large;
  return x == x ? y : x;
}

// x * P(x^2) up to 1, 1 - exp(-x * R(x)) beyond; the polynomials are Chebyshev fits. At most 3 ULP.
MT_INLINE float erf(float x) {
  float a = __builtin_fabsf(x);
  float z = x * x;
  float p = -9.673590284e-06f;
  p = p * z + 1.126825373e-04f;
  p = p * z + -8.484396385e-04f;
  p = p * z + 5.221053492e-03f;
  p = p * z + -2.686543764e-02f;
  p = p * z + 1.128378223e-01f;
  p = p * z + -3.761263788e-01f;
  p = p * z + 1.128379226f;
  float b = a > 4.0f ? 4.0f : a;
  float r = 1.297711520e-07f;
  r = r * b + -3.157459560e-06f;
  r = r * b + 3.220067811e-05f;
  r = r * b + -1.640362170e-04f;
  r = r * b + 2.391944727e-04f;
  r = r * b + 2.534163883e-03f;
  r = r * b + -2.241101861e-02f;
  r = r * b + 1.052534133e-01f;
  r = r * b + 6.355381608e-01f;
  r = r * b + 1.128586411f;
  float large = __builtin_copysignf(1.0f - exp(-r * b), x);
  float y = a < 1.0f ? p * x : large;
  return x == x ? y : x;
}

template <class T> MT_INLINE T sigmoid(T x) { return T(1) / (T(1) + exp(-x)); }

}  // namespace mt::cpu::MT_ISA::fn
