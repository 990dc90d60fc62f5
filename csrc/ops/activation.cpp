#include "ops/activation.h"

#include "ops/dispatch.h"
#include "ops/iterators.h"

namespace mt {
namespace {

Tensor forward(ActivationOp op, const char* name, const Tensor& x, ActivationNumbers numbers) {
  check_floating(x, name, "input");
  Tensor y = empty_like_layout(x, x.dtype());
  MT_DISPATCH(x.device(), x.numel(), activation_forward, op, compute_dtype(x.dtype()),
              {{y.dtype(), x.dtype()}}, iter2(y, x), numbers);
  return y;
}

void forward_(ActivationOp op, const char* name, const Tensor& x, ActivationNumbers numbers) {
  check_floating(x, name, "input");
  check_no_overlap(x, name);
  x.bump_version();
  MT_DISPATCH(x.device(), x.numel(), activation_forward, op, compute_dtype(x.dtype()),
              {{x.dtype(), x.dtype()}}, iter2(x, x), numbers);
}

Tensor backward(ActivationOp op, const Tensor& dy, const Tensor& x, ActivationNumbers numbers) {
  Tensor dx = empty_like(x);
  MT_DISPATCH(x.device(), x.numel(), activation_backward, op, compute_dtype(x.dtype()),
              {{dx.dtype(), dy.dtype(), x.dtype()}}, iter3(dx, dy, x), numbers);
  return dx;
}

template <ActivationOp op>
struct Named {
  static inline const char* name = "";
  static Tensor run(const Tensor& x, double a, double b) { return forward(op, name, x, {a, b}); }
  static void run_(const Tensor& x, double a, double b) { forward_(op, name, x, {a, b}); }
  static Tensor run_backward(const Tensor& dy, const Tensor& x, double a, double b) {
    return backward(op, dy, x, {a, b});
  }
};

// w broadcasts against x.
Tensor prelu(const Tensor& x, const Tensor& w) {
  check_floating(x, "prelu", "input");
  MT_CHECK(x.dtype() == w.dtype(), "prelu(): Type promoting not supported. Got ", x.dtype(),
           " and ", w.dtype());
  Tensor y = empty_like_layout(x, x.dtype());
  MT_DISPATCH(x.device(), x.numel(), prelu_forward, compute_dtype(x.dtype()),
              {{y.dtype(), x.dtype(), w.dtype()}}, make_iter(x.sizes(), {&y, &x, &w}));
  return y;
}

// The halves of x along dim: first * sigmoid(second).
Tensor glu(const Tensor& x, int64_t dim) {
  check_floating(x, "glu", "input");
  MT_CHECK(x.dim() > 0, "glu(): does not support 0-dimensional tensors");
  int d = wrap_dim(dim, x.dim(), "glu");
  MT_CHECK(x.size(d) % 2 == 0, "glu(): Halving dimension must be even, but dimension ", d,
           " is size ", x.size(d));
  Dims sizes = x.sizes();
  sizes[d] /= 2;
  Tensor a = as_strided(x, sizes, x.strides(), x->offset);
  Tensor b = as_strided(x, sizes, x.strides(), x->offset + sizes[d] * x.stride(d));
  Tensor y = empty(sizes, x.dtype(), x.device());
  MT_DISPATCH(x.device(), y.numel(), glu_forward, compute_dtype(x.dtype()),
              {{x.dtype(), x.dtype(), x.dtype()}}, make_iter(sizes, {&y, &a, &b}));
  return y;
}

}  // namespace

MT_BIND(activation) {
#define MT_DEF_(op, ...)                                 \
  Named<ActivationOp::op>::name = #op;                   \
  def_op<&Named<ActivationOp::op>::run>(m, #op);         \
  def_plain<&Named<ActivationOp::op>::run_>(m, #op "_"); \
  def_raw<&Named<ActivationOp::op>::run_backward>(m, #op "_backward");
  MT_ACTIVATION_OPS(MT_DEF_)
  def_op<&prelu>(m, "prelu");
  def_op<&glu>(m, "glu");
}

}  // namespace mt
