// Sampling of images at given places.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

enum class GridMode : int { bilinear, nearest, bicubic };
enum class GridPadding : int { zeros, border, reflection };

// x [batch, c, in...], grid [batch, out..., nd] with coordinates from -1 to 1, the last dim of x
// first. Missing spatial dims lead and have size 1. Tensors are contiguous.
struct GridParams {
  int64_t batch, c, in[3], out[3];
  int nd;
  GridMode mode;
  GridPadding padding;
  bool align_corners;

  int64_t in_size() const { return in[0] * in[1] * in[2]; }
  int64_t out_size() const { return out[0] * out[1] * out[2]; }
};

}  // namespace mt

// float32, float64. y [batch, c, out...].
MT_KERNEL(grid_sample_forward,
          void(DType dtype, const GridParams& params, const void* x, const void* grid, void* y))
// dx or dgrid may be null.
MT_KERNEL(grid_sample_backward, void(DType dtype, const GridParams& params, const void* dy,
                                     const void* x, const void* grid, void* dx, void* dgrid))
