// Padding: a map per dim says which element of x stands at a place of y.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

constexpr int kMaxPadDims = 17;  // a tensor's dims, and the joined outer one

// Sizes and maps of the dims, the outermost first; x and y are contiguous. map[d][i] is the place
// in x of place i in y, or -1 for the constant; a null map is the identity. In the last dim the
// places [first, last) are consecutive in x.
struct PadPlan {
  int ndim = 0;
  int64_t out[kMaxPadDims], in[kMaxPadDims];
  const int64_t* map[kMaxPadDims];
  int64_t first = 0, last = 0;
};

}  // namespace mt

MT_KERNEL_CPU_ONLY(pad_forward, void(int64_t itemsize, const void* x, void* y, const PadPlan& plan,
                                     const void* value))
// dx (zeros at first) += dy at the places of x; float and double. Dim 0 must have a null map.
MT_KERNEL_CPU_ONLY(pad_backward, void(DType dtype, const void* dy, void* dx, const PadPlan& plan))
