#include "ops/sort.h"

#include "ops/reduce_dims.h"
#include "ops/topk.h"

namespace mt {
namespace {

DType stored_as(DType t) { return t == DType::Bool ? DType::UInt8 : t; }

// x with `from` moved to `to`, as a view.
Tensor move_dim(const Tensor& x, int from, int to) {
  if (from == to) return x;
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t size = sizes[from], stride = strides[from];
  sizes.erase(from);
  strides.erase(from);
  sizes.insert(to, size);
  strides.insert(to, stride);
  return as_strided(x, sizes, strides, x->offset);
}

// The dim as contiguous rows.
struct Rows {
  Tensor x;
  int dim;
  int64_t rows = 0, n = 0;
  Rows(const Tensor& input, int64_t d, const char* name) : dim(wrap_dim(d, input.dim(), name)) {
    x = input.dim() > 0 ? contiguous(move_dim(input, dim, input.dim() - 1)) : input;
    n = input.dim() > 0 ? x.size(-1) : 1;
    rows = n ? x.numel() / n : 0;
    MT_CHECK(n < int64_t(1) << 32, name, "(): a dim of ", n, " elements is too long");
  }
  // A result of `size` elements per row, and the way back to the input's order of dims.
  Tensor result(DType dtype, int64_t size) const {
    Dims shape = x.sizes();
    if (shape.n > 0) shape[shape.n - 1] = size;
    return empty(shape, dtype, x.device());
  }
  Tensor restore(const Tensor& y) const {
    return y.dim() > 0 ? contiguous(move_dim(y, y.dim() - 1, dim)) : y;
  }
};

void run_sort(const Rows& r, bool descending, const Tensor& values, const Tensor& indices) {
  if (r.x.numel() == 0) return;
  DType dtype = stored_as(r.x.dtype());
  Tensor work = empty({sort_work_bytes(dtype, r.n)}, DType::UInt8, r.x.device());
  MT_DISPATCH(r.x.device(), 8 * r.x.numel(), sort_forward, dtype, descending, r.x.data(),
              values ? values.data() : nullptr, indices.data<int64_t>(), r.rows, r.n, work.data());
}

std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim, bool descending) {
  Rows r(x, dim, "sort");
  Tensor values = r.result(x.dtype(), r.n), indices = r.result(DType::Int64, r.n);
  run_sort(r, descending, values, indices);
  return {r.restore(values), r.restore(indices)};
}

Tensor argsort(const Tensor& x, int64_t dim, bool descending) {
  Rows r(x, dim, "argsort");
  Tensor indices = r.result(DType::Int64, r.n);
  run_sort(r, descending, {}, indices);
  return r.restore(indices);
}

Tensor first(const Tensor& y, int64_t k) {
  if (y.dim() == 0) return y;
  Dims sizes = y.sizes();
  sizes[sizes.n - 1] = k;
  return as_strided(y, sizes, y.strides(), y->offset);
}

std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim, bool largest) {
  Rows r(x, dim, "topk");
  MT_CHECK(k >= 0 && k <= r.n, "topk(): selected index k out of range: k is ", k, ", dim ", dim,
           " has ", r.n, " elements");
  const bool by_sorting =
      k == 0 || k > kMaxTopk || (k > 16 && 16 * k > r.n) || 4 * k > r.n || itemsize(x.dtype()) == 8;
  if (x.device().is_cpu() && by_sorting) {
    Tensor values = r.result(x.dtype(), r.n), indices = r.result(DType::Int64, r.n);
    run_sort(r, largest, values, indices);
    return {r.restore(contiguous(first(values, k))), r.restore(contiguous(first(indices, k)))};
  }
  Tensor values = r.result(x.dtype(), k), indices = r.result(DType::Int64, k);
  if (r.x.numel() > 0)
    MT_DISPATCH(x.device(), 2 * x.numel(), topk_forward, stored_as(x.dtype()), largest, r.x.data(),
                values.data(), indices.data<int64_t>(), r.rows, r.n, k);
  return {r.restore(values), r.restore(indices)};
}

std::tuple<Tensor, Tensor> select(SelectOp op, const char* name, const Tensor& x, int64_t k,
                                  int64_t dim, bool keepdim) {
  Rows r(x, dim, name);
  MT_CHECK_INDEX(r.n > 0, name, "(): Expected reduction dim ", r.dim, " to have non-zero size.");
  MT_CHECK(k >= 1 && k <= r.n, name, "(): selected number k out of range for dimension ", r.dim,
           ": k is ", k, ", the dim has ", r.n, " elements");
  Dims shape = reduced_shape(x, x.dim() ? 1u << r.dim : 0, keepdim);
  Tensor values = empty(shape, x.dtype(), x.device()),
         indices = empty(shape, DType::Int64, x.device());
  if (values.numel() > 0)
    MT_DISPATCH(x.device(), 4 * x.numel(), select_forward, op, stored_as(x.dtype()), r.x.data(),
                values.data(), indices.data<int64_t>(), r.rows, r.n, k);
  return {values, indices};
}

std::tuple<Tensor, Tensor> kthvalue(const Tensor& x, int64_t k, int64_t dim, bool keepdim) {
  return select(SelectOp::kth, "kthvalue", x, k, dim, keepdim);
}
std::tuple<Tensor, Tensor> median(const Tensor& x, int64_t dim, bool keepdim) {
  return select(SelectOp::median, "median", x, 1, dim, keepdim);
}
std::tuple<Tensor, Tensor> nanmedian(const Tensor& x, int64_t dim, bool keepdim) {
  return select(SelectOp::nanmedian, "nanmedian", x, 1, dim, keepdim);
}

// The value that occurs most often, the smallest of several; the index is its last occurrence.
std::tuple<Tensor, Tensor> mode(const Tensor& x, int64_t dim, bool keepdim) {
  Rows r(x, dim, "mode");
  MT_CHECK_INDEX(r.n > 0, "mode(): Expected reduction dim ", r.dim, " to have non-zero size.");
  Tensor sorted = r.result(x.dtype(), r.n), order = r.result(DType::Int64, r.n);
  run_sort(r, false, sorted, order);
  Dims shape = reduced_shape(x, x.dim() ? 1u << r.dim : 0, keepdim);
  Tensor values = empty(shape, x.dtype(), x.device()),
         indices = empty(shape, DType::Int64, x.device());
  if (values.numel() > 0)
    MT_DISPATCH(x.device(), r.x.numel(), mode_forward, stored_as(x.dtype()), sorted.data(),
                order.data<int64_t>(), values.data(), indices.data<int64_t>(), r.rows, r.n);
  return {values, indices};
}

}  // namespace

MT_BIND(sort) {
  def_op<&sort>(m, "sort");
  def_plain<&argsort>(m, "argsort");
  def_op<&topk>(m, "topk");
  def_op<&kthvalue>(m, "kthvalue");
  def_op<&median>(m, "median");
  def_op<&nanmedian>(m, "nanmedian");
  def_op<&mode>(m, "mode");
}

}  // namespace mt
