// Triangles of matrices.
#pragma once
#include "core/isa.h"

// y = the elements of every (rows, cols) matrix of x with col - row <= k (lower) or >= k (upper),
// the others 0. Both contiguous; x may be y.
MT_KERNEL(tri, void(int64_t itemsize, const void* x, void* y, int64_t batch, int64_t rows,
                    int64_t cols, int64_t k, bool upper))
