// Views: new sizes and strides over the same memory.
#include "ops/dispatch.h"

namespace mt {
namespace {

// Fills in the one -1 of a requested shape.
Dims infer_sizes(const Tensor& x, Dims sizes, const char* op) {
  int64_t known = 1;
  int unknown = -1;
  for (int i = 0; i < sizes.n; i++) {
    if (sizes[i] == -1) {
      MT_CHECK(unknown < 0, op, "(): only one dimension can be inferred, got ", sizes);
      unknown = i;
    } else {
      MT_CHECK(sizes[i] >= 0, op, "(): invalid shape dimension ", sizes[i], " in ", sizes);
      known *= sizes[i];
    }
  }
  if (unknown >= 0) {
    MT_CHECK(known != 0, op, "(): cannot reshape tensor of ", x.numel(), " elements into shape ",
             sizes, " because the unspecified dimension size -1 can be any value and is ambiguous");
    MT_CHECK(x.numel() % known == 0, op, "(): shape '", sizes, "' is invalid for input of size ",
             x.numel());
    sizes[unknown] = x.numel() / known;
  } else {
    MT_CHECK(known == x.numel(), op, "(): shape '", sizes, "' is invalid for input of size ",
             x.numel());
  }
  return sizes;
}

// Strides under which x's memory has the new shape, or nothing where only a copy can.
std::optional<Dims> view_strides(const Tensor& x, const Dims& sizes) {
  if (x.is_contiguous()) return contiguous_strides(sizes);
  Dims strides;
  strides.n = sizes.n;
  int from = x.dim() - 1, to = sizes.n - 1;
  while (from >= 0) {
    // One chunk of x's dims that lie evenly in memory ...
    int64_t step = x.stride(from), chunk = x.size(from);
    // (the stride of a dim of size 1 means nothing).
    while (from > 0 &&
           (x.size(from - 1) == 1 || chunk == 1 || x.stride(from - 1) == step * chunk)) {
      from--;
      if (chunk == 1) step = x.stride(from);
      chunk *= x.size(from);
    }
    // ... must be a product of new dims.
    int64_t filled = 1;
    while (to >= 0 && (filled < chunk || sizes[to] == 1)) {
      strides[to] = step * filled;
      filled *= sizes[to];
      to--;
    }
    if (filled != chunk) return std::nullopt;
    from--;
  }
  for (; to >= 0; to--) {
    if (sizes[to] != 1) return std::nullopt;
    strides[to] = 1;
  }
  return strides;
}

Tensor reshape(const Tensor& x, const Dims& shape) {
  Dims sizes = infer_sizes(x, shape, "reshape");
  std::optional<Dims> strides = view_strides(x, sizes);
  if (strides) return as_strided(x, sizes, *strides, x->offset);
  Tensor y = contiguous(x);
  return as_strided(y, sizes, contiguous_strides(sizes), y->offset);
}

// Joins the dims from `start` to `end` into one.
Tensor flatten(const Tensor& x, int64_t start, int64_t end) {
  if (x.dim() == 0) return reshape(x, {1});
  const int a = wrap_dim(start, x.dim(), "flatten"), b = wrap_dim(end, x.dim(), "flatten");
  MT_CHECK(a <= b, "flatten() has invalid args: start_dim cannot come after end_dim");
  Dims sizes;
  for (int d = 0; d < a; d++) sizes.push(x.size(d));
  int64_t joined = 1;
  for (int d = a; d <= b; d++) joined *= x.size(d);
  sizes.push(joined);
  for (int d = b + 1; d < x.dim(); d++) sizes.push(x.size(d));
  return reshape(x, sizes);
}

Tensor view(const Tensor& x, const Dims& shape) {
  Dims sizes = infer_sizes(x, shape, "view");
  std::optional<Dims> strides = view_strides(x, sizes);
  MT_CHECK(strides,
           "view(): view size is not compatible with input tensor's size and stride (at least "
           "one dimension spans across two contiguous subspaces): ",
           x.sizes(), " with strides ", x.strides(), " to ", sizes, ". Use .reshape(...) instead.");
  return as_strided(x, sizes, *strides, x->offset);
}

Tensor transpose(const Tensor& x, int64_t dim0, int64_t dim1) {
  int a = wrap_dim(dim0, x.dim(), "transpose"), b = wrap_dim(dim1, x.dim(), "transpose");
  if (x.dim() == 0) return alias(x);
  Dims sizes = x.sizes(), strides = x.strides();
  std::swap(sizes[a], sizes[b]);
  std::swap(strides[a], strides[b]);
  return as_strided(x, sizes, strides, x->offset);
}

Tensor permute(const Tensor& x, const Dims& dims) {
  MT_CHECK(dims.n == x.dim(), "permute(): expected ", x.dim(), " dims for a tensor of shape ",
           x.sizes(), ", got ", dims);
  Dims sizes, strides;
  uint32_t seen = 0;
  for (int64_t d : dims) {
    int i = wrap_dim(d, x.dim(), "permute");
    MT_CHECK(!(seen >> i & 1), "permute(): duplicate dims are not allowed: ", dims);
    seen |= 1u << i;
    sizes.push(x.size(i));
    strides.push(x.stride(i));
  }
  return as_strided(x, sizes, strides, x->offset);
}

Tensor expand(const Tensor& x, const Dims& shape) {
  Dims sizes = shape;
  int shift = sizes.n - x.dim();
  MT_CHECK(shift >= 0, "expand(): the number of sizes provided (", sizes.n,
           ") must be greater or equal to the number of dimensions in the tensor (", x.dim(), ")");
  for (int i = 0; i < sizes.n; i++) {
    if (sizes[i] != -1) continue;
    MT_CHECK(i >= shift,
             "expand(): the expanded size of the tensor (-1) isn't allowed in a leading, "
             "non-existing dimension ",
             i);
    sizes[i] = x.size(i - shift);
  }
  return expand_to(x, sizes, "expand");
}

Tensor unsqueeze(const Tensor& x, int64_t dim) {
  int i = wrap_dim(dim, x.dim() + 1, "unsqueeze");
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t stride = i < x.dim() ? x.size(i) * x.stride(i) : 1;
  sizes.insert(i, 1);
  strides.insert(i, stride);
  return as_strided(x, sizes, strides, x->offset);
}

// dims empty: every dim of size 1.
Tensor squeeze(const Tensor& x, const std::optional<Dims>& dims) {
  uint32_t chosen = 0;
  if (dims)
    for (int64_t d : *dims) chosen |= 1u << wrap_dim(d, x.dim(), "squeeze");
  Dims sizes, strides;
  for (int i = 0; i < x.dim(); i++) {
    if (x.size(i) == 1 && (!dims || (chosen >> i & 1))) continue;
    sizes.push(x.size(i));
    strides.push(x.stride(i));
  }
  return as_strided(x, sizes, strides, x->offset);
}

Tensor select(const Tensor& x, int64_t dim, int64_t index) {
  MT_CHECK_INDEX(x.dim() > 0, "select(): cannot be applied to a 0-dim tensor.");
  int i = wrap_dim(dim, x.dim(), "select");
  int64_t n = x.size(i);
  MT_CHECK_INDEX(index >= -n && index < n, "select(): index ", index,
                 " out of range for tensor of size ", x.sizes(), " at dimension ", i);
  if (index < 0) index += n;
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t offset = x->offset + index * strides[i];
  sizes.erase(i);
  strides.erase(i);
  return as_strided(x, sizes, strides, offset);
}

// start and end already as in Python's slice.indices for a positive step.
Tensor slice(const Tensor& x, int64_t dim, int64_t start, int64_t end, int64_t step) {
  MT_CHECK_INDEX(x.dim() > 0, "slice() cannot be applied to a 0-dim tensor.");
  MT_CHECK_VALUE(step > 0, "slice(): step must be greater than zero, got ", step);
  int i = wrap_dim(dim, x.dim(), "slice");
  int64_t n = x.size(i);
  if (start < 0) start += n;
  if (end < 0) end += n;
  start = start < 0 ? 0 : start > n ? n : start;
  end = end < start ? start : end > n ? n : end;
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t length = end - start;
  sizes[i] = length ? 1 + (length - 1) / step : 0;
  int64_t offset = x->offset + (sizes[i] ? start * strides[i] : 0);
  strides[i] *= step;
  return as_strided(x, sizes, strides, offset);
}

Tensor as_strided_op(const Tensor& x, const Dims& sizes, const Dims& strides, int64_t offset) {
  return as_strided(x, sizes, strides, offset);
}

// dim of size n becomes (windows, size): windows of `size` elements, `step` apart, the last dim.
Tensor unfold(const Tensor& x, int64_t dim, int64_t size, int64_t step) {
  int i = wrap_dim(dim, x.dim(), "unfold");
  int64_t n = x.dim() ? x.size(i) : 1;
  MT_CHECK(size >= 0 && size <= n, "unfold(): maximum size for tensor at dimension ", i, " is ", n,
           " but size is ", size);
  MT_CHECK(step > 0, "unfold(): step is ", step, " but must be > 0");
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t stride = x.dim() ? strides[i] : 1;
  if (x.dim()) {
    sizes[i] = (n - size) / step + 1;
    strides[i] = stride * step;
  }
  sizes.push(size);
  strides.push(stride);
  return as_strided(x, sizes, strides, x->offset);
}

Tensor diagonal(const Tensor& x, int64_t offset, int64_t dim1, int64_t dim2) {
  MT_CHECK_INDEX(x.dim() >= 2, "diagonal(): expected a tensor of at least 2 dimensions, got shape ",
                 x.sizes());
  int a = wrap_dim(dim1, x.dim(), "diagonal"), b = wrap_dim(dim2, x.dim(), "diagonal");
  MT_CHECK(a != b, "diagonal(): diagonal dimensions cannot be identical ", dim1, ", ", dim2);
  int64_t rows = x.size(a), cols = x.size(b);
  int64_t n = offset >= 0 ? std::min(rows, cols - offset) : std::min(rows + offset, cols);
  if (n < 0) n = 0;
  int64_t start = x->offset;
  if (n > 0) start += offset >= 0 ? offset * x.stride(b) : -offset * x.stride(a);
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t stride = x.stride(a) + x.stride(b);
  sizes.erase(std::max(a, b));
  strides.erase(std::max(a, b));
  sizes.erase(std::min(a, b));
  strides.erase(std::min(a, b));
  sizes.push(n);
  strides.push(stride);
  return as_strided(x, sizes, strides, start);
}

Tensor detach(const Tensor& x) { return alias(x); }
Tensor alias_op(const Tensor& x) { return alias(x); }
// `.data`: in-place changes through it are not seen by autograd.
Tensor data(const Tensor& x) {
  Tensor y = alias(x);
  y->untracked = true;
  return y;
}
Tensor contiguous_op(const Tensor& x) { return contiguous(x); }
bool is_contiguous_op(const Tensor& x) { return x.is_contiguous(); }
Dims strides_op(const Tensor& x) { return x.strides(); }

// Reinterprets the bytes; the last dim grows or shrinks with the element size.
Tensor view_dtype(const Tensor& x, DType dtype) {
  int64_t from = int64_t(itemsize(x.dtype())), to = int64_t(itemsize(dtype));
  Dims sizes = x.sizes(), strides = x.strides();
  int64_t offset = x->offset;
  if (from != to) {
    MT_CHECK(x.dim() > 0, "view(): self.dim() cannot be 0 to view ", x.dtype(), " as ", dtype,
             " (different element sizes)");
    int last = x.dim() - 1;
    MT_CHECK(strides[last] == 1 || sizes[last] <= 1,
             "view(): the last dim must be contiguous to view ", x.dtype(), " as ", dtype);
    MT_CHECK(sizes[last] * from % to == 0 && offset * from % to == 0,
             "view(): the last dim of shape ", x.sizes(), " does not divide into elements of ",
             dtype);
    sizes[last] = sizes[last] * from / to;
    for (int i = 0; i < last; i++) {
      MT_CHECK(strides[i] * from % to == 0, "view(): strides ", x.strides(),
               " do not divide into elements of ", dtype);
      strides[i] = strides[i] * from / to;
    }
    offset = offset * from / to;
  }
  Tensor base = alias(x);
  base->dtype = dtype;
  return as_strided(base, sizes, strides, offset);
}

}  // namespace

MT_BIND(view) {
  def_view<&reshape>(m, "reshape");
  def_view<&flatten>(m, "flatten");
  def_view<&view>(m, "view");
  def_view<&transpose>(m, "transpose");
  def_view<&permute>(m, "permute");
  def_view<&expand>(m, "expand");
  def_view<&unsqueeze>(m, "unsqueeze");
  def_view<&squeeze>(m, "squeeze");
  def_view<&select>(m, "select");
  def_view<&slice>(m, "slice");
  def_view<&as_strided_op>(m, "as_strided");
  def_view<&unfold>(m, "unfold");
  def_view<&diagonal>(m, "diagonal");
  def_view<&alias_op>(m, "alias");
  def_view<&view_dtype>(m, "view_dtype");
  def_plain<&detach>(m, "detach");
  def_plain<&data>(m, "data");
  def_op<&contiguous_op>(m, "contiguous");
  def_plain<&is_contiguous_op>(m, "is_contiguous");
  def_plain<&strides_op>(m, "strides");
}

}  // namespace mt
