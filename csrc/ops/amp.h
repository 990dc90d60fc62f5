// Gradients of a scaled loss.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// g[n] *= *inverse; *found = 1 where an element is not finite. Both are float32 and lie where g
// does.
MT_KERNEL(unscale, void(DType dtype, void* g, int64_t n, const float* inverse, float* found))
