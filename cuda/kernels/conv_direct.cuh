// Convolutions with one or two channels per group, where a product of matrices would be mostly
// empty: a thread per element of the result.
#pragma once
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"
#include "ops/conv.h"

namespace mt::cuda {

// ConvParams for the device.
struct ConvShape {
  int batch, c, o, groups, cg, og, in[3], kernel[3], out[3], stride[3], padding[3], dilation[3];
  int taps;
  int64_t in_size, out_size;
  Divider in_at[3], out_at[3], c_at, o_at, out_positions;

  explicit ConvShape(const ConvParams& p)
      : batch(int(p.batch)),
        c(int(p.c)),
        o(int(p.o)),
        groups(int(p.groups)),
        cg(int(p.c / p.groups)),
        og(int(p.o / p.groups)),
        taps(int(p.taps())),
        in_size(p.in_size()),
        out_size(p.out_size()),
        c_at(uint32_t(p.c)),
        o_at(uint32_t(p.o)),
        out_positions(uint32_t(p.out_size())) {
    for (int d = 0; d < 3; d++) {
      in[d] = int(p.in[d]), kernel[d] = int(p.kernel[d]), out[d] = int(p.out[d]);
      stride[d] = int(p.stride[d]), padding[d] = int(p.padding[d]);
      dilation[d] = int(p.dilation[d]);
      in_at[d] = Divider(uint32_t(p.in[d]));
      out_at[d] = Divider(uint32_t(p.out[d]));
    }
  }
};

// Place of element `rest` of [images, channels, sizes].
struct Place {
  uint32_t at[3], channel, image;
  __device__ __forceinline__ Place(uint32_t rest, const Divider (&size)[3],
                                   const Divider& channels) {
#pragma unroll
    for (int d = 2; d >= 0; d--) rest = size[d].divide(rest, &at[d]);
    image = channels.divide(rest, &channel);
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    conv_direct_forward_kernel(const ConvShape s, uint32_t n, const T* __restrict__ x,
                               const T* __restrict__ w, const T* __restrict__ bias,
                               T* __restrict__ y) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const Place q(index, s.out_at, s.o_at);
  const int o = int(q.channel), c0 = o / s.og * s.cg;
  const T* weights = w + int64_t(o) * s.cg * s.taps;
  T sum = bias ? bias[o] : T(0);
  for (int c = 0; c < s.cg; c++) {
    const T* plane = x + (int64_t(q.image) * s.c + c0 + c) * s.in_size;
    for (int t0 = 0; t0 < s.kernel[0]; t0++) {
      const int i0 = int(q.at[0]) * s.stride[0] + t0 * s.dilation[0] - s.padding[0];
      for (int t1 = 0; t1 < s.kernel[1]; t1++) {
        const int i1 = int(q.at[1]) * s.stride[1] + t1 * s.dilation[1] - s.padding[1];
        const bool row = unsigned(i0) < unsigned(s.in[0]) && unsigned(i1) < unsigned(s.in[1]);
        for (int t2 = 0; t2 < s.kernel[2]; t2++, weights++) {
          const int i2 = int(q.at[2]) * s.stride[2] + t2 * s.dilation[2] - s.padding[2];
          if (row && unsigned(i2) < unsigned(s.in[2]))
            sum += *weights * plane[(int64_t(i0) * s.in[1] + i1) * s.in[2] + i2];
        }
      }
    }
  }
  y[index] = sum;
}

// The output that reads position i through tap t, or -1.
__device__ __forceinline__ int reader(const ConvShape& s, int d, int i, int t) {
  const int at = i + s.padding[d] - t * s.dilation[d];
  if (at < 0) return -1;
  const int q = at / s.stride[d];
  return q * s.stride[d] == at && q < s.out[d] ? q : -1;
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    conv_direct_backward_input_kernel(const ConvShape s, uint32_t n, const T* __restrict__ dy,
                                      const T* __restrict__ w, const T* __restrict__ bias,
                                      T* __restrict__ dx) {
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const Place i(index, s.in_at, s.c_at);
  const int c = int(i.channel), o0 = c / s.cg * s.og;
  T sum = bias ? bias[c] : T(0);
  for (int o = o0; o < o0 + s.og; o++) {
    const T* plane = dy + (int64_t(i.image) * s.o + o) * s.out_size;
    const T* weights = w + (int64_t(o) * s.cg + c % s.cg) * s.taps;
    for (int t0 = 0; t0 < s.kernel[0]; t0++) {
      const int q0 = reader(s, 0, int(i.at[0]), t0);
      for (int t1 = 0; t1 < s.kernel[1]; t1++) {
        const int q1 = reader(s, 1, int(i.at[1]), t1);
        for (int t2 = 0; t2 < s.kernel[2]; t2++, weights++) {
          const int q2 = reader(s, 2, int(i.at[2]), t2);
          if (q0 >= 0 && q1 >= 0 && q2 >= 0)
            sum += *weights * plane[(int64_t(q0) * s.out[1] + q1) * s.out[2] + q2];
        }
      }
    }
  }
  dx[index] = sum;
}

// The sum of a block's values, for thread 0.
template <class T>
__device__ __forceinline__ T sum_of_block(T v) {
  MT_SHARED(T, sums, kThreads / 32);
  for (int step = 16; step > 0; step /= 2) v += __shfl_down_sync(0xffffffffu, v, step);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x == 0) {
    v = T(0);
    for (int w = 0; w < kThreads / 32; w++) {
      const T part = sums[w];
      v += part;
    }
  }
  return v;
}

// dw[o][c][t]: a block per element.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_direct_backward_weight_kernel(const ConvShape s, const T* __restrict__ dy,
                                       const T* __restrict__ x, T* __restrict__ dw) {
  int rest = blockIdx.x;
  int t[3];
  for (int d = 2; d >= 0; d--) {
    t[d] = rest % s.kernel[d];
    rest /= s.kernel[d];
  }
  const int o = rest / s.cg, c = o / s.og * s.cg + rest % s.cg;
  T sum = T(0);
  for (int b = 0; b < s.batch; b++) {
    const T* plane = x + (int64_t(b) * s.c + c) * s.in_size;
    const T* g = dy + (int64_t(b) * s.o + o) * s.out_size;
    for (uint32_t q = threadIdx.x; q < uint32_t(s.out_size); q += kThreads) {
      uint32_t left = q, at;
      bool inside = true;
      int64_t place = 0, row = 1;
#pragma unroll
      for (int d = 2; d >= 0; d--) {
        left = s.out_at[d].divide(left, &at);
        const int i = int(at) * s.stride[d] + t[d] * s.dilation[d] - s.padding[d];
        inside = inside && unsigned(i) < unsigned(s.in[d]);
        place += i * row;
        row *= s.in[d];
      }
      if (inside) sum += g[q] * plane[place];
    }
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) dw[blockIdx.x] = sum;
}

// db[c]: blocks (c, part) sum the images part, part + parts ...
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_backward_bias_kernel(const T* __restrict__ dy, int64_t batch, int64_t c, int64_t n,
                              T* __restrict__ sums) {
  T sum = T(0);
  for (int64_t b = blockIdx.y; b < batch; b += gridDim.y) {
    const T* plane = dy + (b * c + blockIdx.x) * n;
    for (int64_t i = threadIdx.x; i < n; i += kThreads) sum += plane[i];
  }
  sum = sum_of_block(sum);
  if (threadIdx.x == 0) sums[blockIdx.y * c + blockIdx.x] = sum;
}

}  // namespace mt::cuda
