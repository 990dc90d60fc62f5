// Elementwise functions of two tensors. One line is one op: its formula for x and y of compute type
// T (float, double or int64_t); `alpha` is the scale that add and sub take. Gradients are
// compositions (minitorch/ops/binary.py).
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"
#include "ops/elementwise.h"

// Vectorised, any numeric dtype.
#define MT_BINARY_NUMERIC_OPS(X)      \
  X(add, T(x + y))                    \
  X(sub, T(x - y))                    \
  X(add_scaled, T(x + alpha * y))     \
  X(mul, T(x* y))                     \
  X(maximum, x != x || x > y ? x : y) \
  X(minimum, x != x || x < y ? x : y) \
  X(fmax, y != y || x > y ? x : y)    \
  X(fmin, y != y || x < y ? x : y)    \
  X(heaviside, x == T(0) ? y : x > T(0) ? T(1) : T(0))

// One element at a time, any numeric dtype.
#define MT_BINARY_NUMERIC_PLAIN_OPS(X)    \
  X(floor_divide, fn::floor_divide(x, y)) \
  X(trunc_divide, fn::trunc_divide(x, y)) \
  X(remainder, fn::remainder(x, y))       \
  X(fmod, fn::fmod_any(x, y))             \
  X(pow, fn::pow_any(x, y))

// Vectorised, floating point only.
#define MT_BINARY_FLOAT_OPS(X)                             \
  X(div, x / y)                                            \
  X(copysign, fn::copysign(x, y))                          \
  X(xlogy, y != y ? y : x == T(0) ? T(0) : x * fn::log(y)) \
  X(atan2, fn::atan2(x, y))                                \
  X(hypot, fn::hypot(x, y))                                \
  X(logaddexp, fn::logaddexp(x, y))                        \
  X(logaddexp2, fn::logaddexp2(x, y))

// One element at a time, floating point only.
#define MT_BINARY_FLOAT_PLAIN_OPS(X) X(nextafter, fn::nextafter(x, y))

// Integers and bool; no sign is involved, so bytes may be handled in any grouping.
#define MT_BINARY_BIT_OPS(X) \
  X(bitwise_and, T(x& y))    \
  X(bitwise_or, T(x | y))    \
  X(bitwise_xor, T(x ^ y))
// Integers, one element at a time.
#define MT_BINARY_INT_OPS(X)                    \
  X(bitwise_left_shift, fn::shift_left(x, y))   \
  X(bitwise_right_shift, fn::shift_right(x, y)) \
  X(gcd, fn::gcd(x, y))                         \
  X(lcm, fn::lcm(x, y))

// Any dtype to bool.
#define MT_COMPARE_OPS(X)                \
  X(eq, x == y)                          \
  X(ne, x != y)                          \
  X(lt, x < y)                           \
  X(le, x <= y)                          \
  X(gt, x > y)                           \
  X(ge, x >= y)                          \
  X(logical_and, x != T(0) && y != T(0)) \
  X(logical_or, x != T(0) || y != T(0))  \
  X(logical_xor, (x != T(0)) != (y != T(0)))

namespace mt {

#define MT_ENUMERATOR2_(name, ...) name,
enum class BinaryOp : int {
  MT_BINARY_NUMERIC_OPS(MT_ENUMERATOR2_) MT_BINARY_NUMERIC_PLAIN_OPS(MT_ENUMERATOR2_)
      MT_BINARY_FLOAT_OPS(MT_ENUMERATOR2_) MT_BINARY_FLOAT_PLAIN_OPS(MT_ENUMERATOR2_)
          MT_BINARY_BIT_OPS(MT_ENUMERATOR2_) MT_BINARY_INT_OPS(MT_ENUMERATOR2_)
};
enum class CompareOp : int { MT_COMPARE_OPS(MT_ENUMERATOR2_) };

}  // namespace mt

// z = f(x, y): operands {z, x, y}; `compute` is the type in which f is evaluated.
MT_KERNEL(binary_forward,
          void(BinaryOp op, DType compute, OperandTypes types, const ElementIter& it, Number alpha))
// operands {bool z, x, y}.
MT_KERNEL(compare_forward,
          void(CompareOp op, DType compute, OperandTypes types, const ElementIter& it))
