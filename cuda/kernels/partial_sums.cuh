// The last step of gradients by a weight: sums over `count` rows of partial results, in a fixed
// order. Reads each partial result once.
#pragma once
#include "cuda/core/launch.h"
#include "cuda/core/reduce.h"
#include "cuda/core/vec.h"

namespace mt::cuda {

constexpr int kPartialColumns = 32, kPartialRows = kThreads / kPartialColumns;

template <class C, class T>
__global__ void __launch_bounds__(kThreads)
    partial_sums_kernel(const C* partial, int64_t count, int64_t stride, int64_t columns, T* out) {
  MT_SHARED(double, part, kThreads);
  const int t = int(threadIdx.x), place = t / kPartialColumns;
  const int64_t column = int64_t(blockIdx.x) * kPartialColumns + t % kPartialColumns;
  double sum = 0;
  if (column < columns)
    for (int64_t i = place; i < count; i += kPartialRows)
      sum += double(partial[i * stride + column]);
  part[t] = sum;
  __syncthreads();
  if (place != 0 || column >= columns) return;
  for (int k = 1; k < kPartialRows; k++) {
    const double next = part[t + k * kPartialColumns];
    sum += next;
  }
  out[column] = store_as<T>(C(sum));
}

// out[j] = sum over i of partial[i * stride + j], j < columns.
template <class C, class T>
void add_partials(const C* partial, int64_t count, int64_t stride, int64_t columns, T* out) {
  if (columns == 0) return;
  MT_LAUNCH((partial_sums_kernel<C, T>), grid_for(columns, kPartialColumns), kThreads, 0, stream(),
            partial, count, stride, columns, out);
}

}  // namespace mt::cuda
