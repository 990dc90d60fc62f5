// fn:: for formulas that CPU and CUDA share: the names of csrc/kernels/math.h on CUDA's math
// library.
#pragma once
#include "cuda/core/simt.h"

#define MT_FN mt::cuda::fn

namespace MT_FN {

#define MT_MATH1(name)                                   \
  MT_INLINE float name(float x) { return ::name##f(x); } \
  MT_INLINE double name(double x) { return ::name(x); }
#define MT_MATH2(name)                                               \
  MT_INLINE float name(float x, float y) { return ::name##f(x, y); } \
  MT_INLINE double name(double x, double y) { return ::name(x, y); }
// clang-format off
MT_MATH1(exp) MT_MATH1(exp2) MT_MATH1(expm1) MT_MATH1(log) MT_MATH1(log2) MT_MATH1(log10)
MT_MATH1(log1p) MT_MATH1(sqrt) MT_MATH1(fabs) MT_MATH1(floor) MT_MATH1(ceil) MT_MATH1(trunc)
MT_MATH1(nearbyint) MT_MATH1(sin) MT_MATH1(cos) MT_MATH1(tan) MT_MATH1(asin) MT_MATH1(acos)
MT_MATH1(atan) MT_MATH1(sinh) MT_MATH1(cosh) MT_MATH1(tanh) MT_MATH1(asinh) MT_MATH1(acosh)
MT_MATH1(atanh) MT_MATH1(erf) MT_MATH1(erfc) MT_MATH1(erfinv) MT_MATH1(lgamma)
MT_MATH1(normcdf)
MT_MATH2(pow) MT_MATH2(fmod) MT_MATH2(copysign) MT_MATH2(nextafter) MT_MATH2(atan2)
MT_MATH2(hypot)
// clang-format on
#undef MT_MATH1
#undef MT_MATH2

                            template <class T>
                            MT_INLINE bool isnan(T x) {
  return x != x;
}
template <class T>
MT_INLINE T select(bool c, T a, T b) {
  return c ? a : b;
}

// fabs, floor ... of integers occur in formulas that are compiled for every type, never run.
MT_INLINE int64_t fabs(int64_t x) { return x < 0 ? -x : x; }

}  // namespace MT_FN

#include "kernels/math_common.h"
