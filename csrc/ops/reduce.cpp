#include "ops/reduce.h"

#include "ops/extremum.h"
#include "ops/reduce_dims.h"

namespace mt {
namespace {

struct Options {
  double divisor = 1;
  bool wide = false, root = false;
};

// The sum over the masked dims of a floating x, as a tensor with the kept dims.
Tensor sum_of(SumOp op, const Tensor& input, uint32_t mask, const Tensor* parameter, Options o) {
  DType dtype = input.dtype();
  bool narrow = itemsize(dtype) == 2;
  const bool widen = narrow && op != SumOp::sum && input.device().is_cpu();
  Tensor x = widen ? to_dtype(input, DType::Float32) : input;
  bool wide = o.wide || x.dtype() != dtype;
  Tensor y =
      empty(reduced_shape(x, mask, false), narrow && wide ? DType::Float32 : dtype, x.device());
  Reduction r = plan_reduction(x, mask, y, parameter);
  MT_DISPATCH(x.device(), x.numel() + y.numel(), reduce_sum, op, x.dtype(), r.kept, r.reduced,
              o.divisor, wide, o.root);
  return o.wide ? y : to_dtype(y, dtype);
}

Tensor with_shape(const Tensor& y, const Dims& shape) {
  if (y.dim() == shape.n) return y;
  return as_strided(y, shape, contiguous_strides(shape), y->offset);
}

Tensor sum_int(const Tensor& x, uint32_t mask) {
  Tensor y = empty(reduced_shape(x, mask, false), DType::Int64, x.device());
  Reduction r = plan_reduction(x, mask, y);
  MT_DISPATCH(x.device(), x.numel() + y.numel(), reduce_sum_int, x.dtype(), r.kept, r.reduced);
  return y;
}

Tensor sum_kind(SumOp op, const char* name, const Tensor& input, const std::optional<Dims>& dims,
                bool keepdim, const std::optional<DType>& dtype) {
  uint32_t mask = dim_mask(dims, input.dim(), name);
  Tensor x = dtype && is_floating(*dtype) ? to_dtype(input, *dtype) : input;
  Tensor y;
  if (is_floating(x.dtype())) {
    y = sum_of(op, x, mask, nullptr, {});
  } else {
    if (dtype && *dtype == DType::Bool) {
      x = to_dtype(x, DType::Bool);
    } else if (dtype) {
      x = to_dtype(x, *dtype);
    }
    y = sum_int(x, mask);
  }
  if (dtype) y = to_dtype(y, *dtype);
  return with_shape(y, reduced_shape(x, mask, keepdim));
}

Tensor sum(const Tensor& x, const std::optional<Dims>& dims, bool keepdim,
           const std::optional<DType>& dtype) {
  return sum_kind(SumOp::sum, "sum", x, dims, keepdim, dtype);
}

Tensor nansum(const Tensor& x, const std::optional<Dims>& dims, bool keepdim,
              const std::optional<DType>& dtype) {
  return sum_kind(SumOp::nansum, "nansum", x, dims, keepdim, dtype);
}

Tensor mean(const Tensor& input, const std::optional<Dims>& dims, bool keepdim,
            const std::optional<DType>& dtype) {
  DType type = dtype.value_or(input.dtype());
  MT_CHECK(is_floating(type),
           "mean(): could not infer output dtype. Input dtype must be either a floating point or "
           "complex "
           "dtype. Got: ",
           scalar_type_name(type));
  uint32_t mask = dim_mask(dims, input.dim(), "mean");
  Tensor x = to_dtype(input, type);
  Tensor y = sum_of(SumOp::sum, x, mask, nullptr, {.divisor = double(reduced_numel(x, mask))});
  return with_shape(y, reduced_shape(x, mask, keepdim));
}

// x summed to a shape that broadcasts to x's.
Tensor sum_to_size(const Tensor& x, const Dims& shape) {
  int extra = x.dim() - shape.n;
  bool fits = extra >= 0;
  uint32_t mask = extra > 0 ? (1u << extra) - 1 : 0;
  for (int i = 0; fits && i < shape.n; i++) {
    if (shape[i] == x.size(i + extra)) continue;
    fits = shape[i] == 1;
    mask |= 1u << (i + extra);
  }
  MT_CHECK(fits, "sum_to_size(): size ", shape, " is not expandable to size ", x.sizes(), ".");
  if (mask == 0 && shape.n > 0) return alias(x);
  Tensor y = is_floating(x.dtype()) ? sum_of(SumOp::sum, x, mask, nullptr, {}) : sum_int(x, mask);
  return as_strided(y, shape, contiguous_strides(shape), y->offset);
}

Tensor prod(const Tensor& input, const std::optional<Dims>& dims, bool keepdim,
            const std::optional<DType>& dtype) {
  DType type = dtype.value_or(is_floating(input.dtype()) ? input.dtype() : DType::Int64);
  uint32_t mask = dim_mask(dims, input.dim(), "prod");
  Tensor x = to_dtype(input, type);
  if (!is_floating(type)) x = to_dtype(x, DType::Int64);
  Tensor y = empty(reduced_shape(x, mask, false), x.dtype(), x.device());
  Reduction r = plan_reduction(x, mask, y);
  MT_DISPATCH(x.device(), x.numel() + y.numel(), reduce_prod, x.dtype(), r.kept, r.reduced);
  return with_shape(to_dtype(y, type), reduced_shape(x, mask, keepdim));
}

Tensor logic(LogicOp op, const char* name, const Tensor& x, const std::optional<Dims>& dims,
             bool keepdim) {
  uint32_t mask = dim_mask(dims, x.dim(), name);
  DType out = op == LogicOp::count_nonzero ? DType::Int64 : DType::Bool;
  // bool of uint8 is uint8, as in PyTorch.
  Tensor y = empty(reduced_shape(x, mask, false), out, x.device());
  Reduction r = plan_reduction(x, mask, y);
  MT_DISPATCH(x.device(), x.numel() + y.numel(), reduce_logic, op, x.dtype(), r.kept, r.reduced);
  if (out == DType::Bool && x.dtype() == DType::UInt8) y = to_dtype(y, DType::UInt8);
  return with_shape(y, reduced_shape(x, mask, keepdim));
}

Tensor any(const Tensor& x, const std::optional<Dims>& dims, bool keepdim) {
  return logic(LogicOp::any, "any", x, dims, keepdim);
}
Tensor all(const Tensor& x, const std::optional<Dims>& dims, bool keepdim) {
  return logic(LogicOp::all, "all", x, dims, keepdim);
}
Tensor count_nonzero(const Tensor& x, const std::optional<Dims>& dims, bool keepdim) {
  return logic(LogicOp::count_nonzero, "count_nonzero", x, dims, keepdim);
}

// Variance (or its root) and mean. The divisor is n - correction, at least 0.
std::tuple<Tensor, Tensor> var_mean(const Tensor& x, const std::optional<Dims>& dims,
                                    double correction, bool keepdim, bool root) {
  const char* name = root ? "std" : "var";
  MT_CHECK(is_floating(x.dtype()), name, "(): only supports floating point dtypes, got ",
           x.dtype());
  uint32_t mask = dim_mask(dims, x.dim(), name);
  double n = double(reduced_numel(x, mask));
  Tensor mean = sum_of(SumOp::sum, x, mask, nullptr, {.divisor = n, .wide = true});
  Tensor var = sum_of(SumOp::square_dev, x, mask, &mean,
                      {.divisor = n - correction > 0 ? n - correction : 0, .root = root});
  Dims shape = reduced_shape(x, mask, keepdim);
  return {with_shape(var, shape), with_shape(to_dtype(mean, x.dtype()), shape)};
}

Tensor var(const Tensor& x, const std::optional<Dims>& dims, double correction, bool keepdim,
           bool root) {
  return std::get<0>(var_mean(x, dims, correction, keepdim, root));
}

// sum(|x|^p)^(1/p) for p = 1 or 2.
Tensor norm(const Tensor& x, int64_t p, const std::optional<Dims>& dims, bool keepdim) {
  MT_CHECK(is_floating(x.dtype()), "norm(): expected a floating point dtype, got ", x.dtype());
  uint32_t mask = dim_mask(dims, x.dim(), "norm");
  Tensor y = sum_of(p == 1 ? SumOp::norm1 : SumOp::norm2, x, mask, nullptr, {.root = p == 2});
  return with_shape(y, reduced_shape(x, mask, keepdim));
}

// c + log(sum(exp(x - c))) with c the largest x, or 0 where that is not finite.
Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim) {
  uint32_t mask = dim_mask(dims, input.dim(), "logsumexp");
  DType out = to_floating(input.dtype());
  DType compute = out == DType::Float64 ? out : DType::Float32;
  Tensor x = to_dtype(input, compute);
  Dims kept = reduced_shape(x, mask, false);
  Tensor c = empty(kept, compute, x.device());
  if (x.numel() > 0) {
    Reduction r = plan_reduction(x, mask, c);
    MT_DISPATCH(x.device(), x.numel(), extremum, true, compute, r.kept, r.reduced);
  }
  MT_DISPATCH(x.device(), c.numel(), reduce_log_shift, compute, c.data(), c.numel(),
              x.numel() == 0);
  Tensor y = sum_of(SumOp::exp_dev, x, mask, &c, {});
  MT_DISPATCH(x.device(), y.numel(), reduce_log_finish, compute, y.data(), c.data(), y.numel());
  return with_shape(to_dtype(y, out), reduced_shape(x, mask, keepdim));
}

}  // namespace

MT_BIND(reduce) {
  def_op<&sum>(m, "sum");
  def_op<&nansum>(m, "nansum");
  def_op<&mean>(m, "mean");
  def_op<&sum_to_size>(m, "sum_to_size");
  def_op<&prod>(m, "prod");
  def_plain<&any>(m, "any");
  def_plain<&all>(m, "all");
  def_plain<&count_nonzero>(m, "count_nonzero");
  def_op<&var_mean>(m, "var_mean");
  def_op<&var>(m, "var");
  def_op<&norm>(m, "norm");
  def_op<&logsumexp>(m, "logsumexp");
}

}  // namespace mt
