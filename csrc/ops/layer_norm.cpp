#include "ops/layer_norm.h"

#include "ops/dispatch.h"
#include "ops/hidden.h"

namespace mt {
namespace {

// x as rows of the normalised dims; for the CPU, missing weight and bias are ones and zeros.
struct Prepared {
  Tensor x, w, b;
  LayerNormArgs args;
  DType compute;  // of the statistics
  Dims stats;     // x's shape with 1 in place of each normalised size

  Prepared(const char* op, const Tensor& input, const Dims& shape,
           const std::optional<Tensor>& weight, const std::optional<Tensor>& bias, double eps,
           bool centre) {
    check_floating(input, op, "input");
    MT_CHECK(shape.n >= 1, op,
             "(): Expected normalized_shape to be at least 1-dimensional, but got ", shape);
    bool fits = input.dim() >= shape.n;
    for (int i = 0; fits && i < shape.n; i++)
      fits = input.size(input.dim() - shape.n + i) == shape[i];
    MT_CHECK(fits, op, "(): Given normalized_shape=", shape, ", expected input with shape [*, ",
             shape, "], but got input of size ", input.sizes());
    MT_CHECK(
        !weight || weight->sizes() == shape, op,
        "(): Expected weight to be of same shape as normalized_shape, but got weight of shape ",
        weight ? weight->sizes() : Dims(), " and normalized_shape = ", shape);
    MT_CHECK(!bias || bias->sizes() == shape, op,
             "(): Expected bias to be of same shape as normalized_shape, but got bias of shape ",
             bias ? bias->sizes() : Dims(), " and normalized_shape = ", shape);
    // The CPU's kernels read float32 and float64, CUDA's any floating dtype.
    compute = input.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    const DType dtype = input.device().is_cpu() ? compute : input.dtype();
    const int64_t n = shape.product();
    x = contiguous(to_dtype(input, dtype));
    w = weight ? contiguous(to_dtype(*weight, dtype)) : missing(1, n, dtype);
    if (centre) b = bias ? contiguous(to_dtype(*bias, dtype)) : missing(0, n, dtype);
    int64_t rows = 1;
    stats = input.sizes();
    for (int i = 0; i < stats.n; i++) {
      if (i < stats.n - shape.n) rows *= stats[i];
      else stats[i] = 1;
    }
    args = {dtype, centre, rows, n, x.data(), w ? w.data() : nullptr, b ? b.data() : nullptr, eps};
  }

  Tensor missing(double value, int64_t count, DType dtype) const {
    if (!x.device().is_cpu()) return {};
    Tensor t = empty({count}, dtype);
    copy_into(t, scalar_tensor(Scalar::of(value), dtype, {}));
    return t;
  }
};

std::tuple<Tensor, Hidden<Tensor>, Hidden<Tensor>> forward(const char* op, const Tensor& input,
                                                           const Dims& shape,
                                                           const std::optional<Tensor>& weight,
                                                           const std::optional<Tensor>& bias,
                                                           double eps, bool centre) {
  Prepared p(op, input, shape, weight, bias, eps, centre);
  Tensor y = empty_like(p.x), rstd = empty(p.stats, p.compute, p.x.device());
  Tensor mean;
  if (centre) mean = empty(p.stats, p.compute, p.x.device());
  MT_DISPATCH(p.x.device(), p.x.numel(), layer_norm_forward, p.args, y.data(),
              centre ? mean.data() : nullptr, rstd.data());
  return {to_dtype(y, input.dtype()), Hidden<Tensor>{mean}, Hidden<Tensor>{rstd}};
}

std::tuple<Tensor, Tensor, Tensor> backward(const char* op, const Tensor& dy, const Tensor& input,
                                            const Dims& shape, const std::optional<Tensor>& weight,
                                            const std::optional<Tensor>& mean, const Tensor& rstd,
                                            bool params) {
  const bool centre = bool(mean);
  Prepared p(op, input, shape, weight, std::nullopt, 0, centre);
  Tensor g = contiguous(to_dtype(expand_to(dy, input.sizes(), op), p.args.dtype));
  Tensor dx = empty_like(p.x), dw, db, partial;
  if (params) {
    dw = empty(shape, p.args.dtype, p.x.device());
    if (centre) db = empty_like(dw);
    if (p.x.device().is_cpu()) {
      int64_t chunks = ceil_div(p.args.rows, layer_norm_grain(p.args.rows, p.args.n));
      partial = empty({chunks, 2, p.args.n}, p.args.dtype, p.x.device());
    }
  }
  MT_DISPATCH(p.x.device(), p.x.numel(), layer_norm_backward, p.args, g.data(),
              centre ? mean->data() : nullptr, rstd.data(), dx.data(), params ? dw.data() : nullptr,
              db ? db.data() : nullptr, partial ? partial.data() : nullptr);
  dx = to_dtype(dx, input.dtype());
  if (dw && weight) dw = to_dtype(dw, weight->dtype());
  return {dx, dw, db};
}

auto layer_norm(const Tensor& x, const Dims& shape, const std::optional<Tensor>& weight,
                const std::optional<Tensor>& bias, double eps) {
  return forward("layer_norm", x, shape, weight, bias, eps, true);
}
auto rms_norm(const Tensor& x, const Dims& shape, const std::optional<Tensor>& weight, double eps) {
  return forward("rms_norm", x, shape, weight, std::nullopt, eps, false);
}
auto layer_norm_grad(const Tensor& dy, const Tensor& x, const Dims& shape,
                     const std::optional<Tensor>& weight, const std::optional<Tensor>& mean,
                     const Tensor& rstd, bool params) {
  return backward("layer_norm", dy, x, shape, weight, mean, rstd, params);
}

}  // namespace

MT_BIND(layer_norm) {
  def_op<&layer_norm>(m, "layer_norm");
  def_op<&rms_norm>(m, "rms_norm");
  def_raw<&layer_norm_grad>(m, "layer_norm_backward");
}

}  // namespace mt
