// The order of the elements of rows, for everything that sorts: sort, topk, kthvalue, and the
// grouping of equal indices in index.cu.
#pragma once
#include "core/dtype.h"
#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"

namespace mt::cuda {

// order[r, i]: the place in row r of x of its i-th smallest (largest) element; stable. Any dtype,
// bool as uint8; rows of fewer than 2^32 elements.
void sort_order(DType dtype, bool descending, const void* x, uint32_t* order, int64_t rows,
                int64_t n);
// The first k elements of each row in that order.
void take_sorted(DType dtype, const void* x, const uint32_t* order, void* values, int64_t* indices,
                 int64_t rows, int64_t n, int64_t k);

}  // namespace mt::cuda
