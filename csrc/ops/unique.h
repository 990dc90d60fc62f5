// Groups of equal slices of a contiguous (n, m) array. Numbers are equal by ==, so NaN never are.
// Any dtype; bool is passed as uint8.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// The stable order of the slices by their elements, the first one first; `work` is as long.
MT_KERNEL(unique_order,
          void(DType dtype, const void* x, int64_t n, int64_t m, int64_t* order, int64_t* work))
// Neighbours in `order` (null: as they are) that are equal are one group; n > 0. group[i] is the
// number of the group of the i-th in order.
MT_KERNEL(unique_groups, void(DType dtype, const void* x, const int64_t* order, int64_t n,
                              int64_t m, int64_t* group))
// Of each of the groups, the first slice in order and how many there are; of each slice, its group.
MT_KERNEL(unique_fill, void(const int64_t* order, const int64_t* group, int64_t n, int64_t groups,
                            int64_t* first, int64_t* inverse, int64_t* counts))
