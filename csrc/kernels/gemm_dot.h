// Products whose operands both lie along k (x @ W^T with few rows, matrix times vector): vectors
// along k, no packing, one horizontal sum per element of C.
#pragma once
#include "kernels/gemm_store.h"

namespace mt::cpu::MT_ISA {

template <class T>
struct DotTile {
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int R = 4, C = 4;
#else
  static constexpr int R = 2, C = 4;
#endif
};

template <class T>
MT_INLINE BlockVec<T> fold_vector(GemmVec<T> v) {
  if constexpr (kVectorBytes == kBlockBytes) {
    return v;
  } else {
    BlockVec<T> half[2];
    static_assert(sizeof half == sizeof v);
    __builtin_memcpy(half, &v, sizeof v);
    return half[0] + half[1];
  }
}

// sums[0..kSide) = the sums of the lanes of each of kSide vectors.
template <class T>
MT_INLINE BlockVec<T> lane_sums(const GemmVec<T>* v) {
  constexpr int S = kSide<T>;
  BlockVec<T> r[S];
#pragma GCC unroll 8
  for (int i = 0; i < S; i++) r[i] = fold_vector<T>(v[i]);
  Transpose<T>::run(r);
#pragma GCC unroll 4
  for (int step = S / 2; step > 0; step /= 2) {
#pragma GCC unroll 4
    for (int i = 0; i < step; i++) r[i] += r[i + step];
  }
  return r[0];
}

// tile[i*NR + j] = sum over p of a[i*a_row + p] * b[j*b_col + p].
template <class T, class Src>
using DotKernel = void(int64_t k, const Src* a, int64_t a_row, const Src* b, int64_t b_col,
                       T* tile);

template <class T, class Src, int R, int C>
void dot_kernel(int64_t k, const Src* a, int64_t a_row, const Src* b, int64_t b_col, T* tile) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL, S = kSide<T>;
  // Enough independent sums to hide the latency of a multiply-add.
  constexpr int U = R * C >= 8 ? 1 : R * C >= 4 ? 2 : R * C >= 2 ? 4 : 8;
  constexpr int kCount = (R * C + S - 1) / S * S;
  Vec acc[U][kCount] = {};
  int64_t p = 0;
  for (; p + U * VL <= k; p += U * VL) {
#pragma GCC unroll 8
    for (int u = 0; u < U; u++) {
      Vec bv[C];
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) bv[j] = load_wide<Vec>(b + j * b_col + p + u * VL);
#pragma GCC unroll 4
      for (int i = 0; i < R; i++) {
        Vec av = load_wide<Vec>(a + i * a_row + p + u * VL);
#pragma GCC unroll 4
        for (int j = 0; j < C; j++) acc[u][i * C + j] += av * bv[j];
      }
    }
  }
  for (; p < k; p += VL) {
    const int lanes = int(min64(VL, k - p));
    Vec bv[C];
#pragma GCC unroll 4
    for (int j = 0; j < C; j++) bv[j] = load_wide_lanes<T>(b + j * b_col + p, lanes);
#pragma GCC unroll 4
    for (int i = 0; i < R; i++) {
      Vec av = load_wide_lanes<T>(a + i * a_row + p, lanes);
#pragma GCC unroll 4
      for (int j = 0; j < C; j++) acc[0][i * C + j] += av * bv[j];
    }
  }
#pragma GCC unroll 4
  for (int step = U / 2; step > 0; step /= 2) {
#pragma GCC unroll 8
    for (int u = 0; u < step; u++) {
#pragma GCC unroll 4
      for (int q = 0; q < R * C; q++) acc[u][q] += acc[u + step][q];
    }
  }
  alignas(64) T sums[kCount];
#pragma GCC unroll 16
  for (int q = 0; q < kCount; q += S) store_unaligned(sums + q, lane_sums<T>(acc[0] + q));
#pragma GCC unroll 4
  for (int i = 0; i < R; i++) {
#pragma GCC unroll 4
    for (int j = 0; j < C; j++) tile[i * Tile<T>::NR + j] = sums[i * C + j];
  }
}

template <class T, class Src, int R, int C>
MT_INLINE DotKernel<T, Src>* pick_dot_kernel(int rows, int cols) {
  if constexpr (C > 1) {
    if (cols < C) return pick_dot_kernel<T, Src, R, C - 1>(rows, cols);
  }
  if constexpr (R > 1) {
    if (rows < R) return pick_dot_kernel<T, Src, R - 1, C>(rows, cols);
  }
  return &dot_kernel<T, Src, R, C>;
}

// A's rows and B's columns are contiguous along k. Tasks are strips of the longer side; within a
// strip the other operand is passed over once.
template <class T, class Src, class Store>
void gemm_dot(int64_t m, int64_t n, int64_t k, const Src* a, int64_t a_row, const Src* b,
              int64_t b_col, const Store& store, bool serial) {
  constexpr int R = DotTile<T>::R, C = DotTile<T>::C;
  static_assert(R <= Tile<T>::MR && C <= Tile<T>::NR);
  auto tile_at = [&](int64_t i, int64_t j) {
    int rows = int(min64(R, m - i)), cols = int(min64(C, n - j));
    alignas(64) T tile[R * Tile<T>::NR];
    pick_dot_kernel<T, Src, R, C>(rows, cols)(k, a + i * a_row, a_row, b + j * b_col, b_col, tile);
    store.merge(i, j, rows, cols, tile, true, true);
  };
  const int64_t strip = max64(1, 65536 / max64(1, k * min64(m, n)));
  if (m >= n) {
    for_tasks(serial, ceil_div(m, R), ceil_div(strip, R), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * R; i < min64(m, end * R); i += R)
        for (int64_t j = 0; j < n; j += C) tile_at(i, j);
    });
  } else {
    for_tasks(serial, ceil_div(n, C), ceil_div(strip, C), [&](int64_t begin, int64_t end) {
      for (int64_t j = begin * C; j < min64(n, end * C); j += C)
        for (int64_t i = 0; i < m; i += R) tile_at(i, j);
    });
  }
}

}  // namespace mt::cpu::MT_ISA
