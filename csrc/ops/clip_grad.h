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

// Sum of squares of every chunk of kGrain elements of the joint range: ceil(total / kGrain)
// numbers.
MT_KERNEL(clip_grad_squares,
          void(DType dtype, const ClipItem* items, int64_t count, int64_t total, double* partial))
// Every element times `factor`, in place.
MT_KERNEL(clip_grad_scale,
          void(DType dtype, const ClipItem* items, int64_t count, int64_t total, double factor))
