// Elements that a bool mask chooses.
//
// Choosing is two passes over chunks of the mask: mask_count counts the true elements of every
// chunk, the op sums the counts to `starts` (starts[i] chosen elements lie before chunk i), and the
// second pass writes or reads every chunk's part on its own.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"

// operands {y, x, mask}: y = mask ? *value : x
MT_KERNEL_CPU_ONLY(masked_fill, void(int64_t itemsize, const ElementIter& it, const void* value))
MT_KERNEL_CPU_ONLY(mask_count, void(const bool* mask, int64_t n, int64_t chunk, int64_t* counts))
// The coordinates of the true elements: out[i * row + d * col] is element i's place in dim d.
MT_KERNEL_CPU_ONLY(mask_places,
                   void(const bool* mask, int64_t n, int64_t chunk, const int64_t* starts, int ndim,
                        const int64_t* sizes, int64_t* out, int64_t row, int64_t col))
// y = x where the mask is true, one after the other
MT_KERNEL_CPU_ONLY(masked_select, void(int64_t itemsize, const void* x, const bool* mask, int64_t n,
                                       int64_t chunk, const int64_t* starts, void* y))
// y = the next element of src where the mask is true
MT_KERNEL_CPU_ONLY(masked_scatter, void(int64_t itemsize, void* y, const bool* mask, int64_t n,
                                        int64_t chunk, const int64_t* starts, const void* src))
