#include "ops/index_loop.h"

namespace mt {

LoopOperand loop_operand(const Tensor& t, const Dims& strides) {
  LoopOperand operand{t.data(), strides};
  for (int i = 0; i < strides.n; i++) operand.strides[i] *= int64_t(itemsize(t.dtype()));
  return operand;
}

IndexLoop make_index_loop(const Dims& shape, const LoopOperand& y, const LoopOperand& x,
                          const LoopOperand& index, uint32_t indexed, int64_t step, int64_t size) {
  IndexLoop loop;
  loop.step = step;
  loop.size = size;
  ElementIter& it = loop.it;
  const LoopOperand* operands[] = {&y, &x, &index};
  it.nargs = 3;
  it.numel = shape.product();
  for (int k = 0; k < 3; k++) it.data[k] = static_cast<char*>(operands[k]->data);
  bool kind[kMaxIterDims];  // whether the dim is an indexed one
  int n = 0;
  for (int d = shape.n - 1; d >= 0; d--) {
    if (shape[d] == 1) continue;
    bool is_indexed = indexed >> d & 1;
    bool merge = n > 0 && kind[n - 1] == is_indexed;
    for (int k = 0; k < 3; k++)
      merge = merge && operands[k]->strides[d] == it.strides[n - 1][k] * it.shape[n - 1];
    if (merge) {
      it.shape[n - 1] *= shape[d];
      continue;
    }
    it.shape[n] = shape[d];
    for (int k = 0; k < 3; k++) it.strides[n][k] = operands[k]->strides[d];
    kind[n++] = is_indexed;
  }
  if (n == 0) {
    it.shape[0] = it.numel;  // 1, or 0 in a shape without other dims
    for (int k = 0; k < 3; k++) it.strides[0][k] = 0;
    kind[n++] = true;
  }
  it.ndim = n;
  for (int d = 0; d < n; d++)
    if (!kind[d] && (loop.split < 0 || it.shape[d] > it.shape[loop.split])) loop.split = d;
  return loop;
}

Tensor index_tensor(const Tensor& index, const char* op) {
  MT_CHECK_INDEX(is_integral(index.dtype()), op,
                 "(): expected an index of an integer dtype (int64, int32 ...), got ",
                 index.dtype());
  return to_dtype(index, DType::Int64);
}

void check_index(const Tensor& index, int64_t size, const char* op, int dim, bool positive) {
  int64_t found[2] = {0, 0};
  MT_DISPATCH(index.device(), index.numel(), index_check, make_iter(index.sizes(), {&index}),
              positive ? 0 : -size, size, found);
  MT_CHECK_INDEX(!found[0], op, "(): index ", found[1], " is out of bounds for dimension ", dim,
                 " with size ", size);
}

Tensor values_for(const Tensor& values, const Tensor& x, DType dtype) {
  if (values.dtype() != dtype) return to_dtype(values, dtype);
  if (values->storage != x->storage) return values;
  Tensor copied = empty_like(values);
  copy_into(copied, values);
  return copied;
}

void run_index_get(const Tensor& y, const IndexLoop& loop) {
  MT_DISPATCH(y.device(), y.numel(), index_get, int64_t(itemsize(y.dtype())), loop);
}

void run_checked_get(const Tensor& y, IndexLoop& loop, const char* op, int dim, bool positive) {
  int64_t found[2] = {0, 0};
  loop.found = found;
  loop.low = positive ? 0 : -loop.size;
  run_index_get(y, loop);
  MT_CHECK_INDEX(!found[0], op, "(): index ", found[1], " is out of bounds for dimension ", dim,
                 " with size ", loop.size);
}

void run_index_set(const Tensor& x, const IndexLoop& loop) {
  MT_DISPATCH(x.device(), loop.it.numel, index_set, int64_t(itemsize(x.dtype())), loop);
}

}  // namespace mt
