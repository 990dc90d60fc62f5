// Sorting the rows of a contiguous (rows, n) array; n < 2^32. NaN is larger than
// everything and -0 equals 0. Any dtype; bool is passed as uint8.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// Rows longer than this need memory to sort in: two arrays of n elements of 8 bytes (16 for the
// dtypes of 8 bytes).
constexpr int64_t kSortInPlace = 8192;
inline int64_t sort_work_bytes(DType dtype, int64_t n) {
  return n <= kSortInPlace ? 0 : 2 * n * (itemsize(dtype) == 8 ? 16 : 8);
}

}  // namespace mt

// Stable. values may be null.
MT_KERNEL(sort_forward, void(DType dtype, bool descending, const void* x, void* values,
                             int64_t* indices, int64_t rows, int64_t n, void* work))
