// Convolutions with one or two channels per group, where a product of matrices would be mostly
// empty: a thread per element of the result; of the weight's gradient a block, or, where channels
// are innermost, a block per 32 channels and part of the positions, added in a second pass. 16-bit
// floats are summed in float32. Bytes: operands once from memory, their overlaps from cache.
#include "cuda/kernels/conv_direct.h"

#include "cuda/core/scratch.h"
#include "cuda/kernels/conv_direct.cuh"
#include "cuda/kernels/conv_sum.cuh"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    conv_direct_forward_kernel(const ConvShape s, uint32_t n, const T* __restrict__ x,
                               const T* __restrict__ w, const T* __restrict__ bias,
                               T* __restrict__ y) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const Place q(index, s.out_at, s.o_at, s.last);
  const int o = int(q.channel), c0 = o / s.og * s.cg;
  const T* weights = w + int64_t(o) * s.cg * s.taps;
  compute_t<T> sum = bias ? load(bias[o]) : compute_t<T>(0);
  for (int c = 0; c < s.cg; c++) {
    const T* plane = x + int64_t(q.image) * s.c * s.in_size + (c0 + c) * s.x_channel;
    for (int t0 = 0; t0 < s.kernel[0]; t0++) {
      const int i0 = int(q.at[0]) * s.stride[0] + t0 * s.dilation[0] - s.padding[0];
      for (int t1 = 0; t1 < s.kernel[1]; t1++) {
        const int i1 = int(q.at[1]) * s.stride[1] + t1 * s.dilation[1] - s.padding[1];
        const bool row = unsigned(i0) < unsigned(s.in[0]) && unsigned(i1) < unsigned(s.in[1]);
        for (int t2 = 0; t2 < s.kernel[2]; t2++, weights++) {
          const int i2 = int(q.at[2]) * s.stride[2] + t2 * s.dilation[2] - s.padding[2];
          if (row && unsigned(i2) < unsigned(s.in[2]))
            sum += load(*weights) *
                   load(plane[((int64_t(i0) * s.in[1] + i1) * s.in[2] + i2) * s.x_position]);
        }
      }
    }
  }
  y[index] = store_as<T>(sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    conv_direct_backward_input_kernel(const ConvShape s, uint32_t n, const T* __restrict__ dy,
                                      const T* __restrict__ w, const T* __restrict__ bias,
                                      T* __restrict__ dx) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const Place i(index, s.in_at, s.c_at, s.last);
  const int c = int(i.channel), o0 = c / s.cg * s.og;
  compute_t<T> sum = bias ? load(bias[c]) : compute_t<T>(0);
  for (int o = o0; o < o0 + s.og; o++) {
    const T* plane = dy + int64_t(i.image) * s.o * s.out_size + o * s.y_channel;
    const T* weights = w + (int64_t(o) * s.cg + c % s.cg) * s.taps;
    for (int t0 = 0; t0 < s.kernel[0]; t0++) {
      const int q0 = reader(s, 0, int(i.at[0]), t0);
      for (int t1 = 0; t1 < s.kernel[1]; t1++) {
        const int q1 = reader(s, 1, int(i.at[1]), t1);
        for (int t2 = 0; t2 < s.kernel[2]; t2++, weights++) {
          const int q2 = reader(s, 2, int(i.at[2]), t2);
          if (q0 >= 0 && q1 >= 0 && q2 >= 0)
            sum += load(*weights) *
                   load(plane[((int64_t(q0) * s.out[1] + q1) * s.out[2] + q2) * s.y_position]);
        }
      }
    }
  }
  dx[index] = store_as<T>(sum);
}

// Offset in x, in positions, of what output q reads through tap t; -1 outside.
__device__ __forceinline__ int64_t read_at(const ConvShape& s, uint32_t q, const int (&t)[3]) {
  uint32_t at;
  bool inside = true;
  int64_t place = 0, row = 1;
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    q = s.out_at[d].divide(q, &at);
    const int i = int(at) * s.stride[d] + t[d] * s.dilation[d] - s.padding[d];
    inside = inside && unsigned(i) < unsigned(s.in[d]);
    place += i * row;
    row *= s.in[d];
  }
  return inside ? place : -1;
}

// Filter and channel within its group of element (o, c, t) of w.
__device__ __forceinline__ int split_weight(const ConvShape& s, int rest, int (&t)[3]) {
  for (int d = 2; d >= 0; d--) {
    t[d] = rest % s.kernel[d];
    rest /= s.kernel[d];
  }
  return rest;
}

// dw[o][c][t]: a block per element.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_direct_weight_kernel(const ConvShape s, const T* __restrict__ dy, const T* __restrict__ x,
                              T* __restrict__ dw) {
  int t[3];
  const int rest = split_weight(s, int(blockIdx.x), t);
  const int o = rest / s.cg, c = o / s.og * s.cg + rest % s.cg;
  compute_t<T> sum = 0;
  for (int b = 0; b < s.batch; b++) {
    const T* plane = x + (int64_t(b) * s.c + c) * s.in_size;
    const T* g = dy + (int64_t(b) * s.o + o) * s.out_size;
    for (uint32_t q = threadIdx.x; q < uint32_t(s.out_size); q += kThreads) {
      const int64_t place = read_at(s, q, t);
      if (place >= 0) sum += load(g[q]) * load(plane[place]);
    }
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) dw[blockIdx.x] = store_as<T>(sum);
}

// sums[part][o][c][t] for 32 filters a block, whose 8 rows of threads take every 8th position of
// the part. Grid: x = filters, y = c and t, z = parts.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_direct_weight_last_kernel(const ConvShape s, int64_t positions, const T* __restrict__ dy,
                                   const T* __restrict__ x, compute_t<T>* __restrict__ sums) {
  constexpr int rows = kThreads / 32;
  MT_SHARED(compute_t<T>, parts, kThreads);
  const int lane = int(threadIdx.x) % 32, row = int(threadIdx.x) / 32;
  const int o = int(blockIdx.x) * 32 + lane;
  int t[3];
  const int channel = split_weight(s, int(blockIdx.y), t);
  const int64_t end = min(int64_t(blockIdx.z + 1) * positions, s.batch * s.out_size);
  compute_t<T> sum = 0;
  if (o < s.o) {
    const T* from = x + o / s.og * s.cg + channel;
    for (int64_t j = blockIdx.z * positions + row; j < end; j += rows) {
      const int64_t b = j / s.out_size, place = read_at(s, uint32_t(j - b * s.out_size), t);
      if (place >= 0) sum += load(dy[j * s.o + o]) * load(from[(b * s.in_size + place) * s.c]);
    }
  }
  parts[threadIdx.x] = sum;
  __syncthreads();
  if (row != 0 || o >= s.o) return;
  for (int r = 1; r < rows; r++) {
    const compute_t<T> part = parts[r * 32 + lane];
    sum += part;
  }
  const int64_t per_filter = int64_t(s.cg) * s.taps;
  sums[(int64_t(blockIdx.z) * s.o + o) * per_filter + blockIdx.y] = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_direct_sum_kernel(const compute_t<T>* __restrict__ sums, int parts, int64_t n,
                           T* __restrict__ dw) {
  const int64_t i = thread_index();
  if (i >= n) return;
  compute_t<T> sum = sums[i];
  for (int p = 1; p < parts; p++) sum += sums[p * n + i];
  dw[i] = store_as<T>(sum);
}

void check_sizes(const ConvParams& p) {
  constexpr int64_t kMost = 0x7fffffff;
  MT_CHECK(p.c * p.in_size() <= kMost && p.o * p.out_size() <= kMost &&
               p.o * (p.c / p.groups) * p.taps() <= kMost,
           "conv: more than 2^31 elements of one image or of the filters on cuda");
}

}  // namespace

template <class T>
void conv_direct(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias, T* y) {
  check_sizes(p);
  if constexpr (sizeof(T) <= 4)
    if (conv_depthwise_last(p, backward, x, w, bias, y)) return;
  const ConvShape shape(p);
  const int64_t in = p.c * p.in_size(), out = p.o * p.out_size();
  const int64_t from = backward ? out : in, to = backward ? in : out;
  const int64_t most = 0x7fffffff / (to > 0 ? to : 1);
  for (int64_t first = 0; first < p.batch; first += most) {
    const int64_t n = (p.batch - first < most ? p.batch - first : most) * to;
    if (backward)
      MT_LAUNCH((conv_direct_backward_input_kernel<T>), grid_for(n, kThreads), kThreads, 0,
                stream(), shape, uint32_t(n), x + first * from, w, bias, y + first * to);
    else
      MT_LAUNCH((conv_direct_forward_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(),
                shape, uint32_t(n), x + first * from, w, bias, y + first * to);
  }
}

template <class T>
void conv_direct_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  check_sizes(p);
  const int64_t per_filter = p.c / p.groups * p.taps(), n = p.o * per_filter;
  if (!p.last) {
    MT_LAUNCH((conv_direct_weight_kernel<T>), unsigned(n), kThreads, 0, stream(), ConvShape(p), dy,
              x, dw);
    return;
  }
  // Parts of at least 512 positions, and few enough that the second pass is short.
  const int64_t all = p.batch * p.out_size();
  int64_t parts = all / 512;
  parts = parts < 1 ? 1 : parts > 64 ? 64 : parts;
  MT_CHECK(per_filter <= 65535, "conv: more than 65535 weights of a filter on cuda");
  const Scratch sums(size_t(parts * n) * sizeof(compute_t<T>));
  MT_LAUNCH((conv_direct_weight_last_kernel<T>),
            dim3(unsigned(ceil_div(p.o, 32)), unsigned(per_filter), unsigned(parts)), kThreads, 0,
            stream(), ConvShape(p), ceil_div(all, parts), dy, x, sums.as<compute_t<T>>());
  MT_LAUNCH((conv_direct_sum_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(),
            sums.as<const compute_t<T>>(), int(parts), n, dw);
}

#define MT_CONV_DIRECT(T)                                                               \
  template void conv_direct(const ConvParams&, bool, const T*, const T*, const T*, T*); \
  template void conv_direct_weight(const ConvParams&, const T*, const T*, T*);
MT_CONV_DIRECT(float)
MT_CONV_DIRECT(double)
MT_CONV_DIRECT(float16)
MT_CONV_DIRECT(bfloat16)

}  // namespace mt::cuda
