// Scalar functions that the compiler vectorises: no branches, no calls. The float32 versions are
// ours, and exp of float64 (1.2 ULP); the rest of float64 and what is rarely used go to the C
// library. The polynomials are least-maximum fits of weighted error. Bounds, which
// tests/ops/test_math_accuracy.py checks over the float32 range, in
// ULP:
//
//   exp exp2 1    log log2 log10 2   expm1 log1p 2   tanh 2   erf 3   sinh cosh 3
//   sigmoid 3 above -88   erfc 8   asin acos atan 3   asinh acosh atanh 3   pow 2   atan2 4
//   sin cos 2   tan 4   erfinv 4   (math_trig.h, math_pow.h, math_erfinv.h)
#pragma once
#include "core/macros.h"

#define MT_FN mt::cpu::MT_ISA::fn

namespace MT_FN {

template <class To, class From>
MT_INLINE To bits(From v) {
  static_assert(sizeof(To) == sizeof(From));
  To r;
  __builtin_memcpy(&r, &v, sizeof r);
  return r;
}

#define MT_LIBM1(name)                                             \
  MT_INLINE float name(float x) { return __builtin_##name##f(x); } \
  MT_INLINE double name(double x) { return __builtin_##name(x); }
#define MT_LIBM1_DOUBLE(name) \
  MT_INLINE double name(double x) { return __builtin_##name(x); }
#define MT_LIBM2(name)                                                         \
  MT_INLINE float name(float x, float y) { return __builtin_##name##f(x, y); } \
  MT_INLINE double name(double x, double y) { return __builtin_##name(x, y); }
// clang-format off
MT_LIBM1(sqrt) MT_LIBM1(fabs) MT_LIBM1(floor) MT_LIBM1(ceil) MT_LIBM1(trunc)
MT_LIBM1(nearbyint) MT_LIBM1(sin) MT_LIBM1(cos) MT_LIBM1(tan) MT_LIBM1(lgamma)
MT_LIBM1_DOUBLE(asin) MT_LIBM1_DOUBLE(acos) MT_LIBM1_DOUBLE(atan) MT_LIBM1_DOUBLE(sinh)
MT_LIBM1_DOUBLE(cosh) MT_LIBM1_DOUBLE(tanh) MT_LIBM1_DOUBLE(asinh) MT_LIBM1_DOUBLE(acosh)
MT_LIBM1_DOUBLE(atanh) MT_LIBM1_DOUBLE(exp2) MT_LIBM1_DOUBLE(expm1)
MT_LIBM1_DOUBLE(log) MT_LIBM1_DOUBLE(log2) MT_LIBM1_DOUBLE(log10) MT_LIBM1_DOUBLE(log1p)
MT_LIBM1_DOUBLE(erf) MT_LIBM1_DOUBLE(erfc)
MT_LIBM2(fmod) MT_LIBM2(copysign) MT_LIBM2(nextafter)
    // clang-format on
    MT_INLINE double pow(double x, double y) {
  return __builtin_pow(x, y);
}
MT_INLINE double atan2(double y, double x) { return __builtin_atan2(y, x); }
MT_INLINE double hypot(double x, double y) { return __builtin_hypot(x, y); }
#undef MT_LIBM1
#undef MT_LIBM1_DOUBLE
#undef MT_LIBM2

template <class T>
MT_INLINE bool isnan(T x) {
  return x != x;
}
template <class T>
MT_INLINE T select(bool c, T a, T b) {
  return c ? a : b;
}

// c0 + c1 x + c2 x^2 ...
MT_INLINE float horner(float, float c) { return c; }
template <class... C>
MT_INLINE float horner(float x, float c, C... more) {
  return horner(x, more...) * x + c;
}

constexpr float kInf = __builtin_inff();
constexpr float kLn2Hi = 0.693359375f, kLn2Lo = -2.12194440e-4f;  // the high part has 9 bits

// The integer nearest to a small x, as a float and as an int: adding 1.5 * 2^23 rounds.
MT_INLINE float round_small(float x, int32_t* n) {
  const float magic = 12582912.0f;
  float shifted = x + magic;
  *n = bits<int32_t>(shifted) - bits<int32_t>(magic);
  return shifted - magic;
}

// p * 2^n for n in [-252, 254], in two steps so that subnormal results and overflow come out right.
MT_INLINE float scale(float p, int32_t n) {
  int32_t half = n >> 1;
  return p * bits<float>((half + 127) << 23) * bits<float>((n - half + 127) << 23);
}

// e^r - 1 for |r| <= ln2 / 2.
MT_INLINE float expm1_reduced(float r) {
  float p = horner(r, 5.000000083e-01f, 1.666666687e-01f, 4.166625375e-02f, 8.333262643e-03f,
                   1.394722497e-03f, 1.991937769e-04f);
  return p * (r * r) + r;
}

// x = n ln2 + r.
MT_INLINE float reduce_exp(float x, int32_t* n) {
  float nf = round_small(x * 1.44269504f, n);
  float r = x - nf * kLn2Hi;
  return r - nf * kLn2Lo;
}

MT_INLINE float exp(float x) {
  float c = x < -104.0f ? -104.0f : x;
  c = c > 89.0f ? 89.0f : c;
  int32_t n;
  float r = reduce_exp(c, &n);
  return scale(expm1_reduced(r) + 1.0f, n);
}

// n ln2 is exact in the high part for |n| < 2^11; then the series of e^r.
MT_INLINE double exp(double x) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52
  double c = x < -746.0 ? -746.0 : x;
  c = c > 710.0 ? 710.0 : c;
  double shifted = c * 1.4426950408889634 + magic, nf = shifted - magic;
  double r = c - nf * 6.93147180369123816490e-01;
  r = r - nf * 1.90821492927058770002e-10;
  double p = 1.0 / 6227020800;
  p = p * r + 1.0 / 479001600;
  p = p * r + 1.0 / 39916800;
  p = p * r + 1.0 / 3628800;
  p = p * r + 1.0 / 362880;
  p = p * r + 1.0 / 40320;
  p = p * r + 1.0 / 5040;
  p = p * r + 1.0 / 720;
  p = p * r + 1.0 / 120;
  p = p * r + 1.0 / 24;
  p = p * r + 1.0 / 6;
  p = p * r + 0.5;
  p = p * (r * r) + r;
  // 2^n in two steps, as in scale(); unsigned shifts exist for vectors of every instruction set.
  uint64_t n = bits<uint64_t>(shifted) - bits<uint64_t>(magic) + 2046;  // 2046 + n > 0
  uint64_t half = n >> 1;
  return (p + 1.0) * bits<double>(half << 52) * bits<double>((n - half) << 52);
}

MT_INLINE float exp2(float x) {
  float c = x < -151.0f ? -151.0f : x;
  c = c > 129.0f ? 129.0f : c;
  int32_t n;
  float r = c - round_small(c, &n);
  float p = horner(r, 6.931471805e-01f, 2.402265110e-01f, 5.550410968e-02f, 9.618033162e-03f,
                   1.333342561e-03f, 1.546839072e-04f, 1.531619897e-05f);
  return scale(p * r + 1.0f, n);
}

// 2^n (e^r - 1) + (2^n - 1); where 2^n overflows e^x does so or is too large for the 1 to matter.
MT_INLINE float expm1(float x) {
  float c = x < -18.0f ? -18.0f : x;
  c = c > 89.0f ? 89.0f : c;
  int32_t n;
  float r = reduce_exp(c, &n);
  float p = expm1_reduced(r);
  int32_t m = n > 127 ? 127 : n;
  float s = bits<float>((m + 127) << 23);
  float y = s * p + (s - 1.0f);
  y = n > 127 ? scale(p + 1.0f, n) : y;
  return x == 0.0f ? x : y;
}

// x = 2^e m, m in [sqrt(1/2), sqrt(2)); f = m - 1.
MT_INLINE float reduce_log(float x, float* e) {
  bool tiny = x < 1.17549435e-38f;
  int32_t u = bits<int32_t>(tiny ? x * 8388608.0f : x);
  int32_t n = (u - 0x3f3504f3) >> 23;
  *e = float(n) - (tiny ? 23.0f : 0.0f);
  return bits<float>(u - (n << 23)) - 1.0f;
}

// log(1 + f) - f
MT_INLINE float log_tail(float f) {
  float z = f * f;
  float p = horner(f, 3.333331044e-01f, -2.499998663e-01f, 2.000222671e-01f, -1.666924933e-01f,
                   1.421865518e-01f, -1.238437242e-01f, 1.187302014e-01f, -1.178968464e-01f,
                   6.915125447e-02f);
  return p * (f * z) - 0.5f * z;
}

// What logarithms give where the formula does not hold: 0, infinity, negative numbers and NaN.
MT_INLINE float log_edges(float x, float y) {
  y = x == 0.0f ? -kInf : y;
  y = x == kInf ? x : y;
  return x >= 0.0f ? y : __builtin_nanf("");
}

MT_INLINE float log_finite(float x) {
  float e, f = reduce_log(x, &e);
  float y = e * kLn2Lo + log_tail(f);
  return (f + y) + e * kLn2Hi;
}

MT_INLINE float log(float x) { return log_edges(x, log_finite(x)); }

// The factor 1 / ln(base) is split so that its product with f is exact in the high part.
MT_INLINE float log2(float x) {
  float e, f = reduce_log(x, &e);
  float t = log_tail(f);
  float y = t * 0.44269504089f + f * 0.44269504089f;
  return log_edges(x, ((y + t) + f) + e);
}
MT_INLINE float log10(float x) {
  float e, f = reduce_log(x, &e);
  float t = log_tail(f);
  float y = (f + t) * 7.00731903251827651e-4f + e * 2.48745664e-4f;
  y = y + t * 4.33593750e-1f;
  y = y + f * 4.33593750e-1f;
  return log_edges(x, y + e * 3.00781250e-1f);
}

// log(u) with u = fl(1 + x), and what the rounding lost.
MT_INLINE float log1p(float x) {
  float u = 1.0f + x;
  float lost = x - (u - 1.0f);
  float y = log_finite(u) + lost / u;
  y = u == 0.0f ? -kInf : y;
  y = x == kInf ? x : y;
  y = x == 0.0f ? x : y;
  return u >= 0.0f ? y : __builtin_nanf("");
}

// min(|x|, end): float bits of one sign are ordered like integers, and that is one instruction. NaN
// gives end.
MT_INLINE float bounded_size(float x, float end) {
  const int32_t size = bits<int32_t>(x) & 0x7fffffff, most = bits<int32_t>(end);
  return bits<float>(size < most ? size : most);
}

// t = n + r with |r| <= 1/2, n in [-127, 127]: gives r and 2^n, which is 0 for n = -127.
MT_INLINE float split_power(float t, float* r) {
  const float magic = 12582912.0f;  // as in round_small
  float shifted = t + magic;
  *r = t - (shifted - magic);
  return bits<float>((bits<int32_t>(shifted) << 23) + 0x3f800000);
}

// A polynomial up to 0.625, 1 - 2 / (e^2x + 1) beyond, 1 from 10 on.
MT_INLINE float tanh(float x) {
  float a = bounded_size(x, 10.0f);
  float z = a * a;
  float p = horner(z, -3.333333091e-01f, 1.333320976e-01f, -5.394720427e-02f, 2.170296710e-02f,
                   -8.182673854e-03f, 2.147536858e-03f);
  float small = p * z * a + a;
  float r, power = split_power(a * 2.88539008f, &r);
  float q = horner(r, 6.931471805e-01f, 2.402265110e-01f, 5.550410968e-02f, 9.618033162e-03f,
                   1.333342561e-03f, 1.546839072e-04f);
  float e = (q * r + 1.0f) * power;
  float y = copysign(a < 0.625f ? small : 1.0f - 2.0f / (e + 1.0f), x);
  return x == x ? y : x;
}

// sinh from u = e^a - 1: (u + u / (u + 1)) / 2. Near overflow e^a is formed as a square.
MT_INLINE float sinh(float x) {
  float a = fabs(x);
  float u = expm1(a);
  float y = 0.5f * (u + u / (u + 1.0f));
  float h = exp(0.5f * a);
  y = a > 85.0f ? (0.5f * h) * h : y;
  return copysign(y, x);
}
MT_INLINE float cosh(float x) {
  float a = fabs(x);
  float e = exp(a);
  float y = 0.5f * e + 0.5f / e;
  float h = exp(0.5f * a);
  return a > 85.0f ? (0.5f * h) * h : y;
}

MT_INLINE float asinh(float x) {
  float a = fabs(x), z = a * a;
  float y = log1p(a + z / (1.0f + sqrt(1.0f + z)));
  y = a > 1e8f ? log_finite(a) + 0.693147181f : y;
  y = a > 1e8f && a == kInf ? a : y;
  return copysign(x == x ? y : x, x);
}
MT_INLINE float acosh(float x) {
  float t = x - 1.0f;
  float y = log1p(t + sqrt(t * (t + 2.0f)));
  y = x > 1e8f ? log_finite(x) + 0.693147181f : y;
  y = x == kInf ? x : y;
  return x >= 1.0f ? y : __builtin_nanf("");
}
MT_INLINE float atanh(float x) {
  float a = fabs(x);
  return copysign(0.5f * log1p(2.0f * a / (1.0f - a)), x);
}

// x * P(x^2) up to 1, 1 - exp(-x * R(x)) beyond.
MT_INLINE float erf(float x) {
  float a = fabs(x), z = x * x;
  float p = horner(z, 1.128379226f, -3.761263788e-01f, 1.128378223e-01f, -2.686543764e-02f,
                   5.221053492e-03f, -8.484396385e-04f, 1.126825373e-04f, -9.673590284e-06f);
  float b = a > 4.0f ? 4.0f : a;
  float r = horner(b, 1.128586411f, 6.355381608e-01f, 1.052534133e-01f, -2.241101861e-02f,
                   2.534163883e-03f, 2.391944727e-04f, -1.640362170e-04f, 3.220067811e-05f,
                   -3.157459560e-06f, 1.297711520e-07f);
  float large = copysign(1.0f - exp(-r * b), x);
  float y = a < 1.0f ? p * x : large;
  return x == x ? y : x;
}

// 1 - Phi(a) = e^(-a^2 / 2) R(a), Phi the normal distribution function, a >= 0; `e` is the
// exponential.
MT_INLINE float normal_tail(float a, float e) {
  float t = 1.0f / (1.0f + 0.24f * a);
  return e * t *
         horner(t, 9.574218616e-02f, 9.585520866e-02f, 8.895013430e-02f, 8.769489237e-02f,
                2.833238328e-02f, 1.411486594e-01f, -1.439359254e-01f, 2.052474351e-01f,
                -1.245451650e-01f, 2.551019263e-02f);
}

// x^2 is split into a square of few bits and the rest, so that the exponential keeps its accuracy.
MT_INLINE float erfc(float x) {
  float a = fabs(x);
  a = a > 11.0f ? 11.0f : a;
  float h = bits<float>(bits<int32_t>(a) & ~0xfff);
  float rest = (a - h) * (a + h);
  float e = exp(-h * h) * horner(rest, 1.0f, -1.0f, 0.5f, -1.66666667e-1f, 4.16666667e-2f);
  float tail = 2.0f * normal_tail(a * 1.41421356f, e);
  float y = x < 0.0f ? 2.0f - tail : tail;
  y = a < 0.4f ? 1.0f - erf(x) : y;
  return x == x ? y : x;
}

}  // namespace MT_FN

#include "kernels/math_common.h"
#include "kernels/math_erfinv.h"
#include "kernels/math_pow.h"
#include "kernels/math_trig.h"
