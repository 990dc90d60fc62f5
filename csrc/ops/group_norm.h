// Normalisation of groups of channels of each sample; instance norm has a group per channel.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// x is [n, c, inner], contiguous, float32 or float64 (on CUDA a 16-bit float, too); weight
// and bias are [c], of the type that the kernel computes in.
struct GroupNormArgs {
  DType dtype;
  int64_t n, c, inner, groups;
  const void* x;
  const void* weight;  // null: ones
  const void* bias;    // null: zeros
  double eps;
};

}  // namespace mt

// mean and rstd: [n, groups].
MT_KERNEL(group_norm_forward, void(const GroupNormArgs& args, void* y, void* mean, void* rstd))
// partial: [n, 2, c]; dw and db may be null together.
MT_KERNEL(group_norm_backward, void(const GroupNormArgs& args, const void* dy, const void* mean,
                                    const void* rstd, void* dx, void* dw, void* db, void* partial))
