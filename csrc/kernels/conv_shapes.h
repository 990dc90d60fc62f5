// Properties of a convolution by which its way is picked.
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

// Residues modulo the stride become planes of a copy and passes of the input's gradient.
MT_INLINE bool few_residues(const ConvParams& p) {
  return p.stride[0] * p.stride[1] * p.stride[2] <= kMostPasses;
}

// Products over patches suit small images, whose rows are shorter than a tile of the sums of
// shifted rows, and kernels of one tap where the side that is packed once is the shorter one.
MT_INLINE bool small_image(const ConvParams& p) { return p.batch > 1 && p.out_size() <= 64; }
MT_INLINE bool one_tap(const ConvParams& p) { return p.taps() == 1 && p.o / p.groups >= 32; }
MT_INLINE bool unit_stride(const ConvParams& p) {
  return p.stride[0] * p.stride[1] * p.stride[2] == 1;
}

// A kernel that covers the whole image is a kernel of one tap over channels times taps.
MT_INLINE ConvParams folded(const ConvParams& p) {
  for (int d = 0; d < 3; d++)
    if (p.in[d] != p.kernel[d] || p.padding[d] || p.dilation[d] != 1 || p.out[d] != 1) return p;
  ConvParams r = p;
  r.c = p.c * p.taps();
  for (int d = 0; d < 3; d++) r.in[d] = r.kernel[d] = r.stride[d] = 1;
  return r;
}

}  // namespace mt::cpu::MT_ISA
