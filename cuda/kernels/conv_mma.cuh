// Convolution, and its input's gradient, on tensor cores (sm_80 and up): an implicit GEMM of
// M = positions of all images, N = channels of the result, K = taps by channels (channels fastest):
//   y[j][o] = sum over t c of x[j s + t l - p][c] w[o][t][c] + bias[o]
// The gradient gathers dy with the taps of each class of positions (conv_taps.cuh).
//
// Tiles of 128 x 128, 128 x 64 or 64 x 64 (conv_mma_tile.cuh). A thread copies the same 16 bytes of
// K of one to four positions in every stage, whose origins it keeps in registers; the table of taps
// says where a chunk lies, chunks outside of an image are filled with zeros by cp.async.
// Grid: x = tiles, y = parts of K, z = class and group. Per stage of 128 x 128 a block reads 16 KiB
// and does 1 Mflop (16-bit).
#pragma once
#include "cuda/kernels/conv_mma_store.cuh"
#include "cuda/kernels/gemm_launch.h"

namespace mt::cuda {

// The patches of `Lines` positions.
template <class T, int Lines, int Threads>
class PatchLines {
  using Tile = OperandTile<T, Layout::k_major, Lines>;
  static constexpr int kPerChunk = Tile::kPerChunk, kCopies = kCopiesOf<Lines, Threads>;

 public:
  __device__ __forceinline__ PatchLines(const ConvGatherParams& p, int kind, int g, int row0,
                                        int k_begin)
      : images_(p.images) {
    const int row = int(threadIdx.x) / 4, chunk = int(threadIdx.x) % 4;
    taps_ = p.taps + int64_t(kind) * p.taps_row + k_begin / kPerChunk + chunk;
    next_ = taps_[0];
    to_ = Tile::offset(row, chunk * kPerChunk);
#pragma unroll
    for (int j = 0; j < kCopies; ++j) {
      const int m = row0 + row + j * (Threads / 4);
      from_[j] = images_.origin<T>(uint32_t(m < p.m ? m : 0), at_[j]) + g * images_.group;
      if (m >= p.m) at_[j][0] = kNoTap;
    }
  }

  __device__ __forceinline__ void next(Shared<char> tile) {
    const Tap tap = next_;
    taps_ += 4;
    next_ = taps_[0];  // has a stage's time to arrive; the table is a stage longer than K
#pragma unroll
    for (int j = 0; j < kCopies; ++j)
      ptx::cp_async<16>(raw(tile + (to_ + j * (Threads / 4) * 64)), from_[j] + tap.offset,
                        is_inside(at_[j], tap, images_.size) ? 16u : 0u);
  }

 private:
  const ConvImages& images_;
  const Tap* taps_;
  Tap next_;
  const T* from_[kCopies];
  int at_[kCopies][3], to_;
};

// Weights of `Lines` channels of the result, rows of whole stages.
template <class T, int Lines, int Threads>
class WeightLines {
  using Tile = OperandTile<T, Layout::k_major, Lines>;
  static constexpr int kPerChunk = Tile::kPerChunk, kCopies = kCopiesOf<Lines, Threads>;

 public:
  __device__ __forceinline__ WeightLines(const ConvGatherParams& p, int col0, int k_begin) {
    const int line = int(threadIdx.x) / 4, chunk = int(threadIdx.x) % 4;
    from_ = static_cast<const T*>(p.weights) + (int64_t(blockIdx.z) * p.n + col0 + line) * p.row +
            k_begin + chunk * kPerChunk;
    apart_ = Threads / 4 * p.row;
    lines_ = p.n - col0 - line;
    to_ = Tile::offset(line, chunk * kPerChunk);
  }

  __device__ __forceinline__ void next(Shared<char> tile) {
#pragma unroll
    for (int j = 0; j < kCopies; ++j)
      ptx::cp_async<16>(raw(tile + (to_ + j * (Threads / 4) * 64)), from_ + j * int64_t(apart_),
                        lines_ > j * (Threads / 4) ? 16u : 0u);
    from_ += Tile::kDepth;
  }

 private:
  const T* from_;
  int apart_, lines_, to_;
};

template <class T, int M, int N>
__global__ void __launch_bounds__(ConvTile<M, N>::kThreads, ConvTile<M, N>::kBlocks)
    conv_gather_mma_kernel(const __grid_constant__ ConvGatherParams p) {
  using Tile = ConvTile<M, N>;
  constexpr int depth = 64 / sizeof(T);
  MT_DYN_SHARED(char, smem);
  uint32_t group;
  const int kind = int(p.groups.divide(blockIdx.z, &group)), g = int(group);
  const TileAt tile = tile_at(int(blockIdx.x), (p.m + M - 1) / M, (p.n + N - 1) / N);
  const int row0 = tile.m * M, col0 = tile.n * N, k_begin = int(blockIdx.y) * p.k_split;
  const int k = min(p.depth[kind] - k_begin, p.k_split);

  float acc[Tile::kPieces][4][4] = {};
  {
    PatchLines<T, M, Tile::kThreads> patches(p, kind, g, row0, k_begin);
    WeightLines<T, N, Tile::kThreads> weights(p, col0, k_begin);
    auto load = [&](Shared<char> a, Shared<char> b) {
      patches.next(a);
      weights.next(b);
    };
    multiply_stages<T, Layout::k_major, M, N>(acc, smem, (k + depth - 1) / depth, load);
  }

  const bool across = p.splits == 1 && p.y_channel != 1;
  const int warp = int(threadIdx.x) / 32;
  const WarpSums<Tile::kPieces> sums(acc, sums_of_warp<Tile::kPieces>(smem, warp), across);
  store_sums<T>(sums, p, kind, g, row0 + warp / Tile::kWarpsN * Tile::kWarpM,
                col0 + warp % Tile::kWarpsN * 32, across);
}

// Adds the parts of K in order: a thread per 4 channels of a position.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_sum_kernel(const __grid_constant__ ConvGatherParams p) {
  const int fours = (p.n + 3) / 4;
  const int64_t part = int64_t(p.kinds) * p.m * fours, i = thread_index();
  if (i >= part) return;
  // Neighbouring threads write neighbouring elements.
  const bool across = p.y_channel != 1;
  const int col = int(across ? i / p.m % fours : i % fours);
  const int64_t row = across ? i % p.m : i / fours % p.m;
  const int z = int(i / (int64_t(p.m) * fours));
  const float4* from =
      reinterpret_cast<const float4*>(p.partial) + (int64_t(z) * p.m + row) * fours + col;
  float4 sum = from[0];
  for (int s = 1; s < p.splits; ++s) {
    const float4 v = from[s * part];
    sum = make_float4(sum.x + v.x, sum.y + v.y, sum.z + v.z, sum.w + v.w);
  }
  uint32_t g;
  const int kind = int(p.groups.divide(uint32_t(z), &g));
  store_channels<T>(p, kind, int(g), int(row), col * 4, sum);
}

template <class T, int M, int N>
void launch_gather_mma(const ConvGatherParams& p, cudaStream_t stream) {
  using Tile = ConvTile<M, N>;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&conv_gather_mma_kernel<T, M, N>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kShared);
  const int64_t tiles = ceil_div(p.m, M) * ceil_div(p.n, N);
  MT_LAUNCH((conv_gather_mma_kernel<T, M, N>), dim3(unsigned(tiles), p.splits, p.kinds),
            dim3(Tile::kThreads), Tile::kShared, stream, p);
}

template <class T>
void run_gather_mma(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream) {
  if (tiles == ConvTiles::large) launch_gather_mma<T, 128, 128>(p, stream);
  else if (tiles == ConvTiles::wide) launch_gather_mma<T, 128, 64>(p, stream);
  else launch_gather_mma<T, 64, 64>(p, stream);
}

template <class T>
void run_gather_sum(const ConvGatherParams& p, cudaStream_t stream) {
  MT_LAUNCH((conv_sum_kernel<T>), grid_for(int64_t(p.kinds) * p.m * ((p.n + 3) / 4), kThreads),
            kThreads, 0, stream, p);
}

}  // namespace mt::cuda
