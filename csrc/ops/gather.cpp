// Indices along one dim: of the whole slice (index_select ...) or per element (gather, scatter
// ...).
#include "ops/dispatch.h"
#include "ops/index_loop.h"

namespace mt {
namespace {

// x's strides, none along `dim`.
Dims strides_without(const Tensor& x, int dim) {
  Dims strides = x.strides();
  strides[dim] = 0;
  return strides;
}

// A 0-dim tensor as one of a single element.
Tensor at_least_1d(const Tensor& x) { return x.dim() ? x : as_strided(x, {1}, {1}, x->offset); }

Tensor index_vector(const Tensor& given, const char* op) {
  Tensor index = index_tensor(given, op);
  MT_CHECK_INDEX(index.dim() <= 1, op, "(): Index is supposed to be a vector, got shape ",
                 index.sizes());
  return at_least_1d(index);
}

// y and x differ along `dim` only, where the elements of the vector `index` choose.
IndexLoop vector_loop(const Tensor& y, const Tensor& x, int dim, const Tensor& index) {
  Dims index_strides = y.sizes();
  for (int i = 0; i < index_strides.n; i++) index_strides[i] = i == dim ? index.stride(0) : 0;
  return make_index_loop(y.sizes(), loop_operand(y, y.strides()),
                         loop_operand(x, strides_without(x, dim)),
                         loop_operand(index, index_strides), 1u << dim,
                         x.stride(dim) * int64_t(itemsize(x.dtype())), x.size(dim));
}

Tensor index_select(const Tensor& input, int64_t dim, const Tensor& given) {
  int d = wrap_dim(dim, input.dim(), "index_select");
  Tensor x = at_least_1d(input), index = index_vector(given, "index_select");
  check_index(index, x.size(d), "index_select", d, true);
  Dims sizes = x.sizes();
  sizes[d] = index.numel();
  Tensor y = empty(sizes, x.dtype(), x.device());
  if (y.numel()) run_index_get(y, vector_loop(y, x, d, index));
  return input.dim() ? y : as_strided(y, {}, {}, 0);
}

// What a write does with the old value and the new one.
enum class Write { set, add, mul, amin, amax };

Write write_of(const std::string& mode, const char* op) {
  if (mode == "set") return Write::set;
  if (mode == "add" || mode == "sum" || mode == "mean") return Write::add;
  if (mode == "multiply" || mode == "prod") return Write::mul;
  if (mode == "amin") return Write::amin;
  if (mode == "amax") return Write::amax;
  fail(ErrorKind::Runtime, op,
       "(): reduce argument must be one of sum, prod, mean, amax, amin, got ", mode);
}

// Runs the loop that `make(x, values)` gives, in a dtype in which sums are accurate.
template <class Make>
void write(const Tensor& x, const Tensor& values, Write how, const Make& make) {
  if (how == Write::set) {
    run_index_set(x, make(x, values_for(values, x, x.dtype())));
    return;
  }
  DType dtype = accumulate_type(x.dtype());
  Tensor to = to_dtype(x, dtype), v = values_for(values, x, dtype);
  IndexLoop loop = make(to, v);
  MT_DISPATCH(x.device(), loop.it.numel, index_reduce, dtype, IndexReduce(int(how) - 1), loop);
  if (to.impl() != x.impl()) copy_into(x, to);
}

void check_same_dtype(const Tensor& x, const Tensor& source, const char* op) {
  MT_CHECK(x.dtype() == source.dtype(), op, "(): self (", x.dtype(), ") and source (",
           source.dtype(), ") must have the same dtype");
}

// index_add_, index_copy_ ...: x[..., index[i], ...] <- source[..., i, ...]
void index_write_(const Tensor& self, int64_t dim, const Tensor& given, const Tensor& source,
                  const std::string& mode, const std::string& name) {
  const char* op = name.c_str();
  int d = wrap_dim(dim, self.dim(), op);
  check_no_overlap(self, op);
  check_same_dtype(self, source, op);
  Tensor x = at_least_1d(self), from = at_least_1d(source), index = index_vector(given, op);
  check_index(index, x.size(d), op, d, true);
  bool fits = from.dim() == x.dim() && from.size(d) == index.numel();
  for (int i = 0; fits && i < x.dim(); i++) fits = i == d || from.size(i) == x.size(i);
  MT_CHECK(fits, op, "(): source of shape ", source.sizes(), " does not fit self of shape ",
           self.sizes(), " with ", index.numel(), " indices along dimension ", d);
  if (from.numel() == 0) return;
  write(x, from, write_of(mode, op),
        [&](const Tensor& to, const Tensor& v) { return vector_loop(v, to, d, index); });
  self.bump_version();
}

void index_fill_(const Tensor& self, int64_t dim, const Tensor& given, const Operand& value) {
  int d = wrap_dim(dim, self.dim(), "index_fill_");
  check_no_overlap(self, "index_fill_");
  MT_CHECK(!value.tensor || value.tensor->dim() == 0,
           "index_fill_(): only supports a 0-dimensional value tensor, but got tensor with ",
           value.tensor ? value.tensor->dim() : 0, " dimension(s)");
  Tensor x = at_least_1d(self), index = index_vector(given, "index_fill_");
  check_index(index, x.size(d), "index_fill_", d);
  Tensor v = value.tensor ? to_dtype(*value.tensor, x.dtype())
                          : scalar_tensor(value.scalar, x.dtype(), x.device());
  Dims sizes = x.sizes();
  sizes[d] = index.numel();
  if (sizes.product() == 0) return;
  run_index_set(x, vector_loop(expand_to(v, sizes, "index_fill_"), x, d, index));
  self.bump_version();
}

// y[i][j] = x[index[i][j]][j] for dim 0: y and index have the same shape.
IndexLoop element_loop(const Tensor& y, const Tensor& x, int dim, const Tensor& index) {
  return make_index_loop(index.sizes(), loop_operand(y, y.strides()),
                         loop_operand(x, strides_without(x, dim)),
                         loop_operand(index, index.strides()), 1u << dim,
                         x.stride(dim) * int64_t(itemsize(x.dtype())), x.size(dim));
}

void check_element_index(const Tensor& index, const Tensor& x, int dim, const char* op,
                         const char* what, bool along) {
  bool fits = index.dim() == x.dim();
  for (int i = 0; fits && i < x.dim(); i++)
    fits = (i == dim && !along) || index.size(i) <= x.size(i);
  MT_CHECK(fits, op, "(): expected index ", index.sizes(), " to have the number of dimensions of ",
           what, " ", x.sizes(), " and to be no larger", along ? "" : " apart from dimension ",
           along ? "" : std::to_string(dim));
}

Tensor gather(const Tensor& input, int64_t dim, const Tensor& given) {
  int d = wrap_dim(dim, input.dim(), "gather");
  Tensor x = at_least_1d(input), index = at_least_1d(index_tensor(given, "gather"));
  if (index.numel() == 0) return empty(given.sizes(), x.dtype(), x.device());
  check_element_index(index, x, d, "gather", "self", false);
  Tensor y = empty(index.sizes(), x.dtype(), x.device());
  IndexLoop loop = element_loop(y, x, d, index);
  run_checked_get(y, loop, "gather", d, true);
  return given.dim() ? y : as_strided(y, {}, {}, 0);
}

// x[index[i][j]][j] <- src[i][j] for dim 0; src is a number or at least as large as index.
void scatter_(const Tensor& self, int64_t dim, const Tensor& given, const Operand& src,
              const std::string& mode, const std::string& name) {
  const char* op = name.c_str();
  int d = wrap_dim(dim, self.dim(), op);
  check_no_overlap(self, op);
  Tensor x = at_least_1d(self), index = at_least_1d(index_tensor(given, op));
  if (index.numel() == 0) return;
  check_element_index(index, x, d, op, "self", false);
  check_index(index, x.size(d), op, d, true);
  Tensor v;
  if (src.tensor) {
    check_same_dtype(self, *src.tensor, op);
    Tensor from = at_least_1d(*src.tensor);
    check_element_index(index, from, d, op, "src", true);
    v = as_strided(from, index.sizes(), from.strides(), from->offset);
  } else {
    v = expand_to(scalar_tensor(src.scalar, x.dtype(), x.device()), index.sizes(), op);
  }
  write(x, v, write_of(mode, op),
        [&](const Tensor& to, const Tensor& from) { return element_loop(from, to, d, index); });
  self.bump_version();
}

// The gradient of gather: zeros of the shape with dy added. The index was checked in the forward.
Tensor gather_backward(const Tensor& given_dy, const Dims& sizes, int64_t dim,
                       const Tensor& given) {
  int d = wrap_dim(dim, sizes.n, "gather");
  DType dtype = accumulate_type(given_dy.dtype());
  Tensor dx = empty(sizes, dtype, given_dy.device());
  copy_into(dx, scalar_tensor(Scalar::of(int64_t(0)), dtype, dx.device()));
  Tensor dy = at_least_1d(to_dtype(given_dy, dtype)),
         index = at_least_1d(index_tensor(given, "gather"));
  IndexLoop loop = element_loop(dy, at_least_1d(dx), d, index);
  if (dy.numel())
    MT_DISPATCH(dx.device(), loop.it.numel, index_reduce, dtype, IndexReduce::add, loop);
  return to_dtype(dx, given_dy.dtype());
}

}  // namespace

MT_BIND(gather) {
  def_op<&index_select>(m, "index_select");
  def_plain<&index_write_>(m, "index_write_");
  def_plain<&index_fill_>(m, "index_fill_");
  def_op<&gather>(m, "gather");
  def_raw<&gather_backward>(m, "gather_backward");
  def_plain<&scatter_>(m, "scatter_");
}

}  // namespace mt
