// Sums of a function of each element, products and logical reductions over any set of dims.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"

namespace mt {

// What is summed: x, x or 0 for NaN, |x|, x^2, (x - c)^2, exp(x - c); c is the result's parameter.
enum class SumOp : int { sum, nansum, norm1, norm2, square_dev, exp_dev };
enum class LogicOp : int { any, all, count_nonzero };

}  // namespace mt

// kept: operands {y, x, parameter}; reduced: operand {x}; see csrc/ops/reduce_dims.h.
// y = sum(f(x)) / divisor, or (`root`) its square root; in x's dtype, or (`wide`) in the compute
// type of the 16-bit floats. Floating point only; on the CPU 16-bit only for
// SumOp::sum.
MT_KERNEL(reduce_sum, void(SumOp op, DType dtype, const ElementIter& kept,
                           const ElementIter& reduced, double divisor, bool wide, bool root))
// Integers and bool to int64.
MT_KERNEL(reduce_sum_int, void(DType dtype, const ElementIter& kept, const ElementIter& reduced))
// Floats to their own dtype, integers (of int64 only) to int64.
MT_KERNEL(reduce_prod, void(DType dtype, const ElementIter& kept, const ElementIter& reduced))
// Any dtype to bool (any, all) or int64 (count_nonzero).
MT_KERNEL(reduce_logic,
          void(LogicOp op, DType dtype, const ElementIter& kept, const ElementIter& reduced))
// For log(sum(exp(x - c))) + c: c becomes 0 where it is not finite, or (`zero`) everywhere; and
// y = log(y) + c. Both of n elements, float32 or float64.
MT_KERNEL(reduce_log_shift, void(DType dtype, void* c, int64_t n, bool zero))
MT_KERNEL(reduce_log_finish, void(DType dtype, void* y, const void* c, int64_t n))
