// Pooling over up to 3 spatial dims. Missing dims lead and have size 1.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// Window q covers positions q*stride - padding + t*dilation, t < kernel, that lie inside of a
// plane.
struct PoolParams {
  int64_t planes;    // batch times channels
  int64_t channels;  // of channels_last planes, else 0
  int64_t in[3], kernel[3], out[3];
  int64_t stride[3], padding[3], dilation[3];
  bool count_padding;  // averages divide by the window with its padding
  int64_t divisor;     // or by this, where not 0

  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

// The tap of a maximum over nothing: a dilated window may have all of its taps outside.
constexpr int kNoTap = 255;
// What a maximum remembers: nothing, the number of its tap in one byte, or its place in the plane.
enum class PoolIndex : int { none, tap, place };

}  // namespace mt

// float32, float64, int64; on CUDA a 16-bit float, too. NaN wins. index: uint8 or int64 per output,
// as `kind` says.
MT_KERNEL(max_pool_forward, void(DType dtype, const PoolParams& params, const void* x, void* y,
                                 PoolIndex kind, void* index))
MT_KERNEL(max_pool_backward, void(DType dtype, const PoolParams& params, const void* dy,
                                  PoolIndex kind, const void* index, void* dx))
// Places from tap numbers.
MT_KERNEL(max_pool_places, void(const PoolParams& params, const uint8_t* taps, int64_t* places))
MT_KERNEL(avg_pool_forward, void(DType dtype, const PoolParams& params, const void* x, void* y))
MT_KERNEL(avg_pool_backward, void(DType dtype, const PoolParams& params, const void* dy, void* dx))
// Window q of a dim is [floor(q*in/out), ceil((q+1)*in/out)); only planes, in and out are used.
MT_KERNEL(adaptive_avg_pool_forward,
          void(DType dtype, const PoolParams& params, const void* x, void* y))
MT_KERNEL(adaptive_avg_pool_backward,
          void(DType dtype, const PoolParams& params, const void* dy, void* dx))
MT_KERNEL(adaptive_max_pool_forward,
          void(DType dtype, const PoolParams& params, const void* x, void* y, int64_t* index))
