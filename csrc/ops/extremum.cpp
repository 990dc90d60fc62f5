#include "ops/extremum.h"

#include "ops/reduce_dims.h"

namespace mt {
namespace {

DType stored_as(DType t) { return t == DType::Bool ? DType::UInt8 : t; }

void check_not_empty(const Tensor& x, uint32_t mask, bool all, const char* name) {
  if (x.numel() > 0) return;
  MT_CHECK(!all, name,
           "(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
           "reduction dim with the 'dim' argument.");
  for (int i = 0; i < x.dim(); i++)
    MT_CHECK_INDEX(!(mask >> i & 1) || x.size(i) != 0, name, "(): Expected reduction dim ", i,
                   " to have non-zero size.");
}

Tensor extremum_of(bool largest, const char* name, const Tensor& x, const std::optional<Dims>& dims,
                   bool keepdim) {
  uint32_t mask = dim_mask(dims, x.dim(), name);
  check_not_empty(x, mask, !dims || dims->n == 0, name);
  Tensor y = empty(reduced_shape(x, mask, false), x.dtype(), x.device());
  Reduction r = plan_reduction(x, mask, y);
  MT_DISPATCH(x.device(), x.numel(), extremum, largest, stored_as(x.dtype()), r.kept, r.reduced);
  if (!keepdim) return y;
  Dims shape = reduced_shape(x, mask, true);
  return as_strided(y, shape, contiguous_strides(shape), y->offset);
}

Tensor amax(const Tensor& x, const std::optional<Dims>& dims, bool keepdim) {
  return extremum_of(true, "amax", x, dims, keepdim);
}
Tensor amin(const Tensor& x, const std::optional<Dims>& dims, bool keepdim) {
  return extremum_of(false, "amin", x, dims, keepdim);
}
Tensor max_all(const Tensor& x) {
  check_not_empty(x, 0, true, "max");
  return extremum_of(true, "max", x, std::nullopt, false);
}
Tensor min_all(const Tensor& x) {
  check_not_empty(x, 0, true, "min");
  return extremum_of(false, "min", x, std::nullopt, false);
}

// Values (or none) and indices along a dim.
std::tuple<Tensor, Tensor> along(bool largest, const char* name, const Tensor& input, int64_t dim,
                                 bool keepdim, bool with_values) {
  int d = wrap_dim(dim, input.dim(), name);
  uint32_t mask = input.dim() ? 1u << d : 0;
  check_not_empty(input, mask, false, name);
  Tensor x = contiguous(input);
  DimSplit s = split_dim(x, d);
  Dims shape = reduced_shape(x, mask, keepdim);
  Tensor values, indices = empty(shape, DType::Int64, x.device());
  if (with_values) values = empty(shape, x.dtype(), x.device());
  if (indices.numel() > 0)
    MT_DISPATCH(x.device(), x.numel(), arg_extremum, largest, stored_as(x.dtype()), x.data(),
                with_values ? values.data() : nullptr, indices.data<int64_t>(), s.outer, s.n,
                s.inner);
  return {values, indices};
}

std::tuple<Tensor, Tensor> max_dim(const Tensor& x, int64_t dim, bool keepdim) {
  return along(true, "max", x, dim, keepdim, true);
}
std::tuple<Tensor, Tensor> min_dim(const Tensor& x, int64_t dim, bool keepdim) {
  return along(false, "min", x, dim, keepdim, true);
}

Tensor arg_of(bool largest, const char* name, const Tensor& x, const std::optional<int64_t>& dim,
              bool keepdim) {
  MT_CHECK(x.dtype() != DType::Bool, name, "(): does not support bool input");
  if (dim) return std::get<1>(along(largest, name, x, *dim, keepdim, false));
  MT_CHECK_INDEX(x.numel() > 0, name,
                 "(): Expected reduction dim to be specified for input.numel() == 0.");
  Tensor flat = contiguous(x);
  Dims ones;
  if (keepdim)
    for (int i = 0; i < x.dim(); i++) ones.push(1);
  Tensor index = empty(ones, DType::Int64, x.device());
  MT_DISPATCH(x.device(), x.numel(), arg_extremum, largest, stored_as(x.dtype()), flat.data(),
              nullptr, index.data<int64_t>(), 1, x.numel(), 1);
  return index;
}

Tensor argmax(const Tensor& x, const std::optional<int64_t>& dim, bool keepdim) {
  return arg_of(true, "argmax", x, dim, keepdim);
}
Tensor argmin(const Tensor& x, const std::optional<int64_t>& dim, bool keepdim) {
  return arg_of(false, "argmin", x, dim, keepdim);
}

}  // namespace

MT_BIND(extremum) {
  def_op<&amax>(m, "amax");
  def_op<&amin>(m, "amin");
  def_op<&max_all>(m, "max_all");
  def_op<&min_all>(m, "min_all");
  def_op<&max_dim>(m, "max_dim");
  def_op<&min_dim>(m, "min_dim");
  def_plain<&argmax>(m, "argmax");
  def_plain<&argmin>(m, "argmin");
}

}  // namespace mt
