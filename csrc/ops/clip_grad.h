// The norm of many tensors together, and their scaling.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

struct ClipItem {
  void* data;
  int64_t begin;  // elements of the tensors before this one
  int64_t numel;
};

}  // namespace mt

// norm: one element of `dtype`, the root of the sum of squares. partial: ceil(total / kGrain)
// numbers of scratch memory, for the CPU.
MT_KERNEL(clip_grad_norm, void(DType dtype, const ClipItem* items, int64_t count, int64_t total,
                               double* partial, void* norm))
// Every element times max_norm / (*norm + 1e-6), in place, where that is below 1. The norm lies on
// the device of the items.
MT_KERNEL(clip_grad_scale, void(DType dtype, const ClipItem* items, int64_t count, int64_t total,
                                const double* norm, double max_norm))
