// The gradient of a convolution's weight on tensor cores (sm_80 and up): M = channels of y,
// N = taps by channels of x (channels fastest), K = positions of all images:
//   dw[o][t c] = sum over j of dy[j][o] x[j s + t l - p][c]
// Both operands have K across memory: rows of channels by cp.async, fragments by ldmatrix.trans.
// A thread keeps one tap and moves two positions along from stage to stage. Positions are cut into
// parts that fill the device; the second pass adds them in order and brings dw into w's layout.
// Grid: x = tiles, y = parts of the positions, z = group. Bytes and flops as in conv_mma.cuh.
#pragma once
#include "cuda/kernels/conv_mma_tile.cuh"
#include "cuda/kernels/gemm_launch.h"

namespace mt::cuda {

// A thread's place in a stage whose rows are `Lines` elements of one k.
template <class T, int Lines, int Threads>
struct RowOfLines {
  using Tile = OperandTile<T, Layout::mn_major, Lines>;
  static constexpr int kChunks = Tile::kRowBytes / 16, kApart = Threads / kChunks;
  static constexpr int kCopies = kCopiesOf<Lines, Threads>;
  static_assert(kCopies * kApart == Tile::kDepth && kApart % 8 == 0);

  const int k = int(threadIdx.x) / kChunks;
  const int line = int(threadIdx.x) % kChunks * Tile::kPerChunk;
  const int to = Tile::offset(line, k);
};

template <class T, int Lines, int Threads>
class GradientRows {
  using Row = RowOfLines<T, Lines, Threads>;

 public:
  __device__ __forceinline__ GradientRows(const ConvWeightParams& p, int row0, int k_begin,
                                          int k_end)
      : step_(p.dy_pixel) {
    from_ = static_cast<const T*>(p.dy) + int64_t(k_begin + row_.k) * step_ +
            int64_t(blockIdx.z) * p.dy_group + row0 + row_.line;
    left_ = row0 + row_.line < p.m ? k_end - k_begin - row_.k : 0;
  }
  __device__ __forceinline__ void next(Shared<char> tile) {
#pragma unroll
    for (int j = 0; j < Row::kCopies; ++j)
      ptx::cp_async<16>(raw(tile + (row_.to + j * Row::kApart * Row::Tile::kRowBytes)),
                        from_ + int64_t(j * Row::kApart) * step_,
                        left_ > j * Row::kApart ? 16u : 0u);
    from_ += int64_t(Row::Tile::kDepth) * step_;
    left_ -= Row::Tile::kDepth;
  }

 private:
  const Row row_;
  const T* from_;
  const int step_;
  int left_;
};

template <class T, int Lines, int Threads>
class PatchRows {
  using Row = RowOfLines<T, Lines, Threads>;

 public:
  __device__ __forceinline__ PatchRows(const ConvWeightParams& p, int col0, int k_begin, int k_end)
      : p_(p) {
    const int col = col0 + row_.line;
    left_ = col < p.n ? k_end - k_begin - row_.k : 0;
    if (col < p.n) tap_ = p.taps[col / Row::Tile::kPerChunk];
#pragma unroll
    for (int j = 0; j < Row::kCopies; ++j) {
      int image;
      p.images.positions.locate(uint32_t(k_begin + row_.k + j * Row::kApart), &image, at_[j]);
#pragma unroll
      for (int d = 0; d < 3; ++d) at_[j][d] = at_[j][d] * p.images.step[d] + p.images.shift[d];
      from_[j] = static_cast<const T*>(p.images.data) + image * p.images.image +
                 int64_t(blockIdx.z) * p.images.group + tap_.offset;
    }
  }
  __device__ __forceinline__ void next(Shared<char> tile) {
    const ConvImages& x = p_.images;
#pragma unroll
    for (int j = 0; j < Row::kCopies; ++j) {
      int (&at)[3] = at_[j];
      const int origin = ((at[0] * x.size[1] + at[1]) * x.size[2] + at[2]) * x.pixel;
      const bool inside = is_inside(at, tap_, x.size) & (left_ > j * Row::kApart);
      ptx::cp_async<16>(raw(tile + (row_.to + j * Row::kApart * Row::Tile::kRowBytes)),
                        from_[j] + origin, inside ? 16u : 0u);
      from_[j] += p_.advance(at) * x.image;
    }
    left_ -= Row::Tile::kDepth;
  }

 private:
  const Row row_;
  const ConvWeightParams& p_;
  Tap tap_ = {0, {kNoTap, kNoTap, kNoTap}};
  const T* from_[Row::kCopies];  // the image, from the tap's offset on
  int at_[Row::kCopies][3], left_;
};

template <class T, int M, int N>
__global__ void __launch_bounds__(ConvTile<M, N>::kThreads, ConvTile<M, N>::kBlocks)
    conv_weight_mma_kernel(const __grid_constant__ ConvWeightParams p) {
  using Tile = ConvTile<M, N>;
  constexpr int depth = 64 / sizeof(T);
  MT_DYN_SHARED(char, smem);
  const TileAt tile = tile_at(int(blockIdx.x), (p.m + M - 1) / M, (p.n + N - 1) / N);
  const int row0 = tile.m * M, col0 = tile.n * N;
  const int k_begin = int(blockIdx.y) * p.k_split, k_end = min(p.k, k_begin + p.k_split);

  float acc[Tile::kPieces][4][4] = {};
  {
    GradientRows<T, M, Tile::kThreads> gradient(p, row0, k_begin, k_end);
    PatchRows<T, N, Tile::kThreads> patches(p, col0, k_begin, k_end);
    auto load = [&](Shared<char> a, Shared<char> b) {
      gradient.next(a);
      patches.next(b);
    };
    multiply_stages<T, Layout::mn_major, M, N>(acc, smem, (k_end - k_begin + depth - 1) / depth,
                                               load);
  }

  const int warp = int(threadIdx.x) / 32;
  const WarpSums<Tile::kPieces> sums(acc, sums_of_warp<Tile::kPieces>(smem, warp), false);
  float* to = p.partial + (int64_t(blockIdx.y) * p.groups + blockIdx.z) * p.m * p.n;
  store_partial(sums, to, p.m, p.n, row0 + warp / Tile::kWarpsN * Tile::kWarpM,
                col0 + warp % Tile::kWarpsN * 32);
}

template <class T, int M, int N>
void launch_weight_mma(const ConvWeightParams& p, cudaStream_t stream) {
  using Tile = ConvTile<M, N>;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&conv_weight_mma_kernel<T, M, N>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, Tile::kShared);
  const int64_t tiles = ceil_div(p.m, M) * ceil_div(p.n, N);
  MT_LAUNCH((conv_weight_mma_kernel<T, M, N>), dim3(unsigned(tiles), p.splits, p.groups),
            dim3(Tile::kThreads), Tile::kShared, stream, p);
}

template <class T>
void run_weight_mma(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream) {
  if (tiles == ConvTiles::large) launch_weight_mma<T, 128, 128>(p, stream);
  else if (tiles == ConvTiles::wide) launch_weight_mma<T, 128, 64>(p, stream);
  else launch_weight_mma<T, 64, 64>(p, stream);
}

}  // namespace mt::cuda
