// Normalisation of channels over the batch.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// x is [n, c, inner], contiguous, float32 or float64 (on CUDA a 16-bit float, too);
// everything else is [c], of the type that the kernel computes in.
struct BatchNormArgs {
  DType dtype;
  int64_t n, c, inner;
  const void* x;
  const void* weight;  // null: ones
  const void* bias;    // null: zeros
  double eps;
};

}  // namespace mt

// Statistics of x, written to mean and rstd; running_mean and running_var, where not null, move by
// `momentum` towards the mean and the unbiased variance.
MT_KERNEL(batch_norm_train, void(const BatchNormArgs& args, double momentum, void* y, void* mean,
                                 void* rstd, void* running_mean, void* running_var))
// y from given mean and variance.
MT_KERNEL(batch_norm_eval,
          void(const BatchNormArgs& args, const void* mean, const void* var, void* y))
// train: mean and rstd depend on x. dw and db may be null together.
MT_KERNEL(batch_norm_backward,
          void(const BatchNormArgs& args, bool train, const void* dy, const void* mean,
               const void* rstd, void* dx, void* dw, void* db))
// rstd = 1 / sqrt(var + eps), float32 or float64.
MT_KERNEL(batch_norm_rstd, void(DType dtype, const void* var, double eps, int64_t c, void* rstd))
