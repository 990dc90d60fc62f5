// Padding: every dim's places of y stand for places of x, or for the constant.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

constexpr int kMaxPadDims = 17;  // a tensor's dims, and the joined outer one

enum class PadMode : int { constant, reflect, replicate, circular };

// A dim of x of `in` elements behind `before` places; a negative number cuts. A circle is made of
// what cuts have left: [begin, end).
struct PadDim {
  int64_t in, out, before, begin, end;
};

// The place in x of place i of y, or -1 for the constant.
MT_INLINE MT_HD int64_t pad_place(PadMode mode, const PadDim& d, int64_t i) {
  i -= d.before;
  if (i >= 0 && i < d.in) return i;
  if (mode == PadMode::reflect) return i < 0 ? -i : 2 * (d.in - 1) - i;
  if (mode == PadMode::replicate) return i < 0 ? 0 : d.in - 1;
  if (mode == PadMode::circular) return i < 0 ? i + d.end : i - d.in + d.begin;
  return -1;
}

// The dims, the outermost first; x and y are contiguous. For the CPU map[d][i] is pad_place of i,
// and a null map is the identity; in the last dim the places [first, last) are consecutive in x.
struct PadPlan {
  int ndim = 0;
  PadMode mode = PadMode::constant;
  PadDim dim[kMaxPadDims];
  const int64_t* map[kMaxPadDims];
  int64_t first = 0, last = 0;
};

}  // namespace mt

// *value: one element, on the host.
MT_KERNEL(pad_forward,
          void(int64_t itemsize, const void* x, void* y, const PadPlan& plan, const void* value))
// dx (zeros at first) += dy at the places of x; float and double. Dim 0 must not be padded.
MT_KERNEL(pad_backward, void(DType dtype, const void* dy, void* dx, const PadPlan& plan))
