// One order for the largest and the smallest: the smallest element is the largest in reversed
// order.
#pragma once
#include <limits>

#include "core/dtype.h"
#include "cuda/core/simt.h"

namespace mt::cuda {

template <class T>
constexpr bool is_float = __is_same(T, float) || __is_same(T, double);

// x, or what orders the other way round; its own inverse.
template <class T>
MT_INLINE T in_order(bool largest, T x) {
  if constexpr (is_float<T>) return largest ? x : -x;
  else return largest ? x : T(~x);
}
template <class T>
MT_INLINE T lowest() {
  if constexpr (is_float<T>) return -std::numeric_limits<T>::infinity();
  else return std::numeric_limits<T>::min();
}

}  // namespace mt::cuda
