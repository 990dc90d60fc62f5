// A sum over the threads of a block.
#pragma once
#include "cuda/core/launch.h"

namespace mt::cuda {

// The sum of a block's values, for thread 0; in a fixed order.
template <class C>
__device__ __forceinline__ C sum_of_block(C v) {
  MT_SHARED(C, sums, kThreads / 32);
  for (int step = 16; step > 0; step /= 2) v += __shfl_down_sync(0xffffffffu, v, step);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x == 0) {
    v = C(0);
    for (int w = 0; w < kThreads / 32; w++) {
      const C part = sums[w];
      v += part;
    }
  }
  return v;
}

}  // namespace mt::cuda
