// The functions that the formulas of csrc/ops/loss.h are written in.
#pragma once
#include "kernels/fn.h"

namespace MT_FN::loss {

template <class T>
MT_INLINE T sign(T d) {
  return T(d > T(0)) - T(d < T(0));
}
template <class T>
MT_INLINE T at_least(T v, T low) {
  return v < low ? low : v;
}
template <class T>
MT_INLINE T clamp(T v, T most) {
  const T w = v > most ? most : v;
  return w < -most ? -most : w;
}
template <class T>
MT_INLINE T log_or_100(T v) {
  return at_least(v, T(-100));
}
// log(1 + z) from the logarithm of the rounded sum, corrected for its rounding.
template <class T>
MT_INLINE T log1p(T z) {
  const T u = T(1) + z;
  return u == T(1) ? z : log(u) * (z / (u - T(1)));
}
// log(1 + z) for z in [0, 1]: the series of 2 atanh(z / (2 + z)) for float.
MT_INLINE float log1p_unit(float z) {
  const float s = z / (2.0f + z), q = s * s;
  float p = 1.0f / 15;
  p = p * q + 1.0f / 13;
  p = p * q + 1.0f / 11;
  p = p * q + 1.0f / 9;
  p = p * q + 1.0f / 7;
  p = p * q + 1.0f / 5;
  p = p * q + 1.0f / 3;
  return 2 * (s + s * (q * p));
}
MT_INLINE double log1p_unit(double z) { return log1p(z); }
// log(1 + e^v)
template <class T>
MT_INLINE T softplus(T v) {
  return at_least(v, T(0)) + log1p_unit(exp(-fabs(v)));
}
template <class T>
MT_INLINE T sigmoid(T v) {
  return T(1) / (T(1) + exp(-v));
}

}  // namespace MT_FN::loss
