// Distances between all rows of two matrices.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// x1 [batch, rows1, n], x2 [batch, rows2, n], y [batch, rows1, rows2]; contiguous, float32 or
// float64.
struct CdistArgs {
  DType dtype;
  int64_t batch, rows1, rows2, n;
  const void *x1, *x2;
  double p;  // of the norm: 0 to infinity
};

}  // namespace mt

MT_KERNEL(cdist_forward, void(const CdistArgs& args, void* y))
// dx1 from dy and y.
MT_KERNEL(cdist_backward, void(const CdistArgs& args, const void* y, const void* dy, void* dx1))
