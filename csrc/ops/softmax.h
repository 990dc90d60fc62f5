// softmax and log_softmax along one dim of a contiguous (outer, n, inner) array.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// y = exp(x - max) / sum(exp(x - max)), or its logarithm x - max - log(sum). float32 and
// float64; on CUDA the 16-bit floats, too.
MT_KERNEL(softmax_forward, void(bool log, DType dtype, const void* x, void* y, int64_t outer,
                                int64_t n, int64_t inner))
// softmax: dx = y * (dy - sum(dy * y)); log_softmax: dx = dy - exp(y) * sum(dy).
MT_KERNEL(softmax_backward, void(bool log, DType dtype, const void* dy, const void* y, void* dx,
                                 int64_t outer, int64_t n, int64_t inner))
