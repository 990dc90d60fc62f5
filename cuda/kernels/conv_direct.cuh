// What the kernels share that compute convolutions element by element.
#pragma once
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/kernels/conv_direct.h"

namespace mt::cuda {

// ConvParams for the device.
struct ConvShape {
  int batch, c, o, groups, cg, og, in[3], kernel[3], out[3], stride[3], padding[3], dilation[3];
  int taps;
  int64_t in_size, out_size, x_channel, x_position, y_channel, y_position;
  Divider in_at[3], out_at[3], c_at, o_at;
  bool last;

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
        x_channel(p.last ? 1 : in_size),
        x_position(p.last ? p.c : 1),
        y_channel(p.last ? 1 : out_size),
        y_position(p.last ? p.o : 1),
        c_at(uint32_t(p.c)),
        o_at(uint32_t(p.o)),
        last(p.last) {
    for (int d = 0; d < 3; d++) {
      in[d] = int(p.in[d]), kernel[d] = int(p.kernel[d]), out[d] = int(p.out[d]);
      stride[d] = int(p.stride[d]), padding[d] = int(p.padding[d]);
      dilation[d] = int(p.dilation[d]);
      in_at[d] = Divider(uint32_t(p.in[d]));
      out_at[d] = Divider(uint32_t(p.out[d]));
    }
  }
};

// Place of element `rest` of [images, channels, sizes], or (last) [images, sizes, channels].
struct Place {
  uint32_t at[3], channel, image;
  __device__ __forceinline__ Place(uint32_t rest, const Divider (&size)[3], const Divider& channels,
                                   bool last) {
    if (last) rest = channels.divide(rest, &channel);
#pragma unroll
    for (int d = 2; d >= 0; d--) rest = size[d].divide(rest, &at[d]);
    image = last ? rest : channels.divide(rest, &channel);
  }
};

// The output that reads position i through tap t, or -1.
__device__ __forceinline__ int reader(const ConvShape& s, int d, int i, int t) {
  const int at = i + s.padding[d] - t * s.dilation[d];
  if (at < 0) return -1;
  const int q = at / s.stride[d];
  return q * s.stride[d] == at && q < s.out[d] ? q : -1;
}

}  // namespace mt::cuda
