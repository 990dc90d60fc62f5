// Convolutions on tensor cores; conv_on_tensor_cores (ops/conv.h) says which.
#pragma once
#include "ops/conv.h"

namespace mt::cuda {

// y from x, or (backward) dx from dy. T: float (rounded to TF32), float16 or bfloat16.
template <class T>
void conv_tensor_core(const ConvParams& p, bool backward, const void* x, const void* w,
                      const void* bias, void* y);
template <class T>
void conv_tensor_core_weight(const ConvParams& p, const void* dy, const void* x, void* dw);

}  // namespace mt::cuda
