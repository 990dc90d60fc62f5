#include "ops/tri.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

void run(const Tensor& x, const Tensor& y, int64_t k, bool upper) {
  if (y.numel() == 0) return;
  int64_t rows = y.size(-2), cols = y.size(-1);
  MT_DISPATCH(y.device(), y.numel(), tri, int64_t(itemsize(y.dtype())), x.data(), y.data(),
              y.numel() / (rows * cols), rows, cols, k, upper);
}

void check(const Tensor& x, const char* op) {
  MT_CHECK(x.dim() >= 2, op, "(): input tensor must have at least 2 dimensions, got shape ",
           x.sizes());
}

template <bool upper>
Tensor forward(const Tensor& x, int64_t k) {
  check(x, upper ? "triu" : "tril");
  Tensor from = contiguous(x), y = empty_like(x);
  run(from, y, k, upper);
  return y;
}

template <bool upper>
void forward_(const Tensor& x, int64_t k) {
  check(x, upper ? "triu_" : "tril_");
  check_no_overlap(x, upper ? "triu_" : "tril_");
  Tensor y = contiguous(x);
  run(y, y, k, upper);
  if (y.impl() != x.impl()) copy_into(x, y);
  x.bump_version();
}

}  // namespace

MT_BIND(tri) {
  def_op<&forward<false>>(m, "tril");
  def_op<&forward<true>>(m, "triu");
  def_plain<&forward_<false>>(m, "tril_");
  def_plain<&forward_<true>>(m, "triu_");
}

}  // namespace mt
