// From tensors and indices to an IndexLoop.
#pragma once
#include "ops/dispatch.h"
#include "ops/index.h"

namespace mt {

// An operand of a loop: first element and strides in bytes over the loop's shape.
struct LoopOperand {
  void* data;
  Dims strides;
};
LoopOperand loop_operand(const Tensor& t, const Dims& strides);

// `indexed` has a bit per dim of `shape` along which the index chooses the place in x.
IndexLoop make_index_loop(const Dims& shape, const LoopOperand& y, const LoopOperand& x,
                          const LoopOperand& index, uint32_t indexed, int64_t step, int64_t size);

// The index as int64; TypeError/IndexError where it is no integer tensor.
Tensor index_tensor(const Tensor& index, const char* op);
// IndexError where an element is outside of [-size, size), or of [0, size) with `positive`.
void check_index(const Tensor& index, int64_t size, const char* op, int dim, bool positive = false);

// y as values of dtype `dtype`, apart from x's memory.
Tensor values_for(const Tensor& values, const Tensor& x, DType dtype);

void run_index_get(const Tensor& y, const IndexLoop& loop);
// The same with the check of the indices on the way, for an index with as many elements as y.
void run_checked_get(const Tensor& y, IndexLoop& loop, const char* op, int dim, bool positive);
void run_index_set(const Tensor& x, const IndexLoop& loop);

// x in a dtype in which kernels accumulate: float32 for the 16-bit floats.
inline DType accumulate_type(DType t) {
  return t == DType::Float16 || t == DType::BFloat16 ? DType::Float32 : t;
}

}  // namespace mt
