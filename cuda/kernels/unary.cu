// y = f(x) and dx = dy * f', one kernel per line of csrc/ops/unary.h and compute type.
#include "ops/unary.h"

#include "cuda/core/math.h"
#include "cuda/kernels/elementwise.cuh"

namespace mt::cuda {
namespace {

#define MT_FUNCTORS_(name, formula, saved, derivative)                                          \
  template <class T>                                                                            \
  struct name##_f {                                                                             \
    __device__ T operator()(T x) const { return formula; }                                      \
  };                                                                                            \
  template <class T>                                                                            \
  struct name##_b {                                                                             \
    __device__ T operator()(T dy, [[maybe_unused]] T saved) const { return dy * (derivative); } \
  };
MT_UNARY_FLOAT_OPS(MT_FUNCTORS_)
MT_UNARY_NUMERIC_OPS(MT_FUNCTORS_)
MT_UNARY_ROUND_OPS(MT_FUNCTORS_)
MT_FUNCTORS_(bitwise_not, ~x, x, T(0))

#define MT_TEST_FUNCTOR_(name, formula)                       \
  template <class T>                                          \
  struct name##_t {                                           \
    __device__ bool operator()(T x) const { return formula; } \
  };
MT_UNARY_TEST_OPS(MT_TEST_FUNCTOR_)

#define MT_CASE_FORWARD_(name, ...) \
  case UnaryOp::name:               \
    return run_elementwise<T, T, 1>(it, types, name##_f<T>{});
#define MT_CASE_BACKWARD_(name, ...) \
  case UnaryOp::name:                \
    return run_elementwise<T, T, 2>(it, types, name##_b<T>{});
#define MT_CASE_TEST_(name, ...) \
  case TestOp::name:             \
    return run_elementwise<bool, T, 1>(it, types, name##_t<T>{});

template <class T>
void forward_float(UnaryOp op, const OperandTypes& types, const ElementIter& it) {
  switch (op) {
    MT_UNARY_FLOAT_OPS(MT_CASE_FORWARD_)
    MT_UNARY_NUMERIC_OPS(MT_CASE_FORWARD_)
    MT_UNARY_ROUND_OPS(MT_CASE_FORWARD_)
    default:
      return;
  }
}

void forward_int(UnaryOp op, const OperandTypes& types, const ElementIter& it) {
  using T = int64_t;
  switch (op) {
    MT_UNARY_NUMERIC_OPS(MT_CASE_FORWARD_)
    MT_CASE_FORWARD_(bitwise_not)
    default:
      return;
  }
}

template <class T>
void backward_float(UnaryOp op, const OperandTypes& types, const ElementIter& it) {
  switch (op) {
    MT_UNARY_FLOAT_OPS(MT_CASE_BACKWARD_)
    MT_UNARY_NUMERIC_OPS(MT_CASE_BACKWARD_)
    default:
      return;
  }
}

template <class T>
void test_float(TestOp op, const OperandTypes& types, const ElementIter& it) {
  switch (op) { MT_UNARY_TEST_OPS(MT_CASE_TEST_) }
}

}  // namespace

void unary_forward(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32) return forward_float<float>(op, types, it);
  if (compute == DType::Float64) return forward_float<double>(op, types, it);
  forward_int(op, types, it);
}

void unary_backward(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32) return backward_float<float>(op, types, it);
  backward_float<double>(op, types, it);
}

void unary_test(TestOp op, DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32) return test_float<float>(op, types, it);
  if (compute == DType::Float64) return test_float<double>(op, types, it);
  run_elementwise<bool, int64_t, 1>(it, types, logical_not_t<int64_t>{});  // the one asked of them
}

}  // namespace mt::cuda
