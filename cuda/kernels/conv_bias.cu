// The gradient of a convolution's bias: db[c] = sum of dy over images and positions, in two passes
// of a fixed order. Planes are summed by a block each; where a plane is one element (channels
// innermost) 32 channels by 8 rows of threads walk down the columns. One read of dy.
#include "cuda/core/scratch.h"
#include "cuda/core/vec.h"
#include "cuda/kernels/conv_sum.cuh"
#include "ops/conv.h"

namespace mt::cuda {
namespace {

// Blocks (c, part) sum the images part, part + parts ...
template <class T, class S>
__global__ void __launch_bounds__(kThreads)
    conv_bias_planes_kernel(const T* __restrict__ dy, int64_t batch, int64_t c, int64_t n,
                            S* __restrict__ sums) {
  compute_t<T> sum = 0;
  for (int64_t b = blockIdx.y; b < batch; b += gridDim.y) {
    const T* plane = dy + (b * c + blockIdx.x) * n;
    for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += load(plane[i]);
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) sums[blockIdx.y * c + blockIdx.x] = store_as<S>(sum);
}

// Blocks (32 columns, part) sum the rows of [rows, c].
template <class T, class S>
__global__ void __launch_bounds__(kThreads)
    conv_bias_columns_kernel(const T* __restrict__ dy, int64_t rows, int64_t c,
                             S* __restrict__ sums) {
  constexpr int kRows = kThreads / 32;
  MT_SHARED(compute_t<T>, parts, kThreads);
  const int lane = int(threadIdx.x) % 32, row = int(threadIdx.x) / 32;
  const int64_t at = int64_t(blockIdx.x) * 32 + lane;
  compute_t<T> sum = 0;
  if (at < c)
    for (int64_t i = int64_t(blockIdx.y) * kRows + row; i < rows; i += gridDim.y * kRows)
      sum += load(dy[i * c + at]);
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (row != 0 || at >= c) return;
  for (int r = 1; r < kRows; r++) {
    const compute_t<T> part = parts[r * 32 + lane];
    sum += part;
  }
  sums[blockIdx.y * c + at] = store_as<S>(sum);
}

template <class T, class S>
void sum_parts(const T* dy, int64_t batch, int64_t c, int64_t n, int64_t parts, S* sums) {
  if (n == 1)
    MT_LAUNCH((conv_bias_columns_kernel<T, S>), dim3(unsigned(ceil_div(c, 32)), unsigned(parts)),
              kThreads, 0, stream(), dy, batch, c, sums);
  else
    MT_LAUNCH((conv_bias_planes_kernel<T, S>), dim3(unsigned(c), unsigned(parts)), kThreads, 0,
              stream(), dy, batch, c, n, sums);
}

template <class T>
void backward_bias(const T* dy, int64_t batch, int64_t c, int64_t n, T* db) {
  using C = compute_t<T>;
  // Few enough blocks that the second pass is short, the same on every device.
  int64_t parts = n == 1 ? batch / 256 : batch * n / 8192;
  if (parts > batch) parts = batch;
  parts = parts < 1 ? 1 : parts > 64 ? 64 : parts;
  if (parts == 1) return sum_parts(dy, batch, c, n, 1, db);
  const Scratch sums(size_t(parts * c) * sizeof(C));
  sum_parts(dy, batch, c, n, parts, sums.as<C>());
  sum_parts(sums.as<const C>(), parts, c, int64_t(1), 1, db);
}

}  // namespace

void conv_backward_bias(DType dtype, const void* dy, int64_t batch, int64_t c, int64_t n,
                        void* db) {
  MT_SWITCH_FLOAT_HALF(dtype, backward_bias(static_cast<const scalar_t*>(dy), batch, c, n,
                                            static_cast<scalar_t*>(db)))
}

}  // namespace mt::cuda
