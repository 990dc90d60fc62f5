// Chooses layouts and parts of K, then launches gemm_mma_kernel and, where K is cut, the second
// pass that adds the parts in order.
#pragma once
#include <algorithm>

#include "cuda/kernels/gemm_launch.h"
#include "cuda/kernels/gemm_mma.cuh"

namespace mt::cuda {

constexpr int kSumThreads = 256;

// A thread adds the parts of 4 elements of a row and finishes them.
template <class T>
__global__ void __launch_bounds__(kSumThreads) gemm_sum_kernel(GemmParams p) {
  const int64_t row_fours = (p.n + 3) / 4, part = int64_t(p.batch) * p.m * p.n;
  const int64_t i = int64_t(blockIdx.x) * kSumThreads + threadIdx.x;
  if (i >= row_fours * p.m * p.batch) return;
  const int col = int(i % row_fours) * 4;
  const int64_t line = i / row_fours;
  float sum[4] = {};
  for (int s = 0; s < p.splits; ++s)
    for (int j = 0; j < min(4, p.n - col); ++j)
      sum[j] += p.partial[s * part + line * p.n + col + j];
  p.splits = 1;
  store_four<T>(p, int(line / p.m), 0, int(line % p.m), col, sum);
}

inline int64_t count_tiles(const GemmParams& p, int tile) {
  return ceil_div(p.m, tile) * ceil_div(p.n, tile) * p.batch;
}

// Enough blocks for two per multiprocessor, each with at least 8 stages of K.
inline int choose_splits(const GemmParams& p, int tile, int depth) {
  const int64_t wanted = 2 * int64_t(device_attribute(cudaDevAttrMultiProcessorCount));
  const int64_t room = wanted / count_tiles(p, tile);
  return int(std::clamp<int64_t>(std::min<int64_t>(room, p.k / (8 * depth)), 1, 16));
}

// Small tiles where large ones, with their parts of K, are fewer than the multiprocessors.
inline int choose_mma_tile(const GemmParams& p, int depth) {
  const int64_t blocks = count_tiles(p, 128) * choose_splits(p, 128, depth);
  return blocks < device_attribute(cudaDevAttrMultiProcessorCount) ? 64 : 128;
}

template <class T, Layout LA, Layout LB, int Tile>
void launch_tile(const GemmParams& p, cudaStream_t stream) {
  using Shape = MmaShape<Tile>;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&gemm_mma_kernel<T, LA, LB, Tile>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, Shape::kShared);
  const int64_t tiles = ceil_div(p.m, Tile) * ceil_div(p.n, Tile);
  MT_LAUNCH((gemm_mma_kernel<T, LA, LB, Tile>), dim3(unsigned(tiles), p.splits, p.batch),
            dim3(Shape::kThreads), Shape::kShared, stream, p);
}

template <class T, Layout LA, Layout LB>
void launch_mma(const GemmParams& p, cudaStream_t stream, int tile) {
  if (tile == 128) launch_tile<T, LA, LB, 128>(p, stream);
  else launch_tile<T, LA, LB, 64>(p, stream);
}

template <class T>
void run_mma(GemmParams p, cudaStream_t stream, int splits, int tile) {
  constexpr int depth = 64 / sizeof(T);
  // The stride of a dimension of one element is any number: 0 keeps addresses aligned.
  if (p.m == 1) p.a_row = 0;
  if (p.n == 1) p.b_col = 0;
  if (p.k == 1) p.a_col = p.b_row = 0;
  auto layout = [&](const void* base, int mn, int64_t mn_stride, int64_t k_stride, int64_t batch) {
    if ((k_stride == 1 || p.k == 1) &&
        has_aligned_lines(base, mn, mn_stride, p.batch, batch, sizeof(T)))
      return Layout::k_major;
    if ((mn_stride == 1 || mn == 1) &&
        has_aligned_lines(base, p.k, k_stride, p.batch, batch, sizeof(T)))
      return Layout::mn_major;
    return Layout::any;
  };
  const Layout la = layout(p.a, p.m, p.a_row, p.a_col, p.a_batch);
  const Layout lb = layout(p.b, p.n, p.b_col, p.b_row, p.b_batch);

  if (tile == 0) tile = choose_mma_tile(p, depth);
  if (splits == 0) splits = choose_splits(p, tile, depth);
  p.k_split = int(std::max<int64_t>(ceil_div(ceil_div(p.k, splits), depth) * depth, depth));
  p.splits = int(std::max<int64_t>(ceil_div(p.k, p.k_split), 1));
  if (p.splits > 1) {
    const size_t bytes = size_t(p.splits) * size_t(p.batch) * size_t(p.m) * size_t(p.n) * 4;
    void* partial = nullptr;
    if (cudaMallocAsync(&partial, bytes, stream) != cudaSuccess) {
      cudaGetLastError();  // without room for the parts, one pass does it
      p.splits = 1;
      p.k_split = p.k;
    }
    p.partial = static_cast<float*>(partial);
  }
  if (la == Layout::any || lb == Layout::any)
    launch_mma<T, Layout::any, Layout::any>(p, stream, tile);
  else if (la == Layout::k_major && lb == Layout::k_major)
    launch_mma<T, Layout::k_major, Layout::k_major>(p, stream, tile);
  else if (la == Layout::k_major) launch_mma<T, Layout::k_major, Layout::mn_major>(p, stream, tile);
  else if (lb == Layout::k_major) launch_mma<T, Layout::mn_major, Layout::k_major>(p, stream, tile);
  else launch_mma<T, Layout::mn_major, Layout::mn_major>(p, stream, tile);
  if (p.splits > 1) {
    const int64_t threads = int64_t(p.batch) * p.m * ceil_div(p.n, 4);
    MT_LAUNCH((gemm_sum_kernel<T>), dim3(unsigned(ceil_div(threads, kSumThreads))),
              dim3(kSumThreads), 0, stream, p);
    cudaFreeAsync(p.partial, stream);
  }
}

void gemm_mma_tf32(const GemmParams& p, cudaStream_t stream, int splits, int tile);
void gemm_mma_float16(const GemmParams& p, cudaStream_t stream, int splits, int tile);
void gemm_mma_bfloat16(const GemmParams& p, cudaStream_t stream, int splits, int tile);

}  // namespace mt::cuda
