// Elementwise functions of three tensors or numbers. One line is one op: its formula for x, y and w
// of compute type T; `value` is the scale that addcmul and addcdiv take. Gradients are compositions
// (minitorch/ops/ternary.py).
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"
#include "ops/elementwise.h"

// NaN in any place gives NaN; lo > hi gives hi.
#define MT_TERNARY_NUMERIC_OPS(X)  \
  X(clamp, fn::clamp_nan(x, y, w)) \
  X(addcmul, T(x + value * y * w))

// Floating point only.
#define MT_TERNARY_FLOAT_OPS(X)                                                                    \
  X(nan_to_num, x != x ? value : x == T(__builtin_inff()) ? y : x == T(-__builtin_inff()) ? w : x) \
  X(addcdiv, x + value * y / w)                                                                    \
  X(lerp, fn::fabs(w) < T(0.5) ? x + w * (y - x) : y - (y - x) * (T(1) - w))

namespace mt {

#define MT_ENUMERATOR4_(name, ...) name,
enum class TernaryOp : int {
  MT_TERNARY_NUMERIC_OPS(MT_ENUMERATOR4_) MT_TERNARY_FLOAT_OPS(MT_ENUMERATOR4_)
};

}  // namespace mt

// z = f(x, y, w): operands {z, x, y, w}.
MT_KERNEL(ternary_forward, void(TernaryOp op, DType compute, OperandTypes types,
                                const ElementIter& it, Number value))
// z = c ? x : y: operands {z, bool c, x, y}.
MT_KERNEL(where_forward, void(DType compute, OperandTypes types, const ElementIter& it))
