// Trigonometry in float32. sin, cos and tan come in two forms: fn::sin calls the C library and
// holds everywhere; fn::sin_fast vectorises and holds up to kTrigLimit (csrc/kernels/guarded.h
// picks per block).
#pragma once
#include "kernels/math.h"

namespace mt::cpu::MT_ISA::fn {

constexpr float kTrigLimit = 1e6f;

// x = k pi/2 + r. In double, whose 53 bits leave r exact enough even where it nearly cancels: the
// high part of pi/2 has 33 bits, so k times it is exact.
MT_INLINE float reduce_trig(float x, int32_t* k) {
  const double magic = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  double xd = double(x);
  double shifted = xd * 0.6366197723675814 + magic;
  double kd = shifted - magic;
  *k = int32_t(bits<int64_t>(shifted));
  return float((xd - kd * 1.5707963267341256) - kd * 6.077100506506192e-11);
}
MT_INLINE float sin_reduced(float r) {
  float z = r * r;
  return horner(z, -1.666666664e-01f, 8.333329144e-03f, -1.983925663e-04f, 2.717564407e-06f) * z *
             r +
         r;
}
MT_INLINE float cos_reduced(float r) {
  float z = r * r;
  float p = horner(z, 4.166666662e-02f, -1.388888344e-03f, 2.479943641e-05f, -2.720330365e-07f);
  return p * (z * z) + (1.0f - 0.5f * z);
}
MT_INLINE float negate_if(bool c, float x) { return c ? -x : x; }

MT_INLINE float sin_fast(float x) {
  int32_t k;
  float r = reduce_trig(x, &k);
  float y = negate_if(k & 2, k & 1 ? cos_reduced(r) : sin_reduced(r));
  return x == 0.0f ? x : y;
}
MT_INLINE float cos_fast(float x) {
  int32_t k;
  float r = reduce_trig(x, &k);
  return negate_if((k + 1) & 2, k & 1 ? sin_reduced(r) : cos_reduced(r));
}
MT_INLINE float tan_fast(float x) {
  int32_t k;
  float r = reduce_trig(x, &k);
  float s = sin_reduced(r), c = cos_reduced(r);
  float y = k & 1 ? -c / s : s / c;
  return x == 0.0f ? x : y;
}

// atan up to 1; pi/2 - atan(1/x) beyond.
MT_INLINE float atan(float x) {
  float a = fabs(x);
  bool inverted = a > 1.0f;
  float t = inverted ? 1.0f / a : a;
  float z = t * t;
  float p = horner(z, -3.333332743e-01f, 1.999969261e-01f, -1.428013074e-01f, 1.106024454e-01f,
                   -8.818848302e-02f, 6.759572112e-02f, -4.494644558e-02f, 2.276034072e-02f,
                   -7.422637604e-03f, 1.134878310e-03f);
  p = p * z * t + t;
  return copysign(inverted ? 1.57079633f - p : p, x);
}

// The angle of (x, y) = (adjacent, opposite) from the atan of the smaller ratio.
MT_INLINE float atan2(float y, float x) {
  float ax = fabs(x), ay = fabs(y);
  float small = ax < ay ? ax : ay, large = ax < ay ? ay : ax;
  float ratio = large == 0.0f || small == large ? (large == 0.0f ? 0.0f : 1.0f) : small / large;
  float p = atan(ratio);
  p = ax < ay ? 1.57079633f - p : p;
  p = bits<int32_t>(x) < 0 ? 3.14159265f - p : p;
  p = copysign(p, y);
  return x == x && y == y ? p : x + y;
}

// asin up to 1/2; pi/2 - 2 asin(sqrt((1 - x) / 2)) beyond.
MT_INLINE float asin_small(float x, float z) {
  return horner(z, 1.666665938e-01f, 7.500542081e-02f, 4.450935832e-02f, 3.187369387e-02f,
                1.418013170e-02f, 3.789113441e-02f) *
             z * x +
         x;
}
MT_INLINE float asin(float x) {
  float a = fabs(x);
  bool large = a > 0.5f;
  float z = large ? 0.5f - 0.5f * a : a * a;
  float s = large ? sqrt(z) : a;
  float p = asin_small(s, z);
  return copysign(large ? 1.57079633f - 2.0f * p : p, x);
}
// acos(x) = 2 asin(sqrt((1 - x) / 2)) above 1/2, pi minus that of -x below -1/2.
MT_INLINE float acos(float x) {
  float a = fabs(x);
  bool large = a > 0.5f;
  float z = large ? 0.5f - 0.5f * a : a * a;
  float s = large ? sqrt(z) : x;
  float p = asin_small(s, z);
  float far = x > 0.0f ? 2.0f * p : 3.14159265f - 2.0f * p;
  return large ? far : 1.57079633f - p;
}

}  // namespace mt::cpu::MT_ISA::fn
