#include "ops/amp.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

void unscale_(const Tensor& g, const Tensor& inverse, const Tensor& found) {
  check_floating(g, "unscale_", "gradients");
  MT_CHECK(inverse.numel() == 1 && found.numel() == 1 && found.dtype() == DType::Float32,
           "unscale_(): expected one-element scale and float32 found_inf");
  const Tensor scale = contiguous(to_dtype(inverse, DType::Float32));
  Tensor y = contiguous(g);
  if (y.numel())
    MT_DISPATCH(y.device(), y.numel(), unscale, y.dtype(), y.data(), y.numel(), scale.data<float>(),
                found.data<float>());
  if (!g.is_contiguous()) copy_into(g, y);
  g.bump_version();
}

}  // namespace

MT_BIND(amp) { def_plain<&unscale_>(m, "amp_unscale_"); }

}  // namespace mt
