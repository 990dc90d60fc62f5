// Convolution and the gradient of its input: picks the way by shape.
#include "ops/conv.h"

#include "kernels/conv_depthwise.h"
#include "kernels/conv_shapes.h"
#include "kernels/conv_winograd.h"

namespace mt::cpu::MT_ISA {

namespace {

template <class T>
void forward(const ConvParams& params, const T* x, const T* w, const T* bias, T* y) {
  const ConvParams p = folded(params);
  if (depthwise_size(p)) return conv_depthwise_forward(p, x, w, bias, y);
  if (winograd_form(p)) return conv_winograd_forward(p, x, w, bias, y);
  const bool product = one_tap(p) && (small_image(p) || (unit_stride(p) && p.o >= p.c));
  if (few_residues(p) && !product) return conv_rows_forward(p, x, w, bias, y);
  conv_gemm_forward(p, x, w, bias, y);
}

template <class T>
void backward_input(const ConvParams& params, const T* dy, const T* w, const T* bias, T* dx) {
  // A bias is per channel, which folding would not keep.
  const ConvParams p = bias ? params : folded(params);
  if (depthwise_size(p) && p.o == p.c) return conv_depthwise_backward_input(p, dy, w, bias, dx);
  const int form = winograd_form(p);
  if (form && (form != 2 || p.padding[1] % 2 == p.padding[2] % 2))
    return conv_winograd_backward_input(p, dy, w, bias, dx);
  const bool product = one_tap(p) && (small_image(p) || unit_stride(p));
  if (few_residues(p) && !product) return conv_rows_backward_input(p, dy, w, bias, dx);
  if (!few_residues(p) && tiled_patches(p) && !bias) return conv_tiled_backward_input(p, dy, w, dx);
  conv_gemm_backward_input(p, dy, w, bias, dx);
}

}  // namespace

void conv_forward(DType dtype, const ConvParams& p, const void* x, const void* w, const void* bias,
                  void* y) {
  MT_SWITCH_FLOAT(dtype,
                  forward(p, static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(w),
                          static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(y)))
}

void conv_backward_input(DType dtype, const ConvParams& p, const void* dy, const void* w,
                         const void* bias, void* dx) {
  MT_SWITCH_FLOAT(
      dtype, backward_input(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(w),
                            static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(dx)))
}

}  // namespace mt::cpu::MT_ISA
