#pragma once
#include "core/tensor.h"

namespace mt {

// The places of the true elements, int64: (count, ndim), or (ndim, count) with `columns`.
Tensor nonzero_of_mask(const Tensor& mask, bool columns);
Tensor masked_select(const Tensor& x, const Tensor& mask);
// x = value where mask, in place; the value is a 0-dim tensor there or on the CPU.
void masked_fill_into(const Tensor& y, const Tensor& x, const Tensor& mask, const Tensor& value);

}  // namespace mt
