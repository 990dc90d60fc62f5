// The order in which a tensor's dims lie in memory, and how results keep it.
#pragma once
#include "core/tensor.h"

namespace mt {

// Uninitialised, in x's order of dims (transposed, channels_last) where x is not contiguous.
Tensor empty_like_layout(const Tensor& x, DType dtype);
// Whether the elements fill one block of memory, in whatever order of dims.
bool is_dense(const Tensor& x);
// to_dtype, whose copy keeps x's order of dims.
Tensor to_dtype_in_layout(const Tensor& x, DType dtype);

// Whether a batch x [b, c, ...] of two or more spatial dims has its channels, more than one,
// innermost in memory.
bool channels_last(const Tensor& x);

}  // namespace mt
