// Convolutions that read and write channels_last batches as they lie.
#include "kernels/conv_depthwise_last.h"

namespace mt::cpu::MT_ISA {

void conv_last_forward(DType dtype, const ConvParams& p, const void* x, const void* w,
                       const void* bias, void* y) {
  MT_SWITCH_FLOAT(
      dtype, conv_last_forward(p, static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(w),
                               static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(y)))
}

void conv_last_backward_input(DType dtype, const ConvParams& p, const void* dy, const void* w,
                              void* dx) {
  MT_SWITCH_FLOAT(
      dtype, conv_last_backward_input(p, static_cast<const scalar_t*>(dy),
                                      static_cast<const scalar_t*>(w), static_cast<scalar_t*>(dx)))
}

void conv_last_backward_weight(DType dtype, const ConvParams& p, const void* dy, const void* x,
                               void* dw) {
  MT_SWITCH_FLOAT(
      dtype, conv_last_backward_weight(p, static_cast<const scalar_t*>(dy),
                                       static_cast<const scalar_t*>(x), static_cast<scalar_t*>(dw)))
}

void conv_last_backward_bias(DType dtype, const void* dy, int64_t n, int64_t c, void* db) {
  MT_SWITCH_FLOAT(dtype, conv_last_backward_bias(static_cast<const scalar_t*>(dy), n, c,
                                                 static_cast<scalar_t*>(db)))
}

}  // namespace mt::cpu::MT_ISA
