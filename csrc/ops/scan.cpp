#include "ops/scan.h"

#include "ops/reduce_dims.h"

namespace mt {
namespace {

Tensor scan_of(ScanOp op, const char* name, const Tensor& input, int64_t dim,
               const std::optional<DType>& dtype, bool reverse) {
  int d = wrap_dim(dim, input.dim(), name);
  DType out = dtype.value_or(is_floating(input.dtype()) ? input.dtype() : DType::Int64);
  if (op == ScanOp::logsumexp) out = dtype.value_or(to_floating(input.dtype()));
  Tensor x = to_dtype(input, out);
  if (!is_floating(out)) x = to_dtype(x, DType::Int64);
  x = contiguous(x);
  Tensor y = empty_like(x);
  DimSplit s = split_dim(x, d);
  if (x.numel() > 0)
    MT_DISPATCH(x.device(), x.numel(), scan, op, reverse, x.dtype(), x.data(), y.data(), s.outer,
                s.n, s.inner);
  return to_dtype(y, out);
}

Tensor cumsum(const Tensor& x, int64_t dim, const std::optional<DType>& dtype, bool reverse) {
  return scan_of(ScanOp::sum, "cumsum", x, dim, dtype, reverse);
}
Tensor cumprod(const Tensor& x, int64_t dim, const std::optional<DType>& dtype) {
  return scan_of(ScanOp::prod, "cumprod", x, dim, dtype, false);
}
Tensor logcumsumexp(const Tensor& x, int64_t dim, bool reverse) {
  return scan_of(ScanOp::logsumexp, "logcumsumexp", x, dim, std::nullopt, reverse);
}

std::tuple<Tensor, Tensor> extremum_of(bool largest, const char* name, const Tensor& input,
                                       int64_t dim) {
  int d = wrap_dim(dim, input.dim(), name);
  Tensor x = contiguous(input);
  Tensor values = empty_like(x), indices = empty_like(x, DType::Int64);
  DimSplit s = split_dim(x, d);
  if (x.numel() > 0)
    MT_DISPATCH(x.device(), x.numel(), scan_extremum, largest,
                x.dtype() == DType::Bool ? DType::UInt8 : x.dtype(), x.data(), values.data(),
                indices.data<int64_t>(), s.outer, s.n, s.inner);
  return {values, indices};
}

std::tuple<Tensor, Tensor> cummax(const Tensor& x, int64_t dim) {
  return extremum_of(true, "cummax", x, dim);
}
std::tuple<Tensor, Tensor> cummin(const Tensor& x, int64_t dim) {
  return extremum_of(false, "cummin", x, dim);
}

}  // namespace

MT_BIND(scan) {
  def_op<&cumsum>(m, "cumsum");
  def_op<&cumprod>(m, "cumprod");
  def_op<&logcumsumexp>(m, "logcumsumexp");
  def_op<&cummax>(m, "cummax");
  def_op<&cummin>(m, "cummin");
}

}  // namespace mt
