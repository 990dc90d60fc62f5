// Copies with conversion, fills, and arithmetic sequences.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"

// operands {dst, src}; converts as C does, floats to bool as != 0.
MT_KERNEL(copy, void(DType dst, DType src, const ElementIter& it))
// operands {dst}; `value` points to one element.
MT_KERNEL(fill, void(DType dtype, const ElementIter& it, const void* value))
// y[i] = start + i * step; integers from istart and istep.
MT_KERNEL(arange, void(DType dtype, void* y, int64_t n, double start, double step, int64_t istart,
                       int64_t istep))
// n values from start to end, both included; from both ends, so that the last is exactly `end`.
MT_KERNEL(linspace, void(DType dtype, void* y, int64_t n, double start, double end))
