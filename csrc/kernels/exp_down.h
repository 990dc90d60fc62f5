// exp(x) for x <= 0, as softmax needs it: no overflow to guard against, and results below the
// smallest normal number are 0. Works on numbers and on vectors. At most 1 ULP.
#pragma once
#include "kernels/lanes.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {

template <class F, class I>
MT_INLINE F exp_down_float(F x) {
  const F lowest = F{} - 87.33654f;
  const F c = x < lowest ? lowest : x;
  const F shifted = c * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: rounds to an integer
  const F n = shifted - 12582912.0f;
  F r = c - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  F p = F{} + 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  // The low bits of `shifted` hold n: moved up they are added to the exponent of 1.
  const F scale = fn::bits<F>((fn::bits<I>(shifted) << 23) + 0x3f800000);
  return x < lowest ? F{} : p * scale;
}

// A Taylor polynomial of degree 13 on |r| <= ln2 / 2.
template <class F, class I>
MT_INLINE F exp_down_double(F x) {
  const F lowest = F{} - 708.396;
  const F c = x < lowest ? lowest : x;
  const F shifted = c * 1.4426950408889634 + 6755399441055744.0;  // 1.5 * 2^52
  const F n = shifted - 6755399441055744.0;
  F r = c - n * 6.93147180369123816490e-01;
  r = r - n * 1.90821492927058770002e-10;
  F p = F{} + 1.6059043836821613e-10;
  p = p * r + 2.08767569878681e-09;
  p = p * r + 2.505210838544172e-08;
  p = p * r + 2.755731922398589e-07;
  p = p * r + 2.7557319223985893e-06;
  p = p * r + 2.48015873015873e-05;
  p = p * r + 1.984126984126984e-04;
  p = p * r + 1.3888888888888889e-03;
  p = p * r + 8.333333333333333e-03;
  p = p * r + 4.1666666666666664e-02;
  p = p * r + 1.6666666666666666e-01;
  p = p * r + 0.5;
  p = p * (r * r) + r + 1.0;
  const F scale = fn::bits<F>((fn::bits<I>(shifted) << 52) + 0x3ff0000000000000);
  return x < lowest ? F{} : p * scale;
}

MT_INLINE float exp_down(float x) { return exp_down_float<float, int32_t>(x); }
MT_INLINE double exp_down(double x) { return exp_down_double<double, int64_t>(x); }
MT_INLINE lanes_t<float> exp_down(lanes_t<float> x) {
  return exp_down_float<lanes_t<float>, lanes_t<int32_t>>(x);
}
MT_INLINE lanes_t<double> exp_down(lanes_t<double> x) {
  return exp_down_double<lanes_t<double>, lanes_t<int64_t>>(x);
}

}  // namespace mt::cpu::MT_ISA
