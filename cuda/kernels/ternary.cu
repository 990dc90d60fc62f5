// z = f(x, y, w), one kernel per line of csrc/ops/ternary.h and compute type. Three reads and one
// write per element.
#include "ops/ternary.h"

#include "cuda/kernels/elementwise.cuh"
#include "kernels/ternary_math.h"

namespace mt::cuda {
namespace {

#define MT_FUNCTOR_(name, formula)                 \
  template <class T>                               \
  struct name##_f {                                \
    T value;                                       \
    __device__ T operator()(T x, T y, T w) const { \
      (void)value;                                 \
      return formula;                              \
    }                                              \
  };
MT_TERNARY_NUMERIC_OPS(MT_FUNCTOR_)
MT_TERNARY_FLOAT_OPS(MT_FUNCTOR_)

#define MT_CASE_FORWARD_(name, ...) \
  case TernaryOp::name:             \
    return run_elementwise<T, T, 3>(it, types, name##_f<T>{value.as<T>()});

template <class T>
void float_forward(TernaryOp op, const OperandTypes& types, const ElementIter& it, Number value) {
  switch (op) {
    MT_TERNARY_NUMERIC_OPS(MT_CASE_FORWARD_)
    MT_TERNARY_FLOAT_OPS(MT_CASE_FORWARD_)
  }
}

void int_forward(TernaryOp op, const OperandTypes& types, const ElementIter& it, Number value) {
  using T = int64_t;
  switch (op) {
    MT_TERNARY_NUMERIC_OPS(MT_CASE_FORWARD_)
    default:
      return;
  }
}

template <class T>
struct where_f {
  __device__ T operator()(T c, T x, T y) const { return c != T(0) ? x : y; }
};

}  // namespace

void ternary_forward(TernaryOp op, DType compute, OperandTypes types, const ElementIter& it,
                     Number value) {
  if (compute == DType::Float32) return float_forward<float>(op, types, it, value);
  if (compute == DType::Float64) return float_forward<double>(op, types, it, value);
  int_forward(op, types, it, value);
}

void where_forward(DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32)
    return run_elementwise<float, float, 3>(it, types, where_f<float>{});
  if (compute == DType::Float64)
    return run_elementwise<double, double, 3>(it, types, where_f<double>{});
  run_elementwise<int64_t, int64_t, 3>(it, types, where_f<int64_t>{});
}

}  // namespace mt::cuda
