// Shapes of launches.
#pragma once
#include "cuda/core/stream.h"

namespace mt::cuda {

constexpr int kThreads = 256;
constexpr int64_t kMaxGrid = 0x7fffffff;  // blocks along x

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Blocks of `per_block` items each; kernels loop where the grid is cut off at `most`.
inline unsigned grid_for(int64_t items, int64_t per_block, int64_t most = kMaxGrid) {
  const int64_t blocks = ceil_div(items, per_block);
  return unsigned(blocks < 1 ? 1 : blocks > most ? most : blocks);
}

// Index of this thread in the grid, and the number of threads, along x.
__device__ __forceinline__ int64_t thread_index() {
  return int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ int64_t thread_count() { return int64_t(gridDim.x) * blockDim.x; }

}  // namespace mt::cuda
