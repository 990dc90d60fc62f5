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

void update_scale_(const Tensor& scale, const Tensor& good_steps, const Tensor& found,
                   double growth, double backoff, int64_t interval) {
  MT_CHECK(
      scale.numel() == 1 && scale.dtype() == DType::Float32 && good_steps.numel() == 1 &&
          good_steps.dtype() == DType::Int32 && found.numel() == 1 &&
          found.dtype() == DType::Float32,
      "update_scale_(): expected one-element float32 scale, int32 count and float32 found_inf");
  MT_DISPATCH(scale.device(), 1, update_scale, scale.data<float>(), good_steps.data<int32_t>(),
              found.data<float>(), growth, backoff, interval);
  scale.bump_version();
  good_steps.bump_version();
}

}  // namespace

MT_BIND(amp) {
  def_plain<&unscale_>(m, "amp_unscale_");
  def_plain<&update_scale_>(m, "amp_update_scale_");
}

}  // namespace mt
