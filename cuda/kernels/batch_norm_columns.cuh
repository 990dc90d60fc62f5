// Batch norm of a matrix x [n, c], whose channels are columns: vectors of features, or images that
// lie channels_last. A thread keeps to its channels, so that their statistics stay in registers,
// and neighbouring threads read neighbouring channels.
#pragma once
#include "cuda/kernels/channels.cuh"

namespace mt::cuda {
namespace {

constexpr int kBatch = 8;  // elements taken in at a time
// Of a block that sums: warps read 128 bytes of a row.
constexpr int kColumns = 32, kColumnRows = kThreads / kColumns;

// Channels of a thread that sums.
template <class T>
constexpr int kColumnWidth = sizeof(T) == 2 ? 2 : 1;

template <class T, class... P>
int column_width(int64_t c, const P*... x) {
  return rows_aligned<T, kColumnWidth<T>>(c, x...) ? kColumnWidth<T> : 1;
}

// Block y takes rows [y * chunk, ...); partial: [c, splits].
template <class T, class Sums, int W>
__global__ void __launch_bounds__(kThreads, 2)
    column_sums_kernel(const Sums sums, int64_t n, int64_t c, int64_t chunk,
                       typename Sums::Total* partial) {
  using C = compute_t<T>;
  using Total = typename Sums::Total;
  MT_SHARED(Total, part, kThreads * W);
  const int t = int(threadIdx.x), place = t / kColumns;
  const int64_t ch = (int64_t(blockIdx.x) * kColumns + t % kColumns) * W;
  const int64_t begin = blockIdx.y * chunk, end = begin + chunk < n ? begin + chunk : n;
  typename Sums::Running running[W];
  if (ch < c) {
    C mean[W];
#pragma unroll
    for (int w = 0; w < W; w++) mean[w] = Sums::kGradient ? sums.mean[ch + w] : C(0);
    for (int64_t i = begin + place; i < end; i += kBatch * kColumnRows) {
      C v[W][kBatch], g[W][kBatch] = {};
      int count = 0;
#pragma unroll
      for (int k = 0; k < kBatch; k++) {
        const int64_t row = i + k * kColumnRows;
        if (row >= end) continue;
        C one[W];
        load_piece<T, W>(sums.x + row * c + ch, W, true, C(0), one);
#pragma unroll
        for (int w = 0; w < W; w++) v[w][k] = one[w];
        if constexpr (Sums::kGradient) {
          load_piece<T, W>(sums.dy + row * c + ch, W, true, C(0), one);
#pragma unroll
          for (int w = 0; w < W; w++) g[w][k] = one[w];
        }
        count = k + 1;
      }
#pragma unroll
      for (int w = 0; w < W; w++) running[w].add(v[w], g[w], count, mean[w]);
    }
  }
#pragma unroll
  for (int w = 0; w < W; w++) part[w * kThreads + t] = running[w].total();
  __syncthreads();
  if (place != 0 || ch >= c) return;
#pragma unroll
  for (int w = 0; w < W; w++) {
    Total total = running[w].total();
    for (int k = 1; k < kColumnRows; k++) {
      const Total next = part[w * kThreads + t + k * kColumns];
      total = Sums::merge(total, next);
    }
    partial[(ch + w) * gridDim.y + blockIdx.y] = total;
  }
}

// begin(ch), then f(at) for the pieces of V elements of a thread, all of which start at channel ch.
template <int V, class Begin, class F>
__device__ __forceinline__ void for_columns(int64_t n, int64_t c, const Begin& begin, const F& f) {
  const int64_t pieces = c / V, step = thread_count() / pieces * pieces;
  const int64_t first = thread_index();
  if (first >= step || first >= n * pieces) return;
  begin(first % pieces * V);
  for (int64_t j = first; j < n * pieces; j += step) f(j * V);
}

// At least one thread per piece of a row.
inline unsigned column_grid(int64_t n, int64_t pieces) {
  const unsigned least = grid_for(pieces, kThreads), many = grid_for(n * pieces, 8 * kThreads);
  return many > least ? many : least;
}

// `spread`: rstd, or (kVariance) the variance.
template <class T, int V, bool kVariance>
__global__ void __launch_bounds__(kThreads)
    column_apply_kernel(int64_t n, int64_t c, const T* x, T* y, const compute_t<T>* mean,
                        const compute_t<T>* spread, const compute_t<T>* weight,
                        const compute_t<T>* bias, compute_t<T> eps) {
  using C = compute_t<T>;
  C m[V], scale[V], shift[V];
  const auto begin = [&](int64_t ch) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      const C s = spread[ch + k], rstd = kVariance ? C(1) / fn::sqrt(s + eps) : s;
      m[k] = mean[ch + k];
      scale[k] = weight ? rstd * weight[ch + k] : rstd;
      shift[k] = bias ? bias[ch + k] : C(0);
    }
  };
  for_columns<V>(n, c, begin, [&](int64_t i) {
    C v[V];
    load_piece<T, V>(x + i, V, true, C(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = (v[k] - m[k]) * scale[k] + shift[k];
    store_piece<T, V>(y + i, V, true, v);
  });
}

// dx = dy * scale + (x - mean) * slope + shift, with these three per channel in `lines`.
template <class T, int V>
__global__ void __launch_bounds__(kThreads)
    column_backward_kernel(int64_t n, int64_t c, const T* x, const T* dy, T* dx,
                           const compute_t<T>* mean, const compute_t<T>* lines) {
  using C = compute_t<T>;
  C m[V], scale[V], slope[V], shift[V];
  const auto begin = [&](int64_t ch) {
#pragma unroll
    for (int k = 0; k < V; k++) {
      m[k] = mean[ch + k], scale[k] = lines[3 * (ch + k)];
      slope[k] = lines[3 * (ch + k) + 1], shift[k] = lines[3 * (ch + k) + 2];
    }
  };
  for_columns<V>(n, c, begin, [&](int64_t i) {
    C v[V], g[V];
    load_piece<T, V>(x + i, V, true, C(0), v);
    load_piece<T, V>(dy + i, V, true, C(0), g);
#pragma unroll
    for (int k = 0; k < V; k++) g[k] = g[k] * scale[k] + (v[k] - m[k]) * slope[k] + shift[k];
    store_piece<T, V>(dx + i, V, true, g);
  });
}

}  // namespace
}  // namespace mt::cuda
