#pragma once
#if defined(__CUDACC__)
#include <cuda_runtime.h>
#define MT_LAUNCH(kernel, grid, block, smem, stream, ...) \
  MT_LAUNCH_UNWRAP_ kernel<<<grid, block, smem, stream>>>(__VA_ARGS__)
#define MT_LAUNCH_UNWRAP_
#define MT_SHARED(T, name, N) __shared__ T name[N]
#else
#include <cuda_runtime.h>
#endif
