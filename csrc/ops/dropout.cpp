#include "ops/dropout.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

void run(const Tensor& x, const Tensor& y, double p, int64_t seed, int64_t offset) {
  auto drop = uint32_t(p * 4294967296.0);
  MT_DISPATCH(x.device(), x.numel(), dropout_forward, x.dtype(), x.data(), y.data(), x.numel(),
              uint64_t(seed), uint64_t(offset), drop, 1.0 / (1.0 - p));
}

// p in (0, 1).
Tensor dropout(const Tensor& input, double p, int64_t seed, int64_t offset) {
  check_floating(input, "dropout", "input");
  Tensor x = contiguous(input), y = empty_like(x);
  run(x, y, p, seed, offset);
  return y;
}

void dropout_(const Tensor& x, double p, int64_t seed, int64_t offset) {
  check_floating(x, "dropout_", "input");
  check_no_overlap(x, "dropout_");
  if (x.is_contiguous()) run(x, x, p, seed, offset);
  else copy_into(x, dropout(x, p, seed, offset));
  x.bump_version();
}

}  // namespace

MT_BIND(dropout) {
  def_op<&dropout>(m, "dropout");
  def_plain<&dropout_>(m, "dropout_");
}

}  // namespace mt
