// Pooling to a given output size: window q of a dim is [floor(q*in/out), ceil((q+1)*in/out)).
// Averages: a warp per output, lanes along the window, since windows may be whole planes, or a
// thread per output where channels are neighbours; maxima a thread per output; backward a thread
// per input. Each element is read about once.
#include "cuda/kernels/pool_shape.cuh"

namespace mt::cuda {
namespace {

struct Span {
  int begin, end;
};
// Window q; and by the same rule, in and out exchanged, the windows that hold position q.
__device__ __forceinline__ Span span(int q, int in, int out) {
  return {int(int64_t(q) * in / out), int(((int64_t(q) + 1) * in + out - 1) / out)};
}
__device__ __forceinline__ Span window(const PoolShape& s, int d, int q) {
  return span(q, s.in[d], s.out[d]);
}
__device__ __forceinline__ Span windows_at(const PoolShape& s, int d, int i) {
  return span(i, s.out[d], s.in[d]);
}

template <class T, int kLanes>
__global__ void __launch_bounds__(kThreads)
    adaptive_avg_pool_forward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ x,
                                     T* __restrict__ y) {
  const int64_t index = (int64_t(blockIdx.x) * kThreads + threadIdx.x) / kLanes;
  if (index >= n) return;
  const PlanePlace q(s, uint32_t(index), s.out_at);
  const Span w0 = window(s, 0, q.at[0]), w1 = window(s, 1, q.at[1]), w2 = window(s, 2, q.at[2]);
  const int height = w1.end - w1.begin, width = w2.end - w2.begin;
  const int size = (w0.end - w0.begin) * height * width;
  const T* from = x + q.begin(s.in_size);
  using C = compute_t<T>;
  C sum = 0;
  for (int e = kLanes > 1 ? int(threadIdx.x) % kLanes : 0; e < size; e += kLanes) {
    const int row = e / width, i2 = e - row * width, i0 = row / height, i1 = row - i0 * height;
    const int at = s.place(w0.begin + i0, w1.begin + i1, w2.begin + i2);
    sum += load(from[int64_t(at) * q.step]);
  }
  for (int step = kLanes / 2; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (threadIdx.x % kLanes == 0) y[index] = store_as<T>(sum / C(size));
}

template <class T>
__global__ void __launch_bounds__(kThreads, 3)
    adaptive_avg_pool_backward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ dy,
                                      T* __restrict__ dx) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const PlanePlace i(s, index, s.in_at);
  const T* g = dy + i.begin(s.out_size);
  const Span r0 = windows_at(s, 0, i.at[0]), r1 = windows_at(s, 1, i.at[1]),
             r2 = windows_at(s, 2, i.at[2]);
  using C = compute_t<T>;
  C sum = 0;
  for (int q0 = r0.begin; q0 < r0.end; q0++) {
    const Span w0 = window(s, 0, q0);
    for (int q1 = r1.begin; q1 < r1.end; q1++) {
      const Span w1 = window(s, 1, q1);
      for (int q2 = r2.begin; q2 < r2.end; q2++) {
        const Span w2 = window(s, 2, q2);
        const int size = (w0.end - w0.begin) * (w1.end - w1.begin) * (w2.end - w2.begin);
        sum += load(g[int64_t((q0 * s.out[1] + q1) * s.out[2] + q2) * i.step]) / C(size);
      }
    }
  }
  dx[index] = store_as<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    adaptive_max_pool_forward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ x,
                                     T* __restrict__ y, int64_t* __restrict__ places) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const PlanePlace q(s, index, s.out_at);
  const Span w0 = window(s, 0, q.at[0]), w1 = window(s, 1, q.at[1]), w2 = window(s, 2, q.at[2]);
  const T* from = x + q.begin(s.in_size);
  int place = s.place(w0.begin, w1.begin, w2.begin);
  compute_t<T> best = load(from[int64_t(place) * q.step]);
  for (int i0 = w0.begin; i0 < w0.end; i0++)
    for (int i1 = w1.begin; i1 < w1.end; i1++)
      for (int i2 = w2.begin; i2 < w2.end; i2++) {
        const int at = s.place(i0, i1, i2);
        const compute_t<T> v = load(from[int64_t(at) * q.step]);
        if (v > best || v != v) best = v, place = at;
      }
  y[index] = store_as<T>(best);
  places[index] = place;
}

template <class T>
void avg_forward(const PoolParams& p, const T* x, T* y) {
  const PoolShape shape(p);
  for_planes(p, p.out_size(), [&](int64_t first, int64_t n) {
    const auto launch = [&]<int kLanes>() {
      MT_LAUNCH((adaptive_avg_pool_forward_kernel<T, kLanes>), grid_for(n * kLanes, kThreads),
                kThreads, 0, stream(), shape, uint32_t(n), x + first * p.in_size(),
                y + first * p.out_size());
    };
    if (p.channels) launch.template operator()<1>();
    else launch.template operator()<32>();
  });
}

template <class T>
void avg_backward(const PoolParams& p, const T* dy, T* dx) {
  const PoolShape shape(p);
  for_planes(p, p.in_size(), [&](int64_t first, int64_t n) {
    MT_LAUNCH((adaptive_avg_pool_backward_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(),
              shape, uint32_t(n), dy + first * p.out_size(), dx + first * p.in_size());
  });
}

template <class T>
void max_forward(const PoolParams& p, const T* x, T* y, int64_t* index) {
  const PoolShape shape(p);
  for_planes(p, p.out_size(), [&](int64_t first, int64_t n) {
    MT_LAUNCH((adaptive_max_pool_forward_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(),
              shape, uint32_t(n), x + first * p.in_size(), y + first * p.out_size(),
              index + first * p.out_size());
  });
}

}  // namespace

void adaptive_avg_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y) {
  MT_SWITCH_FLOAT_HALF(dtype,
                       avg_forward(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y)))
}

void adaptive_avg_pool_backward(DType dtype, const PoolParams& p, const void* dy, void* dx) {
  MT_SWITCH_FLOAT_HALF(
      dtype, avg_backward(p, static_cast<const scalar_t*>(dy), static_cast<scalar_t*>(dx)))
}

void adaptive_max_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y,
                               int64_t* index) {
  MT_SWITCH_FLOAT_HALF(
      dtype, max_forward(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), index))
}

}  // namespace mt::cuda
