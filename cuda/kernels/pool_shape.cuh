// What the pooling kernels share: PoolParams for the device, places of elements, launches.
#pragma once
#include "core/check.h"
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/vec.h"
#include "ops/pool.h"

namespace mt::cuda {

struct PoolShape {
  int in[3], kernel[3], out[3], stride[3], padding[3], dilation[3];
  int in_size, out_size;
  int channels;  // of channels_last images, else 0
  bool count_padding;
  int64_t divisor;
  Divider in_at[3], out_at[3], channel;

  explicit PoolShape(const PoolParams& p)
      : in_size(int(p.in_size())),
        out_size(int(p.out_size())),
        channels(int(p.channels)),
        count_padding(p.count_padding),
        divisor(p.divisor) {
    if (channels) channel = Divider(uint32_t(channels));
    for (int d = 0; d < 3; d++) {
      in[d] = int(p.in[d]), kernel[d] = int(p.kernel[d]), out[d] = int(p.out[d]);
      stride[d] = int(p.stride[d]), padding[d] = int(p.padding[d]);
      dilation[d] = int(p.dilation[d]);
      in_at[d] = Divider(uint32_t(p.in[d]));
      out_at[d] = Divider(uint32_t(p.out[d]));
    }
  }

  __device__ __forceinline__ int place(int i0, int i1, int i2) const {
    return (i0 * in[1] + i1) * in[2] + i2;
  }
};

// Element `rest` of planes of the given sizes: its place in its plane, whose elements lie at
// begin + step * place.
struct PlanePlace {
  int plane, at[3], channel = 0, step = 1;
  __device__ __forceinline__ PlanePlace(const PoolShape& s, uint32_t rest,
                                        const Divider (&size)[3]) {
    uint32_t i;
    if (s.channels) {
      rest = s.channel.divide(rest, &i);
      channel = int(i);
      step = s.channels;
    }
#pragma unroll
    for (int d = 2; d >= 0; d--) {
      rest = size[d].divide(rest, &i);
      at[d] = int(i);
    }
    plane = int(rest);
  }
  // Of the same plane in a tensor of planes of `size` elements.
  __device__ __forceinline__ int64_t begin(int size) const {
    return int64_t(plane) * size * step + channel;
  }
};

// Windows [lo, hi] of a dim that reach position i, by their first and last tap.
struct Reach {
  int lo, hi;
  __device__ __forceinline__ Reach(const PoolShape& s, int d, int i) {
    const int last = i + s.padding[d], first = last - (s.kernel[d] - 1) * s.dilation[d];
    lo = first > 0 ? (first + s.stride[d] - 1) / s.stride[d] : 0;
    hi = last / s.stride[d];
    if (hi >= s.out[d]) hi = s.out[d] - 1;
  }
};

// f(first plane, number of elements) for as many planes at once as leave elements below 2^31; whole
// images, where their channels lie last.
template <class F>
void for_planes(const PoolParams& p, int64_t size, const F& f) {
  const int64_t unit = p.channels ? p.channels : 1, elements = unit * (size > 0 ? size : 1);
  MT_CHECK(elements <= 0x7fffffff, "pooling: more than 2^31 elements of one image on cuda");
  const int64_t most = 0x7fffffff / elements * unit;
  for (int64_t first = 0; first < p.planes; first += most)
    f(first, (p.planes - first < most ? p.planes - first : most) * size);
}

}  // namespace mt::cuda
