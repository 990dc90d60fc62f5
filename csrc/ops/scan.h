// Running sums, products and extrema along one dim of a contiguous (outer, n, inner) array.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {
enum class ScanOp : int { sum, prod, logsumexp };
}

// y[i] = x[0] op ... op x[i], or from the end where `reverse`. Floats to their own dtype
// (logsumexp: floats only), integers and bool to int64.
MT_KERNEL(scan, void(ScanOp op, bool reverse, DType dtype, const void* x, void* y, int64_t outer,
                     int64_t n, int64_t inner))
// The largest (or smallest) so far and where it is: the last of equal ones, or the last NaN. bool
// is passed as uint8.
MT_KERNEL(scan_extremum, void(bool largest, DType dtype, const void* x, void* values,
                              int64_t* indices, int64_t outer, int64_t n, int64_t inner))
