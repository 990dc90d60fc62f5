// Rows of a table.
#include "ops/index_loop.h"

namespace mt {
namespace {

// y = weight[index], (*index, width)
Tensor embedding(const Tensor& weight, const Tensor& given) {
  MT_CHECK(weight.dim() == 2, "embedding(): 'weight' must be 2-D, got shape ", weight.sizes());
  MT_CHECK(given.dtype() == DType::Int64 || given.dtype() == DType::Int32,
           "embedding(): Expected tensor for argument 'indices' to have one of the following "
           "scalar types: ",
           "Long, Int; but got ", scalar_type_name(given.dtype()));
  Tensor index = contiguous(index_tensor(given, "embedding"));
  check_index(index, weight.size(0), "embedding", 0, true);
  Dims sizes = index.sizes();
  sizes.push(weight.size(1));
  Tensor y = empty(sizes, weight.dtype(), weight.device());
  int64_t rows = index.numel(), width = weight.size(1);
  if (y.numel() == 0) return y;
  run_index_get(
      y, make_index_loop({rows, width}, loop_operand(y, {width, 1}),
                         loop_operand(weight, {0, weight.stride(1)}), loop_operand(index, {1, 0}),
                         1, weight.stride(0) * int64_t(itemsize(weight.dtype())), weight.size(0)));
  return y;
}

// dweight[index[i]] += dy[i]; the row of the padding index stays zero.
Tensor embedding_backward(const Tensor& given_dy, const Tensor& given, int64_t rows,
                          int64_t padding) {
  DType dtype = accumulate_type(given_dy.dtype());
  Tensor index = contiguous(index_tensor(given, "embedding"));
  Tensor dy = contiguous(to_dtype(given_dy, dtype));
  int64_t n = index.numel(), width = dy.size(-1), bytes = int64_t(itemsize(dtype));
  Tensor dw = empty({rows, width}, dtype, dy.device());
  Tensor zero = scalar_tensor(Scalar::of(int64_t(0)), dtype, dy.device());
  copy_into(dw, zero);
  if (dy.numel() && dw.numel()) {
    IndexLoop loop =
        make_index_loop({n, width}, loop_operand(dy, {width, 1}), loop_operand(dw, {0, 1}),
                        loop_operand(index, {1, 0}), 1, width * bytes, rows);
    loop.skip = padding;
    MT_DISPATCH(dw.device(), dy.numel(), index_reduce, dtype, IndexReduce::add, loop);
  }
  return to_dtype(dw, given_dy.dtype());
}

}  // namespace

MT_BIND(embedding) {
  def_op<&embedding>(m, "embedding");
  def_raw<&embedding_backward>(m, "embedding_backward");
}

}  // namespace mt
