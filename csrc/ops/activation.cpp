#include "ops/activation.h"

#include "ops/binary.h"
#include "ops/dispatch.h"
#include "ops/iterators.h"
#include "ops/unary.h"

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
  Tensor dx = empty_like_layout(x, x.dtype());
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

// The first or second half of x along dim d.
Tensor half_of(const Tensor& x, int d, int which) {
  Dims sizes = x.sizes();
  sizes[d] /= 2;
  return as_strided(x, sizes, x.strides(), x->offset + which * sizes[d] * x.stride(d));
}

// The halves of x along dim: first * sigmoid(second).
Tensor glu(const Tensor& x, int64_t dim) {
  check_floating(x, "glu", "input");
  MT_CHECK(x.dim() > 0, "glu(): does not support 0-dimensional tensors");
  int d = wrap_dim(dim, x.dim(), "glu");
  MT_CHECK(x.size(d) % 2 == 0, "glu(): Halving dimension must be even, but dimension ", d,
           " is size ", x.size(d));
  const Tensor a = half_of(x, d, 0), b = half_of(x, d, 1);
  const Dims sizes = a.sizes();
  Tensor y = empty(sizes, x.dtype(), x.device());
  MT_DISPATCH(x.device(), y.numel(), glu_forward, compute_dtype(x.dtype()),
              {{x.dtype(), x.dtype(), x.dtype()}}, make_iter(sizes, {&y, &a, &b}));
  return y;
}

// da = dy sigmoid(b), db = da a (1 - sigmoid(b))
Tensor glu_backward(const Tensor& dy, const Tensor& x, int64_t dim) {
  const int d = wrap_dim(dim, x.dim(), "glu");
  const Tensor a = half_of(x, d, 0), b = half_of(x, d, 1), dx = empty_like(x);
  const Tensor da = half_of(dx, d, 0), db = half_of(dx, d, 1);
  MT_CHECK(dy.sizes() == a.sizes() && dy.dtype() == x.dtype(), "glu(): gradient of shape ",
           dy.sizes(), " does not fit input ", x.sizes());
  const DType t = x.dtype(), compute = compute_dtype(t);
  const Dims sizes = a.sizes();
  const Tensor s = empty(sizes, compute, x.device());
  MT_DISPATCH(x.device(), dy.numel(), unary_forward, UnaryOp::sigmoid, compute, {{compute, t}},
              make_iter(sizes, {&s, &b}));
  MT_DISPATCH(x.device(), dy.numel(), binary_forward, BinaryOp::mul, compute, {{t, t, compute}},
              make_iter(sizes, {&da, &dy, &s}), Number{});
  MT_DISPATCH(x.device(), dy.numel(), glu_gate_backward, compute, {{t, t, t, compute}},
              make_iter(sizes, {&db, &da, &a, &s}));
  return dx;
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
  def_raw<&glu_backward>(m, "glu_backward");
}

}  // namespace mt
