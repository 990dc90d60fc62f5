// GEMM with mma.sync and cp.async (sm_80 and up): C = act(alpha A B + beta C + bias).
//
// A block of 8 warps (2 x 4) computes 128 x 128 of C, a warp 64 x 32 in 4 x 4 mma tiles; where that
// leaves multiprocessors idle, 4 warps (2 x 2) compute 64 x 64. A ring of 4 stages holds 64 bytes
// of K of both operands (16 KiB); three are under way while one is used.
// 16-bit operands run m16n8k16, float32 ones are rounded to tf32 and run m16n8k8; sums are float32.
// Grid: x = tiles of C, y = parts of K, z = batch.
// Per stage a block reads 16 KiB and does 1 Mflop (16-bit): 64 flop per byte of L2.
#pragma once
#include "cuda/kernels/gemm_mma_tile.cuh"

namespace mt::cuda {

template <class T, Layout LA, Layout LB, int Tile>
__global__ void __launch_bounds__(MmaShape<Tile>::kThreads, Tile == 128 ? 2 : 4)
    gemm_mma_kernel(GemmParams p) {
  using Shape = MmaShape<Tile>;
  constexpr int bytes = Shape::kBytes, ring = Shape::kStages, pieces = Shape::kWarpM / 16;
  constexpr int depth = 64 / sizeof(T);  // of K, a stage
  MT_DYN_SHARED(char, smem);

  const int tiles_m = (p.m + Tile - 1) / Tile, tiles_n = (p.n + Tile - 1) / Tile;
  const TileAt tile = tile_at(int(blockIdx.x), tiles_m, tiles_n);
  const int row0 = tile.m * Tile, col0 = tile.n * Tile;
  const int split = int(blockIdx.y), batch = int(blockIdx.z);
  const int k_begin = split * p.k_split, k_end = min(p.k, k_begin + p.k_split);
  const T* a = static_cast<const T*>(p.a) + batch * p.a_batch;
  const T* b = static_cast<const T*>(p.b) + batch * p.b_batch;

  OperandLoader<T, LA, Tile> load_a(a, p.a_row, p.a_col, row0, p.m, k_begin, k_end);
  OperandLoader<T, LB, Tile> load_b(b, p.b_col, p.b_row, col0, p.n, k_begin, k_end);
  const int stages = (k_end - k_begin + depth - 1) / depth;
  auto load_stage = [&](int i) {
    if (i < stages) {
      const Shared<char> to = smem + i % ring * 2 * bytes;
      load_a.next(to);
      load_b.next(to + bytes);
    }
    ptx::cp_async_commit();  // an empty group keeps the count of groups
  };

  const int warp = int(threadIdx.x) / 32, lane = int(threadIdx.x) % 32;
  const int warp_m = warp / Shape::kWarpsN * Shape::kWarpM, warp_n = warp % Shape::kWarpsN * 32;
  const FragmentReader<T, LA, Tile, false> read_a(warp_m);
  const FragmentReader<T, LB, Tile, true> read_b(warp_n);
  float acc[pieces][4][4] = {};

#pragma unroll
  for (int i = 0; i < ring - 1; ++i) load_stage(i);
#pragma unroll 1
  for (int i = 0; i < stages; ++i) {
    ptx::cp_async_wait<ring - 2>();
    __syncthreads();  // stage i has landed for all, stage i - 1 is free for all
    load_stage(i + ring - 1);
    const Shared<char> tile_a = smem + i % ring * 2 * bytes;
    const Shared<char> tile_b = tile_a + bytes;
    multiply_stage<T>(acc, read_a, tile_a, read_b, tile_b);
  }

  // Each warp turns its fragments into rows in memory of its own; chunks of 4 floats are permuted
  // so that the rows that lanes write at once fall into different banks.
  ptx::cp_async_wait_all();
  __syncthreads();
  const Shared<float> rows = shared_cast<float>(smem) + warp * Shape::kWarpM * 32;
  auto at = [](int row, int col) { return row * 32 + ((col / 4) ^ (row % 4 * 2)) * 4 + col % 4; };
#pragma unroll
  for (int m = 0; m < pieces; ++m)
#pragma unroll
    for (int n = 0; n < 4; ++n)
#pragma unroll
      for (int half = 0; half < 2; ++half)
        shared_cast<float2>(rows + at(m * 16 + half * 8 + lane / 4, n * 8 + lane % 4 * 2))[0] =
            make_float2(acc[m][n][2 * half], acc[m][n][2 * half + 1]);
  __syncwarp();
#pragma unroll 1
  for (int i = lane / 8; i < Shape::kWarpM; i += 4) {
    const float4 v = shared_cast<float4>(rows + at(i, lane % 8 * 4))[0];
    const float sum[4] = {v.x, v.y, v.z, v.w};
    store_four<T>(p, batch, split, row0 + warp_m + i, col0 + warp_n + lane % 8 * 4, sum);
  }
}

}  // namespace mt::cuda
