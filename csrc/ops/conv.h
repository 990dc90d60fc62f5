// Convolution in 1 to 3 spatial dims and its gradients. Missing dims lead and have size 1.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// y[b, o, q] = bias[o] + sum over c, t of w[o, c, t] * x[b, c, q*stride + t*dilation - padding],
// c within the group of o, positions outside of x read as zero. Tensors are contiguous.
struct ConvParams {
  int64_t batch, c, o, groups;  // channels of all groups
  int64_t in[3], kernel[3], out[3];
  int64_t stride[3], padding[3], dilation[3];  // padding: before the first element

  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

}  // namespace mt

// float32 and float64. bias may be null.
MT_KERNEL(conv_forward, void(DType dtype, const ConvParams& params, const void* x, const void* w,
                             const void* bias, void* y))
// dx from dy; bias [c] or null is added (a transposed convolution is this function).
MT_KERNEL(conv_backward_input, void(DType dtype, const ConvParams& params, const void* dy,
                                    const void* w, const void* bias, void* dx))
MT_KERNEL(conv_backward_weight,
          void(DType dtype, const ConvParams& params, const void* dy, const void* x, void* dw))
// db[c] = sum of dy[b, c, 0..n)
MT_KERNEL(conv_backward_bias,
          void(DType dtype, const void* dy, int64_t batch, int64_t c, int64_t n, void* db))
