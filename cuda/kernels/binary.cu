// z = f(x, y), one kernel per line of csrc/ops/binary.h and compute type. Two reads and one write
// per element.
#include "ops/binary.h"

#include "cuda/kernels/elementwise.cuh"
#include "kernels/binary_math.h"

namespace mt::cuda {
namespace {

#define MT_FUNCTOR_(name, formula)            \
  template <class T>                          \
  struct name##_f {                           \
    T alpha;                                  \
    __device__ T operator()(T x, T y) const { \
      (void)alpha;                            \
      return formula;                         \
    }                                         \
  };
MT_BINARY_NUMERIC_OPS(MT_FUNCTOR_)
MT_BINARY_NUMERIC_PLAIN_OPS(MT_FUNCTOR_)
MT_BINARY_FLOAT_OPS(MT_FUNCTOR_)
MT_BINARY_FLOAT_PLAIN_OPS(MT_FUNCTOR_)
MT_BINARY_BIT_OPS(MT_FUNCTOR_)
MT_BINARY_INT_OPS(MT_FUNCTOR_)

#define MT_CASE_FORWARD_(name, ...) \
  case BinaryOp::name:              \
    return run_elementwise<T, T, 2>(it, types, name##_f<T>{alpha.as<T>()});

template <class T>
void float_forward(BinaryOp op, const OperandTypes& types, const ElementIter& it, Number alpha) {
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_FORWARD_)
    MT_BINARY_NUMERIC_PLAIN_OPS(MT_CASE_FORWARD_)
    MT_BINARY_FLOAT_OPS(MT_CASE_FORWARD_)
    MT_BINARY_FLOAT_PLAIN_OPS(MT_CASE_FORWARD_)
    default:
      return;
  }
}

void int_forward(BinaryOp op, const OperandTypes& types, const ElementIter& it, Number alpha) {
  using T = int64_t;
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_CASE_FORWARD_)
    MT_BINARY_NUMERIC_PLAIN_OPS(MT_CASE_FORWARD_)
    MT_BINARY_BIT_OPS(MT_CASE_FORWARD_)
    MT_BINARY_INT_OPS(MT_CASE_FORWARD_)
    default:
      return;
  }
}

// x to the power of a number that is a few multiplications away: the same choice for all threads.
template <class T>
struct power_f {
  double y;
  __device__ T operator()(T x) const {
    if (y == 2) return x * x;
    if (y == 3) return x * x * x;
    if (y == 4) return (x * x) * (x * x);
    if constexpr (!__is_same(T, int64_t)) {
      if (y == 0.5) return fn::sqrt(x);
      if (y == -0.5) return T(1) / fn::sqrt(x);
      if (y == -1) return T(1) / x;
      if (y == -2) return T(1) / (x * x);
    }
    return y == 1 ? x : T(1);
  }
};

template <class T>
bool power_of_number(const OperandTypes& types, const ElementIter& it) {
  const double y = double(*reinterpret_cast<const T*>(it.data[2]));
  const bool whole = y == 0 || y == 1 || y == 2 || y == 3 || y == 4;
  const bool root = y == 0.5 || y == -0.5 || y == -1 || y == -2;
  if (!whole && (__is_same(T, int64_t) || !root)) return false;
  ElementIter two = it;
  two.nargs = 2;
  run_elementwise<T, T, 1>(two, types, power_f<T>{y});
  return true;
}

template <class T>
bool power(BinaryOp op, const OperandTypes& types, const ElementIter& it) {
  return op == BinaryOp::pow && types.numbers == 4 && power_of_number<T>(types, it);
}

}  // namespace

void binary_forward(BinaryOp op, DType compute, OperandTypes types, const ElementIter& it,
                    Number alpha) {
  if (compute == DType::Float32) {
    if (!power<float>(op, types, it)) float_forward<float>(op, types, it, alpha);
  } else if (compute == DType::Float64) {
    if (!power<double>(op, types, it)) float_forward<double>(op, types, it, alpha);
  } else {
    if (!power<int64_t>(op, types, it)) int_forward(op, types, it, alpha);
  }
}

}  // namespace mt::cuda
