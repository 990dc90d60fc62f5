// N x N elements transposed in vector registers.
#pragma once
#include "kernels/vector_bytes.h"

namespace mt::cpu::MT_ISA {

template <class T>
constexpr int kTransposeTile =
    kVectorBytes / int(sizeof(T)) < 16 ? kVectorBytes / int(sizeof(T)) : 16;

template <class T, int N>
struct TileRow {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};

// Lanes a[from], b[from], a[from + 1], b[from + 1] ...
template <int N, int from, class V>
MT_INLINE V interleave(V a, V b) {
  constexpr int f = from, g = N + from;
  if constexpr (N == 16)
    return __builtin_shufflevector(a, b, f, g, f + 1, g + 1, f + 2, g + 2, f + 3, g + 3, f + 4,
                                   g + 4, f + 5, g + 5, f + 6, g + 6, f + 7, g + 7);
  if constexpr (N == 8)
    return __builtin_shufflevector(a, b, f, g, f + 1, g + 1, f + 2, g + 2, f + 3, g + 3);
  if constexpr (N == 4) return __builtin_shufflevector(a, b, f, g, f + 1, g + 1);
  if constexpr (N == 2) return __builtin_shufflevector(a, b, f, g);
  return a;
}

// y[i][j] = x[j][i] for N x N elements: each round of interleaving the upper with the lower half of
// the rows rotates the bits of (row, lane) by one.
template <class T, int N>
MT_INLINE void transpose_tile(T* y, int64_t y_row, const T* x, int64_t x_row) {
  using V = typename TileRow<T, N>::type;
  V a[N], b[N];
#pragma GCC unroll 16
  for (int j = 0; j < N; j++)
    __builtin_memcpy(&a[j], reinterpret_cast<const char*>(x) + j * x_row, sizeof(V));
#pragma GCC unroll 4
  for (int round = 1; round < N; round *= 2) {
#pragma GCC unroll 8
    for (int j = 0; j < N / 2; j++) {
      b[2 * j] = interleave<N, 0>(a[j], a[j + N / 2]);
      b[2 * j + 1] = interleave<N, N / 2>(a[j], a[j + N / 2]);
    }
#pragma GCC unroll 16
    for (int j = 0; j < N; j++) a[j] = b[j];
  }
#pragma GCC unroll 16
  for (int i = 0; i < N; i++)
    __builtin_memcpy(reinterpret_cast<char*>(y) + i * y_row, &a[i], sizeof(V));
}

}  // namespace mt::cpu::MT_ISA
