// Shapes of convolutions and pools, for the benchmarks of both devices.
#pragma once
#include "ops/conv.h"
#include "ops/pool.h"

namespace mt::bench {

// Square images and kernels, stride 1 to s, padding that keeps the size at stride 1.
ConvParams conv_params(int64_t batch, int64_t c, int64_t o, int64_t size, int64_t kernel,
                       int64_t stride = 1, int64_t groups = 1);
PoolParams pool_params(int64_t planes, int64_t size, int64_t kernel, int64_t stride,
                       int64_t padding = 0);

}  // namespace mt::bench
