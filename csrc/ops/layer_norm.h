// Normalisation of rows: layer norm and RMS norm.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/parallel.h"

namespace mt {

// x is [rows, n], contiguous, float32 or float64, as are weight [n] and bias [n]; on CUDA all may
// be of a 16-bit float, and mean and rstd are float32 then.
struct LayerNormArgs {
  DType dtype;
  bool centre;  // subtract the mean; else RMS norm, which has neither mean nor bias
  int64_t rows, n;
  const void* x;
  const void* weight;  // null on CUDA: ones
  const void* bias;    // null on CUDA: zeros
  double eps;
};

// Rows of one partial sum of the weight's gradient.
inline int64_t layer_norm_grain(int64_t rows, int64_t n) {
  int64_t by_work = ceil_div(kGrain, n > 0 ? n : 1), by_count = ceil_div(rows, 64);
  return by_work > by_count ? by_work : by_count;
}

}  // namespace mt

// mean [rows] (where centred), rstd [rows]: 1 / sqrt(variance + eps).
MT_KERNEL(layer_norm_forward, void(const LayerNormArgs& args, void* y, void* mean, void* rstd))
// dw and db may be null together. partial: [ceil(rows / layer_norm_grain), 2,
// n], for the CPU.
MT_KERNEL(layer_norm_backward, void(const LayerNormArgs& args, const void* dy, const void* mean,
                                    const void* rstd, void* dx, void* dw, void* db, void* partial))
