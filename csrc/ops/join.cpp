// Joining tensors and cutting one into views.
#include "ops/join.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

Tensor part_of(const Tensor& x, int dim, int64_t start, int64_t length) {
  Dims sizes = x.sizes();
  sizes[dim] = length;
  return as_strided(x, sizes, x.strides(), x->offset + (length ? start * x.stride(dim) : 0));
}

// A legacy exception: an empty 1-D tensor joins with anything.
bool is_nothing(const Tensor& t) { return t.dim() == 1 && t.size(0) == 0; }

DType common_dtype(const std::vector<Tensor>& tensors) {
  DType dtype = tensors[0].dtype();
  for (const Tensor& t : tensors)
    if (t.dtype() != dtype) dtype = promote(dtype, t.dtype());
  return dtype;
}

// Joins contiguous tensors in one pass over y: every one gives 1/rows of its memory to each of the
// rows. False where a memcpy per piece does not pay, or where one tensor after the other is as
// good: on a GPU never, since that is a launch per tensor.
bool join_contiguous(const Tensor& y, const std::vector<Tensor>& tensors, int64_t rows) {
  const bool cpu = y.device().is_cpu();
  if ((rows <= 1 && cpu) || y.numel() == 0) return false;
  std::vector<const void*> parts;
  std::vector<int64_t> bytes;
  for (const Tensor& t : tensors) {
    if (t.numel() == 0) continue;
    int64_t n = int64_t(t.nbytes()) / rows;
    if (!t.is_contiguous() || t.dtype() != y.dtype() || (n < 32 && cpu)) return false;
    parts.push_back(t.data());
    bytes.push_back(n);
  }
  MT_DISPATCH(y.device(), y.numel(), join_rows, parts.data(), bytes.data(), int64_t(parts.size()),
              rows, y.data());
  return true;
}

int64_t rows_before(const Tensor& y, int dim) {
  int64_t rows = 1;
  for (int i = 0; i < dim; i++) rows *= y.size(i);
  return rows;
}

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim) {
  MT_CHECK_VALUE(!tensors.empty(), "cat(): expected a non-empty list of Tensors");
  const Tensor* model = nullptr;
  for (const Tensor& t : tensors) {
    MT_CHECK(t.dim() > 0, "cat(): zero-dimensional tensor cannot be concatenated");
    check_same_device(t, tensors[0], "cat");
    if (!model && !is_nothing(t)) model = &t;
  }
  DType dtype = common_dtype(tensors);
  if (!model) return empty({0}, dtype, tensors[0].device());
  int d = wrap_dim(dim, model->dim(), "cat");
  Dims sizes = model->sizes();
  sizes[d] = 0;
  for (size_t k = 0; k < tensors.size(); k++) {
    const Tensor& t = tensors[k];
    if (is_nothing(t)) continue;
    bool fits = t.dim() == model->dim();
    for (int i = 0; fits && i < t.dim(); i++) fits = i == d || t.size(i) == sizes[i];
    MT_CHECK(fits, "cat(): Sizes of tensors must match except in dimension ", d,
             ". Expected shape ", model->sizes(), " but got ", t.sizes(), " for tensor number ", k,
             " in the list.");
    sizes[d] += t.size(d);
  }
  Tensor y = empty(sizes, dtype, model->device());
  if (join_contiguous(y, tensors, rows_before(y, d))) return y;
  int64_t start = 0;
  for (const Tensor& t : tensors) {
    if (is_nothing(t)) continue;
    if (t.numel()) copy_into(part_of(y, d, start, t.size(d)), t);
    start += t.size(d);
  }
  return y;
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim) {
  MT_CHECK(!tensors.empty(), "stack(): expected a non-empty list of Tensors");
  const Tensor& model = tensors[0];
  int d = wrap_dim(dim, model.dim() + 1, "stack");
  Dims sizes = model.sizes();
  for (size_t k = 0; k < tensors.size(); k++) {
    check_same_device(tensors[k], model, "stack");
    MT_CHECK(tensors[k].same_shape(model),
             "stack(): expects each tensor to be equal size, but got ", model.sizes(),
             " at entry 0 and ", tensors[k].sizes(), " at entry ", k);
  }
  sizes.insert(d, int64_t(tensors.size()));
  Tensor y = empty(sizes, common_dtype(tensors), model.device());
  if (join_contiguous(y, tensors, rows_before(y, d))) return y;
  Dims strides = y.strides();
  int64_t step = strides[d];
  strides.erase(d);
  for (size_t k = 0; model.numel() && k < tensors.size(); k++)
    copy_into(as_strided(y, model.sizes(), strides, int64_t(k) * step), tensors[k]);
  return y;
}

// Views of `size` elements along the dim, the last one smaller.
std::vector<Tensor> split_evenly(const Tensor& x, int64_t size, int64_t dim) {
  MT_CHECK(x.dim() > 0, "split(): expects at least a 1-dimensional tensor");
  int d = wrap_dim(dim, x.dim(), "split");
  int64_t n = x.size(d);
  MT_CHECK(size >= 0, "split(): expects split_size be non-negative, but got split_size=", size);
  MT_CHECK(size > 0 || n == 0, "split(): split_size can only be 0 if dimension size is 0, but got ",
           "dimension size of ", n);
  int64_t count = size ? std::max<int64_t>(1, ceil_div(n, size)) : 1;
  std::vector<Tensor> parts;
  parts.reserve(size_t(count));
  for (int64_t i = 0; i < count; i++)
    parts.push_back(part_of(x, d, i * size, std::min(size, n - i * size)));
  return parts;
}

std::vector<Tensor> split_sizes(const Tensor& x, const std::vector<int64_t>& lengths, int64_t dim) {
  MT_CHECK(x.dim() > 0, "split(): expects at least a 1-dimensional tensor");
  int d = wrap_dim(dim, x.dim(), "split");
  int64_t total = 0;
  for (int64_t n : lengths) {
    MT_CHECK(n >= 0, "split_with_sizes(): expects split_sizes have only non-negative entries");
    total += n;
  }
  MT_CHECK(total == x.size(d), "split_with_sizes(): expects split_sizes to sum exactly to ",
           x.size(d), " (input tensor's size at dimension ", d, "), but they sum to ", total);
  std::vector<Tensor> parts;
  parts.reserve(lengths.size());
  int64_t start = 0;
  for (int64_t n : lengths) {
    parts.push_back(part_of(x, d, start, n));
    start += n;
  }
  return parts;
}

std::vector<Tensor> unbind(const Tensor& x, int64_t dim) {
  MT_CHECK_INDEX(x.dim() > 0, "unbind(): cannot be applied to a 0-dim tensor");
  int d = wrap_dim(dim, x.dim(), "unbind");
  Dims sizes = x.sizes(), strides = x.strides();
  sizes.erase(d);
  strides.erase(d);
  std::vector<Tensor> parts;
  parts.reserve(size_t(x.size(d)));
  for (int64_t i = 0; i < x.size(d); i++)
    parts.push_back(as_strided(x, sizes, strides, x->offset + i * x.stride(d)));
  return parts;
}

}  // namespace

MT_BIND(join) {
  def_op<&cat>(m, "cat");
  def_op<&stack>(m, "stack");
  def_view<&split_evenly>(m, "split_evenly");
  def_view<&split_sizes>(m, "split_sizes");
  def_view<&unbind>(m, "unbind");
}

}  // namespace mt
