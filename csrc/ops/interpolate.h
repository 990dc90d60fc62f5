// Resampling along one dim of [outer, in, inner]: y[a, q, b] = sum over k of w[k, q] * x[a, at[k,
// q], b]. Every mode of interpolation is this, dim by dim, with its own table of places and
// weights.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// float32, float64; at and w are [taps, out], w of the same dtype. `sparse`: a weight of zero says
// that there is no place, so that an infinity there does not matter; the transposed tables of the
// gradients are filled up with such.
MT_KERNEL(resample,
          void(DType dtype, const void* x, void* y, int64_t outer, int64_t in, int64_t inner,
               int64_t out, int64_t taps, const int32_t* at, const void* w, bool sparse))
