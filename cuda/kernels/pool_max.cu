// Maximum pooling: y = max over the window, NaN wins, the first of equals is remembered.
// A thread per output; backward a thread per input, which looks at the windows that reach it, in
// order. Where windows are not known (places alone), a warp per plane adds 32 outputs at a time, in
// order. One read of x, one write of y; windows that overlap come from cache.
#include "cuda/core/stream.h"
#include "cuda/kernels/pool_shape.cuh"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    max_pool_forward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ x,
                            T* __restrict__ y, PoolIndex kind, uint8_t* __restrict__ taps,
                            int64_t* __restrict__ places) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const PlanePlace q(s, index, s.out_at);
  const T* from = x + q.begin(s.in_size);
  compute_t<T> best = 0;
  int tap = -1, place = 0;
  for (int t0 = 0; t0 < s.kernel[0]; t0++) {
    const int i0 = q.at[0] * s.stride[0] - s.padding[0] + t0 * s.dilation[0];
    if (unsigned(i0) >= unsigned(s.in[0])) continue;
    for (int t1 = 0; t1 < s.kernel[1]; t1++) {
      const int i1 = q.at[1] * s.stride[1] - s.padding[1] + t1 * s.dilation[1];
      if (unsigned(i1) >= unsigned(s.in[1])) continue;
      for (int t2 = 0; t2 < s.kernel[2]; t2++) {
        const int i2 = q.at[2] * s.stride[2] - s.padding[2] + t2 * s.dilation[2];
        if (unsigned(i2) >= unsigned(s.in[2])) continue;
        const int at = s.place(i0, i1, i2);
        const compute_t<T> v = load(from[int64_t(at) * q.step]);
        if (tap < 0 || v > best || v != v) {
          best = v;
          place = at;
          tap = (t0 * s.kernel[1] + t1) * s.kernel[2] + t2;
        }
      }
    }
  }
  if constexpr (!__is_same(T, int64_t))
    if (tap < 0) best = -compute_t<T>(__builtin_inf());
  y[index] = store_as<T>(best);
  if (kind == PoolIndex::tap) taps[index] = uint8_t(tap);
  else if (kind == PoolIndex::place) places[index] = place;
}

__device__ __forceinline__ int place_of(const PoolShape& s, const PlanePlace& q, int tap) {
  const int t2 = tap % s.kernel[2], t01 = tap / s.kernel[2];
  const int t1 = t01 % s.kernel[1], t0 = t01 / s.kernel[1];
  return s.place(q.at[0] * s.stride[0] - s.padding[0] + t0 * s.dilation[0],
                 q.at[1] * s.stride[1] - s.padding[1] + t1 * s.dilation[1],
                 q.at[2] * s.stride[2] - s.padding[2] + t2 * s.dilation[2]);
}

__global__ void __launch_bounds__(kThreads)
    max_pool_places_kernel(const PoolShape s, uint32_t n, const uint8_t* __restrict__ taps,
                           int64_t* __restrict__ places) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  places[index] = place_of(s, PlanePlace(s, index, s.out_at), taps[index]);
}

template <class T, class Index>
__global__ void __launch_bounds__(kThreads)
    max_pool_backward_kernel(const PoolShape s, uint32_t n, const T* __restrict__ dy,
                             const Index* __restrict__ index, T* __restrict__ dx) {
  const uint32_t element = blockIdx.x * kThreads + threadIdx.x;
  if (element >= n) return;
  const PlanePlace i(s, element, s.in_at);
  const int here = s.place(i.at[0], i.at[1], i.at[2]);
  const T* g = dy + i.begin(s.out_size);
  const Index* from = index + i.begin(s.out_size);
  const Reach r0(s, 0, i.at[0]), r1(s, 1, i.at[1]), r2(s, 2, i.at[2]);
  compute_t<T> sum = 0;
  for (int q0 = r0.lo; q0 <= r0.hi; q0++) {
    for (int q1 = r1.lo; q1 <= r1.hi; q1++) {
      for (int q2 = r2.lo; q2 <= r2.hi; q2++) {
        const int64_t q = int64_t((q0 * s.out[1] + q1) * s.out[2] + q2) * i.step;
        bool mine;
        if constexpr (sizeof(Index) == 1) {
          // The tap of that window that is this place; a dilation may leave none.
          const int a0 = i.at[0] + s.padding[0] - q0 * s.stride[0];
          const int a1 = i.at[1] + s.padding[1] - q1 * s.stride[1];
          const int a2 = i.at[2] + s.padding[2] - q2 * s.stride[2];
          const int t0 = a0 / s.dilation[0], t1 = a1 / s.dilation[1], t2 = a2 / s.dilation[2];
          mine = int(from[q]) == (t0 * s.kernel[1] + t1) * s.kernel[2] + t2 &&
                 t0 * s.dilation[0] == a0 && t1 * s.dilation[1] == a1 && t2 * s.dilation[2] == a2;
        } else {
          mine = from[q] == here;
        }
        if (mine) sum += load(g[q]);
      }
    }
  }
  dx[element] = store_as<T>(sum);
}

// dx[plane][places] += dy, a warp per plane; dx is zero before.
template <class T>
__global__ void __launch_bounds__(kThreads)
    add_at_places_kernel(int64_t planes, int in_size, int out_size, int channels,
                         const T* __restrict__ dy, const int64_t* __restrict__ places,
                         T* __restrict__ dx) {
  using C = compute_t<T>;
  const int64_t plane = (int64_t(blockIdx.x) * kThreads + threadIdx.x) / 32;
  if (plane >= planes) return;
  const int lane = threadIdx.x % 32;
  const int64_t step = channels ? channels : 1, image = plane / step, channel = plane % step;
  T* to = dx + image * in_size * step + channel;
  const int64_t from = image * out_size * step + channel;
  for (int q0 = 0; q0 < out_size; q0 += 32) {
    const int q = q0 + lane;
    const int place = q < out_size ? int(places[from + q * step]) : -1;
    const C g = q < out_size ? load(dy[from + q * step]) : C(0);
    // The first lane of a place adds for all that have it.
    bool first = true;
    C sum = 0;
    for (int l = 0; l < 32; l++) {
      const int other = __shfl_sync(0xffffffffu, place, l);
      const C v = __shfl_sync(0xffffffffu, g, l);
      if (other != place) continue;
      sum += v;
      if (l < lane) first = false;
    }
    if (first && place >= 0) to[place * step] = store_as<T>(load(to[place * step]) + sum);
    __syncwarp();
  }
}

template <class T>
void forward(const PoolParams& p, const T* x, T* y, PoolIndex kind, void* index) {
  const PoolShape shape(p);
  const int64_t out = p.out_size();
  for_planes(p, out, [&](int64_t first, int64_t n) {
    uint8_t* taps = kind == PoolIndex::tap ? static_cast<uint8_t*>(index) + first * out : nullptr;
    int64_t* places =
        kind == PoolIndex::place ? static_cast<int64_t*>(index) + first * out : nullptr;
    MT_LAUNCH((max_pool_forward_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(), shape,
              uint32_t(n), x + first * p.in_size(), y + first * out, kind, taps, places);
  });
}

template <class T>
void backward(const PoolParams& p, const T* dy, PoolIndex kind, const void* index, T* dx) {
  const int64_t in = p.in_size(), out = p.out_size();
  if (kind == PoolIndex::place && p.taps() == 1) {
    MT_CUDA_CHECK(cudaMemsetAsync(dx, 0, size_t(p.planes * in) * sizeof(T), stream()));
    if (out > 0 && p.planes > 0)
      MT_LAUNCH((add_at_places_kernel<T>), grid_for(p.planes * 32, kThreads), kThreads, 0, stream(),
                p.planes, int(in), int(out), int(p.channels), dy,
                static_cast<const int64_t*>(index), dx);
    return;
  }
  const PoolShape shape(p);
  for_planes(p, in, [&](int64_t first, int64_t n) {
    const auto launch = [&](const auto* from) {
      using Index = std::remove_const_t<std::remove_pointer_t<decltype(from)>>;
      MT_LAUNCH((max_pool_backward_kernel<T, Index>), grid_for(n, kThreads), kThreads, 0, stream(),
                shape, uint32_t(n), dy + first * out, from + first * out, dx + first * in);
    };
    if (kind == PoolIndex::tap) launch(static_cast<const uint8_t*>(index));
    else launch(static_cast<const int64_t*>(index));
  });
}

}  // namespace

void max_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y, PoolIndex kind,
                      void* index) {
  if (dtype == DType::Int64)
    return forward(p, static_cast<const int64_t*>(x), static_cast<int64_t*>(y), kind, index);
  MT_SWITCH_FLOAT_HALF(
      dtype, forward(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), kind, index))
}

void max_pool_backward(DType dtype, const PoolParams& p, const void* dy, PoolIndex kind,
                       const void* index, void* dx) {
  MT_SWITCH_FLOAT_HALF(
      dtype, backward(p, static_cast<const scalar_t*>(dy), kind, index, static_cast<scalar_t*>(dx)))
}

void max_pool_places(const PoolParams& p, const uint8_t* taps, int64_t* places) {
  const PoolShape shape(p);
  for_planes(p, p.out_size(), [&](int64_t first, int64_t n) {
    MT_LAUNCH(max_pool_places_kernel, grid_for(n, kThreads), kThreads, 0, stream(), shape,
              uint32_t(n), taps + first * p.out_size(), places + first * p.out_size());
  });
}

}  // namespace mt::cuda
