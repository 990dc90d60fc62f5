// z = x < y and the like, to bool. Two reads and a byte written per element.
#include "cuda/kernels/elementwise.cuh"
#include "ops/binary.h"

namespace mt::cuda {
namespace {

#define MT_FUNCTOR_(name, formula)                                 \
  template <class T>                                               \
  struct name##_f {                                                \
    __device__ bool operator()(T x, T y) const { return formula; } \
  };
MT_COMPARE_OPS(MT_FUNCTOR_)

#define MT_CASE_FORWARD_(name, ...) \
  case CompareOp::name:             \
    return run_elementwise<bool, T, 2>(it, types, name##_f<T>{});

template <class T>
void compare(CompareOp op, const OperandTypes& types, const ElementIter& it) {
  switch (op) { MT_COMPARE_OPS(MT_CASE_FORWARD_) }
}

}  // namespace

void compare_forward(CompareOp op, DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32) return compare<float>(op, types, it);
  if (compute == DType::Float64) return compare<double>(op, types, it);
  compare<int64_t>(op, types, it);
}

}  // namespace mt::cuda
