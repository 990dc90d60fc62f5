// The ternary functions that need more than one expression.
#pragma once
#include "kernels/fn.h"

namespace MT_FN {

template <class T>
MT_INLINE T clamp_nan(T x, T lo, T hi) {
  T y = x < lo || lo != lo ? lo : x;
  y = y > hi || hi != hi ? hi : y;
  return x != x ? x : y;
}

}  // namespace MT_FN
