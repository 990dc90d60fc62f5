// What the pooling kernels share: PoolParams for the device, places of elements, launches.
#pragma once
#include "core/macros.h"
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "ops/pool.h"

namespace mt::cuda {

struct PoolShape {
  int in[3], kernel[3], out[3], stride[3], padding[3], dilation[3];
  int in_size, out_size;
  bool count_padding;
  int64_t divisor;
  Divider in_at[3], out_at[3];

  explicit PoolShape(const PoolParams& p)
      : in_size(int(p.in_size())),
        out_size(int(p.out_size())),
        count_padding(p.count_padding),
        divisor(p.divisor) {
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

// Element `rest` of planes of the given sizes.
struct PlanePlace {
  int plane, at[3];
  __device__ __forceinline__ PlanePlace(uint32_t rest, const Divider (&size)[3]) {
    uint32_t i;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
      rest = size[d].divide(rest, &i);
      at[d] = int(i);
    }
    plane = int(rest);
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

// f(first plane, number of elements) for as many planes at once as leave elements below 2^31.
template <class F>
void for_planes(int64_t planes, int64_t size, const F& f) {
  const int64_t most = size > 0x7fffffff ? 1 : 0x7fffffff / (size > 0 ? size : 1);
  for (int64_t first = 0; first < planes; first += most)
    f(first, (planes - first < most ? planes - first : most) * size);
}

}  // namespace mt::cuda
