// Binary search in sorted rows, and counts of values.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// For each of the m values of a row, its place in the row of n sorted boundaries: the first place
// whose boundary is not smaller, or (`right`) is larger. boundaries (rows, n), or one row for all
// where `shared`; x (rows, m); `order` (like the boundaries, may be null) sorts them. One dtype,
// not bool.
MT_KERNEL(searchsorted,
          void(DType dtype, const void* boundaries, const int64_t* order, const void* x, int64_t* y,
               int64_t rows, int64_t n, int64_t m, bool shared, bool right))
// counts[x[i]] += 1, or weights[i]; x is not negative and smaller than the number of bins. The
// counts are int64, or have the weights' dtype float64.
MT_KERNEL(bincount,
          void(const int64_t* x, const double* weights, void* counts, int64_t n, int64_t bins))
// Elements per bin of equal width in [low, high], the last one closed; others are left out. Floats.
MT_KERNEL(histc, void(DType dtype, const void* x, int64_t* counts, int64_t n, int64_t bins,
                      double low, double high))
