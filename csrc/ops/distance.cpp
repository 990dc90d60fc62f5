#include "ops/distance.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

struct Prepared {
  Tensor x1, x2;
  Dims lead;
  DType result;
  CdistArgs args;

  Prepared(const Tensor& a, const Tensor& b, double p) {
    MT_CHECK(a.dim() >= 2 && b.dim() >= 2,
             "cdist(): X1 and X2 need at least two dimensions, got shapes ", a.sizes(), " and ",
             b.sizes());
    MT_CHECK(a.size(-1) == b.size(-1),
             "cdist(): X1 and X2 must have the same number of columns, got shapes ", a.sizes(),
             " and ", b.sizes());
    check_floating(a, "cdist", "x1");
    check_floating(b, "cdist", "x2");
    result = promote(a.dtype(), b.dtype());
    const DType dtype = result == DType::Float64 ? DType::Float64 : DType::Float32;
    lead = broadcast_shapes(Dims(a->sizes, a.dim() - 2), Dims(b->sizes, b.dim() - 2), "cdist");
    auto prepare = [&](const Tensor& x) {
      Dims sizes = lead;
      sizes.push(x.size(-2));
      sizes.push(x.size(-1));
      return contiguous(to_dtype(x.sizes() == sizes ? x : expand_to(x, sizes, "cdist"), dtype));
    };
    x1 = prepare(a);
    x2 = prepare(b);
    args = {dtype, lead.product(), a.size(-2), b.size(-2), a.size(-1), x1.data(), x2.data(), p};
  }
  Tensor make(int64_t columns) const {
    Dims sizes = lead;
    sizes.push(args.rows1);
    sizes.push(columns);
    return empty(sizes, args.dtype, x1.device());
  }
  int64_t work() const { return args.batch * args.rows1 * args.rows2 * (args.n + 1); }
};

Tensor forward(const Tensor& a, const Tensor& b, double p) {
  Prepared in(a, b, p);
  Tensor y = in.make(in.args.rows2);
  MT_DISPATCH(in.x1.device(), in.work(), cdist_forward, in.args, y.data());
  return to_dtype(y, in.result);
}

Tensor backward(const Tensor& dy, const Tensor& a, const Tensor& b, const Tensor& y, double p) {
  Prepared in(a, b, p);
  Tensor g = contiguous(to_dtype(expand_to(dy, y.sizes(), "cdist"), in.args.dtype));
  Tensor d = contiguous(to_dtype(y, in.args.dtype)), dx = in.make(in.args.n);
  MT_DISPATCH(in.x1.device(), in.work(), cdist_backward, in.args, d.data(), g.data(), dx.data());
  return to_dtype(dx, in.result);
}

}  // namespace

MT_BIND(distance) {
  def_op<&forward>(m, "cdist");
  def_raw<&backward>(m, "cdist_backward");
}

}  // namespace mt
