// Selection in the rows of a contiguous (rows, n) array; n < 2^32. NaN is larger than everything.
// Any dtype; bool is passed as uint8.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {
// The most elements that the CPU's topk keeps; sorting is the way beyond.
constexpr int64_t kMaxTopk = 256;

enum class SelectOp : int { kth, median, nanmedian };
}  // namespace mt

// The k largest (smallest) of each row, best first; of equal ones those with lower indices. On the
// CPU, k <= kMaxTopk and dtypes of at most 4 bytes.
MT_KERNEL(topk_forward, void(DType dtype, bool largest, const void* x, void* values,
                             int64_t* indices, int64_t rows, int64_t n, int64_t k))
// The k-th smallest (k from 1), or the lower median, with the first index of it. The median of a
// row with a NaN is NaN; nanmedian leaves NaN out, unless there is nothing else. n > 0.
MT_KERNEL(select_forward, void(SelectOp op, DType dtype, const void* x, void* values,
                               int64_t* indices, int64_t rows, int64_t n, int64_t k))
// Of each sorted row, the value that occurs most often, the smallest of several, and order[] at its
// last occurrence. 0 and -0 are one value, and so are all NaN.
MT_KERNEL(mode_forward, void(DType dtype, const void* sorted, const int64_t* order, void* values,
                             int64_t* indices, int64_t rows, int64_t n))
