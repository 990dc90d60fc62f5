// Activation functions. One line is one op: the formula, what its derivative is written in (the
// input x or the output y), and the derivative dy/dx. `a` and `b` are the op's numbers, as
// minitorch/ops/ activation.py passes them; `T` is the compute type, fn:: is csrc/kernels/math.h.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"
#include "ops/elementwise.h"

#define MT_ACTIVATION_OPS(X)                                                                     \
  X(gelu, fn::gelu(x), x, fn::gelu_derivative(x))                                                \
  X(gelu_tanh, fn::gelu_tanh(x), x, fn::gelu_tanh_derivative(x))                                 \
  X(silu, x* fn::sigmoid(x), x, fn::sigmoid(x) * (T(1) + x * (T(1) - fn::sigmoid(x))))           \
  X(mish, x* fn::mish_gate(x), x, fn::mish_derivative(x))                                        \
  X(softsign, x / (T(1) + fn::fabs(x)), x, T(1) / ((T(1) + fn::fabs(x)) * (T(1) + fn::fabs(x)))) \
  X(tanhshrink, x - fn::tanh(x), x, fn::tanh(x) * fn::tanh(x))                                   \
  X(logsigmoid, (x < T(0) ? x : T(0)) - fn::log1p(fn::exp(-fn::fabs(x))), x, fn::sigmoid(-x))    \
  X(hardsigmoid, fn::clamp(x + T(3), T(0), T(6)) / T(6), x,                                      \
    x > T(-3) && x < T(3) ? T(1) / T(6) : T(0))                                                  \
  X(hardswish, x* fn::clamp(x + T(3), T(0), T(6)) * T(1.0 / 6), x,                               \
    x <= T(-3) ? T(0)                                                                            \
    : x < T(3) ? x / T(3) + T(0.5)                                                               \
               : T(1))                                                                           \
  X(elu, x > T(0) ? x : a * fn::expm1(x), x, x > T(0) ? T(1) : a * fn::exp(x))                   \
  X(celu, x > T(0) ? x : a * fn::expm1(x / a), x, x > T(0) ? T(1) : fn::exp(x / a))              \
  X(selu, x > T(0) ? b * x : a * b * fn::expm1(x), x, x > T(0) ? b : a * b * fn::exp(x))         \
  X(leaky_relu, x > T(0) ? x : a * x, x, x > T(0) ? T(1) : a)                                    \
  X(softplus, x* a > b ? x : fn::log1p(fn::exp(x * a)) / a, x,                                   \
    x * a > b ? T(1) : fn::sigmoid(x * a))                                                       \
  X(hardtanh, x<a ? a : x> b ? b : x, x, x > a && x < b ? T(1) : T(0))                           \
  X(hardshrink, x >= -a && x <= a ? T(0) : x, x, x >= -a && x <= a ? T(0) : T(1))                \
  X(softshrink, x > a ? x - a : x < -a ? x + a : x * T(0), x, x >= -a && x <= a ? T(0) : T(1))   \
  X(threshold, x <= a ? b : x, x, x <= a ? T(0) : T(1))

namespace mt {

#define MT_ENUMERATOR3_(name, ...) name,
enum class ActivationOp : int { MT_ACTIVATION_OPS(MT_ENUMERATOR3_) };
// An op's numbers; the meaning is the op's.
struct ActivationNumbers {
  double a = 0, b = 0;
};

}  // namespace mt

// y = f(x): operands {y, x} of floating dtypes.
MT_KERNEL(activation_forward, void(ActivationOp op, DType compute, OperandTypes types,
                                   const ElementIter& it, ActivationNumbers numbers))
// dx = dy * f'(x): operands {dx, dy, x}.
MT_KERNEL(activation_backward, void(ActivationOp op, DType compute, OperandTypes types,
                                    const ElementIter& it, ActivationNumbers numbers))
// y = x > 0 ? x : w * x: operands {y, x, w}.
MT_KERNEL(prelu_forward, void(DType compute, OperandTypes types, const ElementIter& it))
// y = a * sigmoid(b): operands {y, a, b}.
MT_KERNEL(glu_forward, void(DType compute, OperandTypes types, const ElementIter& it))
// db = da * a * (1 - s), s = sigmoid(b): operands {db, da, a, s}.
MT_KERNEL(glu_gate_backward, void(DType compute, OperandTypes types, const ElementIter& it))
