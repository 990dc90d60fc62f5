// Elementwise functions of one tensor. One line is one op: the formula, what its derivative is
// written in (the input x or the output y), and the derivative dy/dx.
//
// `T` is the compute type (float for the 16-bit types); fn:: is csrc/kernels/math.h.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"
#include "ops/elementwise.h"

// Floating point only: integer inputs are converted to float32 first.
#define MT_UNARY_FLOAT_OPS(X)                                        \
  X(exp, fn::exp(x), y, y)                                           \
  X(exp2, fn::exp2(x), y, y* T(0.6931471805599453))                  \
  X(expm1, fn::expm1(x), y, y + T(1))                                \
  X(log, fn::log(x), x, T(1) / x)                                    \
  X(log2, fn::log2(x), x, T(1.4426950408889634) / x)                 \
  X(log10, fn::log10(x), x, T(0.4342944819032518) / x)               \
  X(log1p, fn::log1p(x), x, T(1) / (T(1) + x))                       \
  X(sqrt, fn::sqrt(x), y, T(0.5) / y)                                \
  X(rsqrt, T(1) / fn::sqrt(x), y, T(-0.5) * y * y * y)               \
  X(reciprocal, T(1) / x, y, -y * y)                                 \
  X(sin, fn::sin(x), x, fn::cos(x))                                  \
  X(cos, fn::cos(x), x, -fn::sin(x))                                 \
  X(tan, fn::tan(x), y, T(1) + y * y)                                \
  X(asin, fn::asin(x), x, T(1) / fn::sqrt(T(1) - x * x))             \
  X(acos, fn::acos(x), x, T(-1) / fn::sqrt(T(1) - x * x))            \
  X(atan, fn::atan(x), x, T(1) / (T(1) + x * x))                     \
  X(sinh, fn::sinh(x), x, fn::cosh(x))                               \
  X(cosh, fn::cosh(x), x, fn::sinh(x))                               \
  X(tanh, fn::tanh(x), y, T(1) - y * y)                              \
  X(asinh, fn::asinh(x), x, T(1) / fn::sqrt(x * x + T(1)))           \
  X(acosh, fn::acosh(x), x, T(1) / fn::sqrt(x * x - T(1)))           \
  X(atanh, fn::atanh(x), x, T(1) / (T(1) - x * x))                   \
  X(erf, fn::erf(x), x, T(1.1283791670955126) * fn::exp(-x * x))     \
  X(erfc, fn::erfc(x), x, T(-1.1283791670955126) * fn::exp(-x * x))  \
  X(erfinv, fn::erfinv(x), y, T(0.886226925452758) * fn::exp(y * y)) \
  X(sigmoid, fn::sigmoid(x), y, y*(T(1) - y))                        \
  X(sinc, fn::sinc(x), x, fn::sinc_derivative(x))                    \
  X(frac, x - fn::trunc(x), x, T(1))

// Every dtype but bool; integers stay integers. The derivative is used for floating point only.
#define MT_UNARY_NUMERIC_OPS(X)                                                         \
  X(neg, T(-x), x, T(-1))                                                               \
  X(abs, x < T(0) ? T(-x) : T(x + T(0)), x, x == T(0) ? T(0) : x < T(0) ? T(-1) : T(1)) \
  X(sign, x > T(0) ? T(1) : x < T(0) ? T(-1) : T(0), x, T(0))                           \
  X(square, T(x* x), x, T(2) * x)                                                       \
  X(relu, x<T(0) ? T(0) : x, y, y> T(0) ? T(1) : T(0))

// Floating point changes, integers pass through unchanged.
#define MT_UNARY_ROUND_OPS(X)     \
  X(floor, fn::floor(x), x, T(0)) \
  X(ceil, fn::ceil(x), x, T(0))   \
  X(trunc, fn::trunc(x), x, T(0)) \
  X(round, fn::nearbyint(x), x, T(0))

// Predicates: any dtype to bool.
#define MT_UNARY_TEST_OPS(X)                     \
  X(logical_not, x == T(0))                      \
  X(isnan, x != x)                               \
  X(isinf, fn::fabs(x) == T(__builtin_inff()))   \
  X(isfinite, fn::fabs(x) < T(__builtin_inff())) \
  X(isposinf, x == T(__builtin_inff()))          \
  X(isneginf, x == T(-__builtin_inff()))         \
  X(signbit, fn::copysign(T(1), x) < T(0))

namespace mt {

#define MT_ENUMERATOR_(name, ...) name,
enum class UnaryOp : int {
  MT_UNARY_FLOAT_OPS(MT_ENUMERATOR_) MT_UNARY_NUMERIC_OPS(MT_ENUMERATOR_)
      MT_UNARY_ROUND_OPS(MT_ENUMERATOR_) bitwise_not
};
enum class TestOp : int { MT_UNARY_TEST_OPS(MT_ENUMERATOR_) };

}  // namespace mt

// y = f(x): operands {y, x}; `compute` is the type in which f is evaluated.
MT_KERNEL(unary_forward, void(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it))
// dx = dy * f'(s): operands {dx, dy, s}, s the input or the output, as the op's line says.
MT_KERNEL(unary_backward,
          void(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it))
// operands {bool y, x}.
MT_KERNEL(unary_test, void(TestOp op, DType compute, OperandTypes types, const ElementIter& it))
