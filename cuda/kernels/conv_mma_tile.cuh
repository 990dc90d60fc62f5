// The products of convolutions on tensor cores: tiles of shared memory, the loop over stages, and
// how a tile of sums leaves (gemm_mma_tile.cuh has the layouts and the fragments).
//
// A stage is 64 bytes of K of both operands; a ring of 4 stages, three under way while one is used.
#pragma once
#include "cuda/kernels/conv_mma.h"
#include "cuda/kernels/gemm_mma_tile.cuh"

namespace mt::cuda {

// A block computes M x N sums, each of its warps kWarpM x 32.
template <int M, int N>
struct ConvTile {
  static constexpr int kWarpM = M + N == 256 ? 64 : 32, kWarpsN = N / 32;
  static constexpr int kThreads = M / kWarpM * kWarpsN * 32, kPieces = kWarpM / 16;
  static constexpr int kStages = 4, kBytesA = M * 64, kBytes = (M + N) * 64;
  static constexpr int kShared = kStages * kBytes;
  static constexpr int kBlocks = M + N == 128 ? 4 : 2;  // per multiprocessor, at least
  static_assert(kShared >= M * N * 4, "the sums of a tile fit where its operands were");
};

// How many 16-byte chunks of `Lines` lines a thread copies per stage.
template <int Lines, int Threads>
constexpr int kCopiesOf = Lines * 4 / Threads;

// acc += A B over all stages. load(i, a, b) starts the copies of stage i.
template <class T, Layout L, int M, int N, int pieces, class Load>
__device__ __forceinline__ void multiply_stages(float (&acc)[pieces][4][4], Shared<char> smem,
                                                int stages, Load& load) {
  using Tile = ConvTile<M, N>;
  static_assert(pieces == Tile::kPieces);
  constexpr int ring = Tile::kStages;
  const int warp = int(threadIdx.x) / 32;
  const FragmentReader<T, L, M, false> read_a(warp / Tile::kWarpsN * Tile::kWarpM);
  const FragmentReader<T, L, N, true> read_b(warp % Tile::kWarpsN * 32);
  auto load_stage = [&](int i) {
    if (i < stages) {
      const Shared<char> to = smem + i % ring * Tile::kBytes;
      load(to, to + Tile::kBytesA);
    }
    ptx::cp_async_commit();  // an empty group keeps the count of groups
  };
#pragma unroll
  for (int i = 0; i < ring - 1; ++i) load_stage(i);
#pragma unroll 1
  for (int i = 0; i < stages; ++i) {
    ptx::cp_async_wait<ring - 2>();
    __syncthreads();  // stage i has landed for all, stage i - 1 is free for all
    load_stage(i + ring - 1);
    const Shared<char> tile_a = smem + i % ring * Tile::kBytes;
    const Shared<char> tile_b = tile_a + Tile::kBytesA;
    multiply_stage<T>(acc, read_a, tile_a, read_b, tile_b);
  }
  ptx::cp_async_wait_all();
  __syncthreads();
}

// The sums of a warp as rows of 32 floats in memory of its own. Columns are permuted within a row
// so that the rows that lanes use at once fall into different banks: where they are read along
// rows (4 columns a lane), or along columns (`across`: a row a lane).
template <int Pieces>
class WarpSums {
 public:
  __device__ __forceinline__ WarpSums(const float (&acc)[Pieces][4][4], Shared<float> rows,
                                      bool across)
      : rows_(rows) {
    const int lane = int(threadIdx.x) % 32;
#pragma unroll
    for (int m = 0; m < Pieces; ++m)
#pragma unroll
      for (int n = 0; n < 4; ++n)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int row = m * 16 + half * 8 + lane / 4, col = n * 8 + lane % 4 * 2;
          shared_cast<float2>(rows_ + row * 32 + (col ^ (across ? flip(row) : row % 4 * 8)))[0] =
              make_float2(acc[m][n][2 * half], acc[m][n][2 * half + 1]);
        }
    __syncwarp();
  }
  __device__ __forceinline__ float4 four(int row, int col) const {
    const float4 v = shared_cast<float4>(rows_ + row * 32 + (col ^ (row % 4 * 8)))[0];
    return v;
  }
  __device__ __forceinline__ float one(int row, int col) const {
    const float v = rows_[row * 32 + (col ^ flip(row))];
    return v;
  }

 private:
  static __device__ __forceinline__ int flip(int row) { return row % 8 * 4 + row / 8 % 2 * 2; }

  Shared<float> rows_;
};

// Memory of a warp for its 32 columns of sums.
template <int Pieces>
__device__ __forceinline__ Shared<float> sums_of_warp(Shared<char> smem, int warp) {
  return shared_cast<float>(smem) + warp * Pieces * 16 * 32;
}

// Writes a warp's sums to `to`: rows of `length` floats, a multiple of 4.
template <int Pieces>
__device__ __forceinline__ void store_partial(const WarpSums<Pieces>& sums, float* to, int rows,
                                              int length, int row0, int col0) {
  const int lane = int(threadIdx.x) % 32, col = col0 + lane % 8 * 4;
  if (col >= length) return;
#pragma unroll 1
  for (int i = lane / 8; i < Pieces * 16 && row0 + i < rows; i += 4)
    *reinterpret_cast<float4*>(to + int64_t(row0 + i) * length + col) = sums.four(i, lane % 8 * 4);
}

}  // namespace mt::cuda
