// x^y and hypot in float32, through float64: 2^(y log2 |x|) with 35 bits of the logarithm.
#pragma once
#include "kernels/math.h"

namespace mt::cpu::MT_ISA::fn {

MT_INLINE double horner(double, double c) { return c; }
template <class... C>
MT_INLINE double horner(double x, double c, C... more) {
  return horner(x, more...) * x + c;
}

// log2 of a positive finite normal number: e + 2 atanh(s) / ln2, s = (m - 1) / (m + 1).
MT_INLINE double log2_35bits(double x) {
  // Biased by 1024 so that the shift may be a logical one, which every instruction set has.
  uint64_t u = bits<uint64_t>(x);
  uint64_t e = (u - 0x3fe6a09e667f3bcdull + (1024ull << 52)) >> 52;
  double m = bits<double>(u - (e << 52) + (1024ull << 52));
  double ed = bits<double>(0x4330000000000000ull | e) - (4503599627370496.0 + 1024.0);
  double s = (m - 1.0) / (m + 1.0), z = s * s;
  return ed + s * horner(z, 2.88539008179020273e+00, 9.61796673200725372e-01,
                         5.77083611451140399e-01, 4.11671142170052740e-01, 3.40759219756095133e-01);
}

// 2^t for |t| < 1000.
MT_INLINE double exp2_34bits(double t) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52
  double shifted = t + magic;
  double f = t - (shifted - magic);
  double p = horner(f, 6.93147180541653363e-01, 2.40226510758548228e-01, 5.55041096257217620e-02,
                    9.61803691065848954e-03, 1.33334307877946978e-03, 1.54671103977495339e-04,
                    1.53149464996449325e-05);
  p = p * f + 1.0;
  return bits<double>(bits<uint64_t>(p) + (bits<uint64_t>(shifted) << 52));
}

MT_INLINE double pow_positive(double x, double y) {
  double t = y * log2_35bits(x);
  t = t > 300.0 ? 300.0 : t;
  t = t < -300.0 ? -300.0 : t;
  return exp2_34bits(t);
}

// Where pow_fast is right: x positive and finite, y finite.
MT_INLINE bool pow_holds(float x, float y) { return x > 0.0f && x < kInf && fabs(y) < kInf; }
MT_INLINE float pow_fast(float x, float y) { return float(pow_positive(double(x), double(y))); }

MT_INLINE float pow(float xf, float yf) {
  double x = double(xf), y = double(yf), a = x < 0.0 ? -x : x;
  const double inf = __builtin_inf();
  double r = pow_positive(a, y);
  // 0 and infinity, whose logarithms the formula does not give.
  r = a == 0.0 || a == inf ? ((a == 0.0) == (y < 0.0) ? inf : 0.0) : r;
  double half = y * 0.5;
  double magnitude = y < 0.0 ? -y : y;
  bool integer = magnitude >= 9007199254740992.0 || __builtin_trunc(y) == y;
  bool odd = integer && __builtin_trunc(half) != half;
  bool negative = bits<int64_t>(x) < 0;
  r = negative && odd ? -r : r;
  r = x < 0.0 && a != inf && !integer ? __builtin_nan("") : r;
  r = x != x || y != y ? x + y : r;
  r = a == 1.0 && magnitude == inf ? 1.0 : r;
  r = x == 1.0 || y == 0.0 ? 1.0 : r;
  return float(r);
}

// Squares of floats neither overflow nor underflow in double.
MT_INLINE float hypot(float x, float y) {
  double xd = double(x), yd = double(y);
  float r = float(__builtin_sqrt(xd * xd + yd * yd));
  return fabs(x) == kInf || fabs(y) == kInf ? kInf : r;
}

}  // namespace mt::cpu::MT_ISA::fn
