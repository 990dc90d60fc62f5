// Resampling along one dim of [outer, in, inner]: y[a, q, b] = sum over k of w[q, k] * x[a, at[q,
// k], b]. Every mode of interpolation is this, dim by dim, with its own table of places and
// weights.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// float32, float64; at and w are [out, taps], w of the same dtype.
MT_KERNEL_CPU_ONLY(resample_forward,
                   void(DType dtype, const void* x, void* y, int64_t outer, int64_t in,
                        int64_t inner, int64_t out, int64_t taps, const int32_t* at, const void* w))
// dx[a, at[q, k], b] += w[q, k] * dy[a, q, b], dx zeroed first.
MT_KERNEL_CPU_ONLY(resample_backward,
                   void(DType dtype, const void* dy, void* dx, int64_t outer, int64_t in,
                        int64_t inner, int64_t out, int64_t taps, const int32_t* at, const void* w))
