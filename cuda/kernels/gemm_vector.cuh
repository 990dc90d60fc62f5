// A matrix times a vector, y[i] = sum over k of M[i][k] x[k], where M is read once and that is all
// the time it takes. Rows along memory: a warp per row; columns along memory: neighbouring threads
// take neighbouring rows, and warps take every 8th k. Long sums of few rows are cut into parts.
#pragma once
#include "cuda/kernels/gemm_simt_matrix.cuh"

namespace mt::cuda {

template <class T>
struct VectorProduct {
  const T *m, *x;
  int64_t m_batch, x_batch, m_row, m_k, x_k;
  int64_t rows;
  bool vector;     // 16-byte loads of M
  bool is_column;  // y is a column of C, else a row
};

// Where y[i] goes: C, or the sums of parts.
template <class C, class Store>
__device__ __forceinline__ void put_sum(const TileGrid& g, const Store& store, C* partial,
                                        int64_t batch, int64_t row, bool is_column, C sum) {
  if (partial) {
    partial[(int64_t(blockIdx.y) * g.batch + batch) * (g.m * g.n) + row] = sum;
    return;
  }
  const int64_t i = is_column ? row : 0, j = is_column ? 0 : row;
  Vec<C, 4> piece = {};
  piece.v[0] = store.finishes() ? store.finish(batch, i, j, sum) : sum;
  store.put(batch, i, j, piece, 1);
}

constexpr int kVectorRows = kThreads / 32;  // of a block

template <class T, class C, class Store>
__global__ void __launch_bounds__(kThreads)
    vector_rows_kernel(const TileGrid grid, const VectorProduct<T> p, const Store store,
                       C* __restrict__ partial) {
  constexpr int W = 16 / sizeof(T);
  const int64_t row = int64_t(blockIdx.x) * kVectorRows + threadIdx.x / 32;
  if (row >= p.rows) return;
  const int64_t batch = grid.first_batch + blockIdx.z, k0 = int64_t(blockIdx.y) * grid.part;
  const int lane = threadIdx.x % 32;
  const int depth = grid.k - k0 < grid.part ? int(grid.k - k0) : grid.part;
  const T* m = p.m + batch * p.m_batch + row * p.m_row + k0 * p.m_k;
  const T* x = p.x + batch * p.x_batch + k0 * p.x_k;
  C sum = C(0);
  int k = 0;
  if (p.vector) {
    for (k = lane * W; k + W <= depth; k += 32 * W) {
      const Vec<T, W> v = *reinterpret_cast<const Vec<T, W>*>(m + k);
#pragma unroll
      for (int e = 0; e < W; e++) sum += C(load(v.v[e])) * C(load(x[(k + e) * p.x_k]));
    }
    k = depth / W * W;
  }
  for (k += lane; k < depth; k += 32) sum += C(load(m[k * p.m_k])) * C(load(x[k * p.x_k]));
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (lane == 0) put_sum(grid, store, partial, batch, row, p.is_column, sum);
}

template <class T, class C, class Store>
__global__ void __launch_bounds__(kThreads)
    vector_columns_kernel(const TileGrid grid, const VectorProduct<T> p, const Store store,
                          C* __restrict__ partial) {
  constexpr int kWarps = kThreads / 32;
  MT_SHARED(C, sums, kThreads);
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t row = int64_t(blockIdx.x) * 32 + lane;
  const int64_t batch = grid.first_batch + blockIdx.z, k0 = int64_t(blockIdx.y) * grid.part;
  const int depth = grid.k - k0 < grid.part ? int(grid.k - k0) : grid.part;
  const T* m = p.m + batch * p.m_batch + row * p.m_row + k0 * p.m_k;
  const T* x = p.x + batch * p.x_batch + k0 * p.x_k;
  C sum = C(0);
  if (row < p.rows) {
#pragma unroll 4
    for (int k = warp; k < depth; k += kWarps) sum += C(load(m[k * p.m_k])) * C(load(x[k * p.x_k]));
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (warp > 0 || row >= p.rows) return;
  for (int w = 1; w < kWarps; w++) {
    const C other = sums[w * 32 + lane];
    sum += other;
  }
  put_sum(grid, store, partial, batch, row, p.is_column, sum);
}

// Whether this is a product with a vector, whose matrix has a contiguous dim; runs it if so.
template <class T, class C>
bool gemm_vector(const GemmArgs& g) {
  if ((g.m != 1 && g.n != 1) || g.k == 0) return false;
  VectorProduct<T> p;
  p.is_column = g.n == 1;
  const auto a = static_cast<const T*>(g.a), b = static_cast<const T*>(g.b);
  if (p.is_column) p = {a, b, g.a_batch, g.b_batch, g.a_row, g.a_col, g.b_row, g.m, false, true};
  else p = {b, a, g.b_batch, g.a_batch, g.b_col, g.b_row, g.a_col, g.n, false, false};
  const bool along_k = p.m_k == 1 || p.rows == 1;
  if (!along_k && p.m_row != 1) return false;
  constexpr int64_t W = 16 / sizeof(T);
  p.vector = p.m_k == 1 && (p.rows == 1 || p.m_row % W == 0) &&
             (g.batch == 1 || p.m_batch % W == 0) && reinterpret_cast<uintptr_t>(p.m) % 16 == 0;
  const MatrixStore<T, C> store = store_of<T, C>(g, 4);
  TileGrid grid{g.m, g.n, g.k, g.batch, 0, 0, 0, 0, 1};
  const int64_t blocks = ceil_div(p.rows, along_k ? kVectorRows : 32);
  MT_CHECK(blocks <= kMaxGrid, "a product of ", g.m, " x ", g.n, " is too large for one launch");
  cut_depth(&grid, blocks * g.batch, 64);
  run_parts<C>(grid, unsigned(blocks), store, [&](const dim3& shape, C* partial) {
    if (along_k)
      MT_LAUNCH((vector_rows_kernel<T, C, MatrixStore<T, C>>), shape, kThreads, 0, stream(), grid,
                p, store, partial);
    else
      MT_LAUNCH((vector_columns_kernel<T, C, MatrixStore<T, C>>), shape, kThreads, 0, stream(),
                grid, p, store, partial);
  });
  return true;
}

}  // namespace mt::cuda
