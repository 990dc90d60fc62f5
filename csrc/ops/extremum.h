// Largest and smallest elements over any set of dims, and where they are along one dim.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"

// kept: operands {y, x, -}; reduced: operand {x}; see csrc/ops/reduce_dims.h. NaN wins. The reduced
// dims are not empty. bool is passed as uint8.
MT_KERNEL(extremum,
          void(bool largest, DType dtype, const ElementIter& kept, const ElementIter& reduced))
// x (outer, n, inner), contiguous, n > 0; values (same dtype, may be null) and indices are (outer,
// inner). The first of equal elements, or the first NaN.
MT_KERNEL(arg_extremum, void(bool largest, DType dtype, const void* x, void* values,
                             int64_t* indices, int64_t outer, int64_t n, int64_t inner))
