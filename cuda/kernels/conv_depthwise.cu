// Depthwise convolution with channels innermost, and its input's gradient: a thread per 16 bytes of
// channels of one position of the result, which loads as much of x per tap. Weights are turned into
// float32 [tap][channel] first, so that neighbouring threads read them as they read x.
// Bytes: x and y once from memory, the overlap of windows from cache.
#include "cuda/core/scratch.h"
#include "cuda/kernels/conv_direct.cuh"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_depthwise_weights_kernel(int n, int taps, const T* __restrict__ w,
                                  float* __restrict__ weights) {
  const int64_t i = thread_index();
  if (i < n) weights[i % taps * (n / taps) + i / taps] = load(w[i]);
}

// The position that place i reads through tap t of dim d, or -1.
template <bool Backward>
__device__ __forceinline__ int partner(const ConvShape& s, int d, int i, int t) {
  if constexpr (Backward) return reader(s, d, i, t);
  const int at = i * s.stride[d] + t * s.dilation[d] - s.padding[d];
  return unsigned(at) < unsigned(s.in[d]) ? at : -1;
}

template <class T, bool Backward>
__global__ void __launch_bounds__(kThreads, 4)
    conv_depthwise_last_kernel(const ConvShape s, const Divider chunks, uint32_t n,
                               const T* __restrict__ x, const float* __restrict__ weights,
                               const T* __restrict__ bias, T* __restrict__ y) {
  constexpr int per = 16 / sizeof(T);
  const uint32_t index = blockIdx.x * kThreads + threadIdx.x;
  if (index >= n) return;
  const Place at(index, Backward ? s.in_at : s.out_at, chunks, true);
  const int (&from)[3] = Backward ? s.out : s.in;
  const int c = int(at.channel) * per;
  float sum[per];
#pragma unroll
  for (int e = 0; e < per; e++) sum[e] = bias ? load(bias[c + e]) : 0.0f;
  const T* image = x + int64_t(at.image) * s.c * (Backward ? s.out_size : s.in_size) + c;
  const float* weight = weights + c;
  for (int t0 = 0; t0 < s.kernel[0]; t0++) {
    const int i0 = partner<Backward>(s, 0, int(at.at[0]), t0);
    for (int t1 = 0; t1 < s.kernel[1]; t1++) {
      const int i1 = partner<Backward>(s, 1, int(at.at[1]), t1);
      for (int t2 = 0; t2 < s.kernel[2]; t2++, weight += s.c) {
        const int i2 = partner<Backward>(s, 2, int(at.at[2]), t2);
        if (i0 < 0 || i1 < 0 || i2 < 0) continue;
        const int64_t place = (int64_t(i0) * from[1] + i1) * from[2] + i2;
        const auto v = *reinterpret_cast<const Vec<T, per>*>(image + place * s.c);
#pragma unroll
        for (int e = 0; e < per; e += 4) {
          const float4 f = *reinterpret_cast<const float4*>(weight + e);
          sum[e] += f.x * load(v.v[e]);
          sum[e + 1] += f.y * load(v.v[e + 1]);
          sum[e + 2] += f.z * load(v.v[e + 2]);
          sum[e + 3] += f.w * load(v.v[e + 3]);
        }
      }
    }
  }
  Vec<T, per> out;
#pragma unroll
  for (int e = 0; e < per; e++) out.v[e] = store_as<T>(sum[e]);
  reinterpret_cast<Vec<T, per>*>(y)[index] = out;
}

}  // namespace

template <class T>
bool conv_depthwise_last(const ConvParams& p, bool backward, const T* x, const T* w, const T* bias,
                         T* y) {
  constexpr int64_t per = 16 / sizeof(T);
  const bool aligned = (reinterpret_cast<uintptr_t>(x) | reinterpret_cast<uintptr_t>(y)) % 16 == 0;
  if (!p.last || p.c != p.groups || p.o != p.groups || p.c % per != 0 || !aligned) return false;
  const int64_t from = p.c * (backward ? p.out_size() : p.in_size());
  const int64_t to = p.c * (backward ? p.in_size() : p.out_size()), n = p.c * p.taps();
  const Scratch weights(size_t(n) * sizeof(float));
  MT_LAUNCH((conv_depthwise_weights_kernel<T>), grid_for(n, kThreads), kThreads, 0, stream(),
            int(n), int(p.taps()), w, weights.as<float>());
  const ConvShape shape(p);
  const Divider chunks(uint32_t(p.c / per));
  const int64_t most = 0x7fffffff / (to / per > 0 ? to / per : 1);
  for (int64_t first = 0; first < p.batch; first += most) {
    const int64_t count = (p.batch - first < most ? p.batch - first : most) * (to / per);
    const auto launch = [&](auto kernel) {
      MT_LAUNCH(kernel, grid_for(count, kThreads), kThreads, 0, stream(), shape, chunks,
                uint32_t(count), x + first * from, weights.as<const float>(), bias, y + first * to);
    };
    if (backward) launch(conv_depthwise_last_kernel<T, true>);
    else launch(conv_depthwise_last_kernel<T, false>);
  }
  return true;
}

#define MT_CONV_DEPTHWISE(T) \
  template bool conv_depthwise_last(const ConvParams&, bool, const T*, const T*, const T*, T*);
MT_CONV_DEPTHWISE(float)
MT_CONV_DEPTHWISE(float16)
MT_CONV_DEPTHWISE(bfloat16)

}  // namespace mt::cuda
