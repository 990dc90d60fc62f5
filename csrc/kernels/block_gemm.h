// Products of blocks that lie in cache, for kernels that fuse them with other work. Vectors run
// along rows of B and C; elements of A are broadcast, from any strides, so neither is packed.
#pragma once
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileRows = 6, kTileVectors = 4;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2;
#else
constexpr int kTileRows = 4, kTileVectors = 2;
#endif

// C[R, V vectors] = A @ B, plus C (times `scale` per column, where given) if `add`. The last vector
// has `rest` lanes if kPart.
template <class T, int R, int V, bool kPart>
void block_tile(int64_t k, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row,
                T* c, int64_t c_row, bool add, const T* scale, int64_t rest) {
  using namespace simd;
  constexpr int L = kLanes<T>;
  auto get = [&](const T* p, int v) {
    if constexpr (kPart) {
      if (v == V - 1) return load_n(p + v * L, rest, T(0));
    }
    return load(p + v * L);
  };
  Vec<T> acc[R][V];
  if (add) {
    Vec<T> s[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) s[v] = scale ? get(scale, v) : set(T(1));
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) acc[r][v] = get(c + r * c_row, v) * s[v];
  } else {
#pragma GCC unroll 8
    for (int r = 0; r < R; r++)
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) acc[r][v] = Vec<T>{};
  }
  for (int64_t p = 0; p < k; p++) {
    Vec<T> bv[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) bv[v] = get(b, v);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const Vec<T> av = set(a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) acc[r][v] += av * bv[v];
    }
    a += a_col;
    b += b_row;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int v = 0; v < V; v++) {
      T* p = c + r * c_row + v * L;
      if (kPart && v == V - 1) {
        store_n(p, acc[r][v], rest);
      } else {
        store(p, acc[r][v]);
      }
    }
}

template <class T, int V, bool kPart>
MT_INLINE void block_columns(int64_t m, int64_t k, const T* a, int64_t a_row, int64_t a_col,
                             const T* b, int64_t b_row, T* c, int64_t c_row, bool add,
                             const T* scale, int64_t rest) {
  int64_t i = 0;
  for (; i + kTileRows <= m; i += kTileRows)
    block_tile<T, kTileRows, V, kPart>(k, a + i * a_row, a_row, a_col, b, b_row, c + i * c_row,
                                       c_row, add, scale, rest);
  if constexpr (kTileRows > 4) {
    if (i + 4 <= m) {
      block_tile<T, 4, V, kPart>(k, a + i * a_row, a_row, a_col, b, b_row, c + i * c_row, c_row,
                                 add, scale, rest);
      i += 4;
    }
  }
  if (i + 2 <= m) {
    block_tile<T, 2, V, kPart>(k, a + i * a_row, a_row, a_col, b, b_row, c + i * c_row, c_row, add,
                               scale, rest);
    i += 2;
  }
  if (i < m)
    block_tile<T, 1, V, kPart>(k, a + i * a_row, a_row, a_col, b, b_row, c + i * c_row, c_row, add,
                               scale, rest);
}

// C[m, n] = A[m, k] @ B[k, n], plus C (times scale[n], where given) if `add`. Rows of B and C are
// contiguous.
template <class T>
void block_gemm(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_row, int64_t a_col,
                const T* b, int64_t b_row, T* c, int64_t c_row, bool add,
                const T* scale = nullptr) {
  constexpr int L = simd::kLanes<T>;
  int64_t j = 0;
  auto from = [&](const T* s) { return s ? s + j : nullptr; };
  for (; j + kTileVectors * L <= n; j += kTileVectors * L)
    block_columns<T, kTileVectors, false>(m, k, a, a_row, a_col, b + j, b_row, c + j, c_row, add,
                                          from(scale), 0);
  if constexpr (kTileVectors > 2) {
    if (j + 2 * L <= n) {
      block_columns<T, 2, false>(m, k, a, a_row, a_col, b + j, b_row, c + j, c_row, add,
                                 from(scale), 0);
      j += 2 * L;
    }
  }
  if (j + L <= n) {
    block_columns<T, 1, false>(m, k, a, a_row, a_col, b + j, b_row, c + j, c_row, add, from(scale),
                               0);
    j += L;
  }
  if (j < n)
    block_columns<T, 1, true>(m, k, a, a_row, a_col, b + j, b_row, c + j, c_row, add, from(scale),
                              n - j);
}

}  // namespace mt::cpu::MT_ISA
