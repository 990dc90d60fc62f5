// Convolution in 1 to 3 spatial dims and its gradients. Missing dims lead and have size 1.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// The kernel of a convolution on tensor cores, for tests and measurements.
enum class ConvPath : int { automatic, mma, wgmma };

// y[b, o, q] = bias[o] + sum over c, t of w[o, c, t] * x[b, c, q*stride + t*dilation - padding],
// c within the group of o, positions outside of x read as zero. Tensors are contiguous, or (last)
// x and y and their gradients have their channels innermost: [batch, positions, channels].
struct ConvParams {
  int64_t batch, c, o, groups;  // channels of all groups
  int64_t in[3], kernel[3], out[3];
  int64_t stride[3], padding[3], dilation[3];  // padding: before the first element
  bool last = false;                           // on a GPU: where conv_takes_last
  bool dy_last = false;                        // y's gradient lies so, on tensor cores
  bool tf32 = false;                           // float32 products may round to TF32 on a GPU
  ConvPath path = ConvPath::automatic;

  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

// The size of the square kernel of a depthwise convolution that has its own code, or 0.
inline int depthwise_size(const ConvParams& p) {
  const int64_t k = p.kernel[1], s = p.stride[1];
  if (p.c != p.groups || p.kernel[0] != 1 || p.in[0] != 1 || p.padding[0] != 0) return 0;
  for (int d = 1; d < 3; d++)
    if (p.stride[d] != s || p.dilation[d] != 1 || p.kernel[d] != k || p.padding[d] >= k) return 0;
  if (p.out[1] < 2 || p.out[2] < 4) return 0;
  return (s == 1 && (k == 3 || k == 5 || k == 7)) || (s == 2 && (k == 3 || k == 5)) ? int(k) : 0;
}

// On a GPU: a channel or two per group, which go element by element.
inline bool conv_is_direct(const ConvParams& p) { return p.groups > 1 && p.c / p.groups <= 2; }

// Whether a GPU takes the convolution to its tensor cores. Tiles of TF32 are padded to 4 by 64
// channels; as an estimate, plain float32 is ahead where less than a quarter of them is in use.
inline bool conv_on_tensor_cores(DType dtype, const ConvParams& p) {
  if (conv_is_direct(p)) return false;
  if (dtype != DType::Float32) return dtype == DType::Float16 || dtype == DType::BFloat16;
  const int64_t cg = p.c / p.groups, og = p.o / p.groups;
  return p.tf32 && 4 * cg * og >= (cg + 3) / 4 * 4 * ((og + 63) / 64 * 64);
}
// One tap at every position, a product of matrices.
inline bool conv_is_product(const ConvParams& p) {
  for (int d = 0; d < 3; d++)
    if (p.kernel[d] != 1 || p.stride[d] != 1 || p.padding[d] != 0) return false;
  return p.groups == 1;
}
inline bool conv_takes_last(DType dtype, const ConvParams& p) {
  if (conv_is_product(p)) return dtype != DType::Float32 || p.tf32;
  return conv_is_direct(p) || conv_on_tensor_cores(dtype, p);
}

}  // namespace mt

// float32 and float64, on a GPU float16 and bfloat16 as well. bias may be null.
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

// Depthwise convolutions (depthwise_size, o == c) of channels_last batches x[b, h, w, c]; on a GPU
// conv_forward and its gradients take them, too.
MT_KERNEL_CPU_ONLY(conv_last_forward, void(DType dtype, const ConvParams& params, const void* x,
                                           const void* w, const void* bias, void* y))
MT_KERNEL_CPU_ONLY(conv_last_backward_input, void(DType dtype, const ConvParams& params,
                                                  const void* dy, const void* w, void* dx))
MT_KERNEL_CPU_ONLY(conv_last_backward_weight, void(DType dtype, const ConvParams& params,
                                                   const void* dy, const void* x, void* dw))
// db[c] = sum of dy[i, c] over n positions
MT_KERNEL_CPU_ONLY(conv_last_backward_bias,
                   void(DType dtype, const void* dy, int64_t n, int64_t c, void* db))
