// y = x * scale where a Philox word of the element is at least `drop`, 0 elsewhere. The gradient is
// the same function of dy with the same seed and offset, so no mask is kept.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// x and y contiguous, of n elements; words as in csrc/ops/random.h.
MT_KERNEL(dropout_forward, void(DType dtype, const void* x, void* y, int64_t n, uint64_t seed,
                                uint64_t offset, uint32_t drop, double scale))
