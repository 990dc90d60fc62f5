// Gradients of a scaled loss, and the scale.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// GradScaler.update(): where a gradient was not finite the scale takes `backoff` and the count of
// good steps restarts; after `interval` good steps in a row it takes `growth`, unless that leaves
// float32.
MT_INLINE void next_scale(float* scale, int32_t* good_steps, bool found, double growth,
                          double backoff, int64_t interval) {
  if (found) {
    *scale = float(double(*scale) * backoff);
    *good_steps = 0;
  } else if (++*good_steps == interval) {
    const float grown = float(double(*scale) * growth);
    if (grown - grown == 0.0f) *scale = grown;
    *good_steps = 0;
  }
}

}  // namespace mt

// g[n] *= *inverse; *found = 1 where an element is not finite. Both are float32 and lie where g
// does.
MT_KERNEL(unscale, void(DType dtype, void* g, int64_t n, const float* inverse, float* found))
MT_KERNEL(update_scale, void(float* scale, int32_t* good_steps, const float* found, double growth,
                             double backoff, int64_t interval))
