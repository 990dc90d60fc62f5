// A textbook product through shared memory, for the tests and for the rates of the emulator.
#pragma once
#include "cuda/core/simt.h"

namespace {

using mt::shared_cast;

// Tiles of 64 x 64 x 16; each of 256 threads owns 4 x 4 elements of C.
__global__ void gemm_kernel(const float* a, const float* b, float* c, int m, int n, int k) {
  constexpr int kTile = 64, kDepth = 16;
  MT_SHARED(float, as, kDepth* kTile);
  MT_SHARED(float, bs, kDepth* kTile);
  const int row0 = blockIdx.y * kTile, col0 = blockIdx.x * kTile;
  const int ty = threadIdx.x / 16 * 4, tx = threadIdx.x % 16 * 4;
  float sum[4][4] = {};
  for (int k0 = 0; k0 < k; k0 += kDepth) {
    for (int i = threadIdx.x; i < kTile * kDepth; i += 256) {
      int r = row0 + i / kDepth, d = k0 + i % kDepth;
      as[i % kDepth * kTile + i / kDepth] = r < m && d < k ? a[r * k + d] : 0.0f;
      int col = col0 + i % kTile, e = k0 + i / kTile;
      bs[i] = col < n && e < k ? b[e * n + col] : 0.0f;
    }
    __syncthreads();
    for (int d = 0; d < kDepth; ++d) {
      float4 av = shared_cast<float4>(as + (d * kTile + ty))[0];
      float4 bv = shared_cast<float4>(bs + (d * kTile + tx))[0];
      const float x[4] = {av.x, av.y, av.z, av.w}, y[4] = {bv.x, bv.y, bv.z, bv.w};
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) sum[i][j] += x[i] * y[j];
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      if (row0 + ty + i < m && col0 + tx + j < n)
        c[(row0 + ty + i) * n + col0 + tx + j] = sum[i][j];
}

}  // namespace
