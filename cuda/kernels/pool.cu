// Average pooling: y = sum over the window / size of the window, and dx = dy spread over it.
// A thread per output; backward a thread per input, which sums the windows that reach it, in order.
// One read of x, one write of y; windows that overlap come from cache. Neighbouring threads have
// neighbouring elements in memory, channels_last too.
#include "cuda/kernels/pool_shape.cuh"

namespace mt::cuda {
namespace {

// Elements that window q of dim d divides by.
__device__ __forceinline__ int extent(const PoolShape& s, int d, int q) {
  const int begin = q * s.stride[d] - s.padding[d], end = begin + s.kernel[d];
  if (s.count_padding) {
    const int limit = s.in[d] + s.padding[d];
    return (end < limit ? end : limit) - begin;
  }
  return (end < s.in[d] ? end : s.in[d]) - (begin > 0 ? begin : 0);
}
template <class T>
__device__ __forceinline__ T divisor_of(const PoolShape& s, int q0, int q1, int q2) {
  if (s.divisor) return T(s.divisor);
  return T(int64_t(extent(s, 0, q0)) * extent(s, 1, q1) * extent(s, 2, q2));
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    avg_pool_forward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ x,
                            T* __restrict__ y) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const PlanePlace q(s, index, s.out_at);
  const T* from = x + q.begin(s.in_size);
  int begin[3], end[3];
#pragma unroll
  for (int d = 0; d < 3; d++) {
    begin[d] = q.at[d] * s.stride[d] - s.padding[d];
    end[d] = begin[d] + s.kernel[d] < s.in[d] ? begin[d] + s.kernel[d] : s.in[d];
    if (begin[d] < 0) begin[d] = 0;
  }
  compute_t<T> sum = 0;
  for (int i0 = begin[0]; i0 < end[0]; i0++)
    for (int i1 = begin[1]; i1 < end[1]; i1++)
      for (int i2 = begin[2]; i2 < end[2]; i2++)
        sum += load(from[int64_t(s.place(i0, i1, i2)) * q.step]);
  y[index] = store_as<T>(sum / divisor_of<compute_t<T>>(s, q.at[0], q.at[1], q.at[2]));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    avg_pool_backward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ dy,
                             T* __restrict__ dx) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const PlanePlace i(s, index, s.in_at);
  const T* g = dy + i.begin(s.out_size);
  const Reach r0(s, 0, i.at[0]), r1(s, 1, i.at[1]), r2(s, 2, i.at[2]);
  using C = compute_t<T>;
  C sum = 0;
  for (int q0 = r0.lo; q0 <= r0.hi; q0++)
    for (int q1 = r1.lo; q1 <= r1.hi; q1++)
      for (int q2 = r2.lo; q2 <= r2.hi; q2++)
        sum += load(g[int64_t((q0 * s.out[1] + q1) * s.out[2] + q2) * i.step]) /
               divisor_of<C>(s, q0, q1, q2);
  dx[index] = store_as<T>(sum);
}

template <class T>
void forward(const PoolParams& p, const T* x, T* y) {
  const PoolShape shape(p);
  for_planes(p, p.out_size(), [&](int64_t first, int64_t n) {
    MT_LAUNCH((avg_pool_forward_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(), shape,
              uint32_t(n), x + first * p.in_size(), y + first * p.out_size());
  });
}

template <class T>
void backward(const PoolParams& p, const T* dy, T* dx) {
  const PoolShape shape(p);
  for_planes(p, p.in_size(), [&](int64_t first, int64_t n) {
    MT_LAUNCH((avg_pool_backward_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(), shape,
              uint32_t(n), dy + first * p.out_size(), dx + first * p.in_size());
  });
}

}  // namespace

void avg_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y) {
  MT_SWITCH_FLOAT_HALF(dtype,
                       forward(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y)))
}

void avg_pool_backward(DType dtype, const PoolParams& p, const void* dy, void* dx) {
  MT_SWITCH_FLOAT_HALF(dtype,
                       backward(p, static_cast<const scalar_t*>(dy), static_cast<scalar_t*>(dx)))
}

}  // namespace mt::cuda
