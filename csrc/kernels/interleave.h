// Elements of two vectors taken apart and put together, as even and odd ones.
#pragma once
#include "kernels/gemm_micro.h"

namespace mt::cpu::MT_ISA {

// Elements first, first + 2, .. of the two vectors as one run.
template <class T>
MT_INLINE GemmVec<T> every_second(GemmVec<T> a, GemmVec<T> b, int first) {
  using Index = typename VectorOf<typename Int<sizeof(T)>::type>::type;
  Index at;
  for (int v = 0; v < Tile<T>::VL; v++) at[v] = 2 * v + first;
  return __builtin_shuffle(a, b, at);
}
// The first (or last) half of a0, b0, a1, b1, ..
template <class T>
MT_INLINE GemmVec<T> zip_half(GemmVec<T> a, GemmVec<T> b, int half) {
  using Index = typename VectorOf<typename Int<sizeof(T)>::type>::type;
  constexpr int VL = Tile<T>::VL;
  Index at;
  for (int v = 0; v < VL; v++) at[v] = (v & 1) * VL + v / 2 + half * VL / 2;
  return __builtin_shuffle(a, b, at);
}

}  // namespace mt::cpu::MT_ISA
