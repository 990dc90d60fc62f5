// A matrix product by tiles, for gemm.cu and the convolutions: C[i][j] = sum over k of A[i][k]
// B[k][j], where loaders say what A and B are and a store says where C goes.
//
// A block computes BM x BN. Slices of BK columns of A and rows of B pass through shared memory in
// two buffers: the next slice is on its way in registers while one is multiplied, and there is one
// barrier per slice. A warp has WM x WN of the tile and a thread TM x TN of that, in pieces of V
// neighbours (16 bytes), so that shared memory is read in vectors and without bank conflicts.
// Per slice and thread: TM TN BK multiplications on (TM + TN) BK values of shared memory.
// Small grids cut k into parts, whose sums a second kernel adds in order.
#pragma once
#include "core/check.h"
#include "cuda/core/launch.h"
#include "cuda/core/ptx_arch.cuh"
#include "cuda/core/scratch.h"
#include "cuda/core/vec.h"
#include "cuda/kernels/gemm_simt_operand.cuh"

namespace mt::cuda {

template <class Element, int M, int N, int K, int WarpM, int WarpN, int ThreadM, int ThreadN,
          int BlocksPerSM>
struct TileShape {
  using C = Element;  // what sums are kept in
  static constexpr int BM = M, BN = N, BK = K, WM = WarpM, WN = WarpN, TM = ThreadM, TN = ThreadN;
  static constexpr int V = 16 / sizeof(C);
  static constexpr int kWarpsN = BN / WN, kThreads = 32 * (BM / WM) * kWarpsN;
  static constexpr int kLanesM = WM / TM, kLanesN = WN / TN;
  static constexpr int kRowA = BM + V, kRowB = BN + V;  // of a slice in shared memory
  static constexpr int kBlocks = BlocksPerSM;
  static_assert(kLanesM * kLanesN == 32 && TM % V == 0 && TN % V == 0);
  static_assert(BM * BK % (kThreads * V) == 0 && BN * BK % (kThreads * V) == 0);
};

// How a product is cut. Tile t of batch b and part s of k is one block.
struct TileGrid {
  int64_t m, n, k, batch;
  int64_t first_batch;  // of the launch
  int part;             // length of a part of k
  int tiles_m, tiles_n, parts;
};

// Neighbouring tiles share operands: blocks that run together cover 8 rows of tiles.
__device__ __forceinline__ void locate_tile(const TileGrid& g, int tile, int* tm, int* tn) {
  constexpr int kGroup = 8;
  const int per_group = kGroup * g.tiles_n, group = tile / per_group;
  const int first = group * kGroup, rest = tile - group * per_group;
  const int rows = g.tiles_m - first < kGroup ? g.tiles_m - first : kGroup;
  *tm = first + rest % rows;
  *tn = rest / rows;
}

// --- the kernel

template <class S>
struct ThreadTile {
  using C = typename S::C;
  int row, column;  // of the first piece, in the block's tile
  C sum[S::TM][S::TN];

  __device__ __forceinline__ ThreadTile() {
    const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
    row = warp / S::kWarpsN * S::WM + lane / S::kLanesN * S::V;
    column = warp % S::kWarpsN * S::WN + lane % S::kLanesN * S::V;
  }
  // Of sum[r][...] and sum[...][c], in the block's tile.
  __device__ __forceinline__ int row_of(int r) const {
    return row + r / S::V * (S::kLanesM * S::V) + r % S::V;
  }
  __device__ __forceinline__ int column_of(int c) const {
    return column + c / S::V * (S::kLanesN * S::V) + c % S::V;
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int r = 0; r < S::TM; r++)
#pragma unroll
      for (int c = 0; c < S::TN; c++) sum[r][c] = C(0);
  }

  __device__ __forceinline__ void multiply(Shared<C> a, Shared<C> b) {
    constexpr int V = S::V;
    using Piece = Vec<C, V>;
#pragma unroll
    for (int p = 0; p < S::BK; p++) {
      C x[S::TM], y[S::TN];
#pragma unroll
      for (int r = 0; r < S::TM; r += V) {
        const Piece v = shared_cast<Piece>(a + (p * S::kRowA + row_of(r)))[0];
#pragma unroll
        for (int e = 0; e < V; e++) x[r + e] = v.v[e];
      }
#pragma unroll
      for (int c = 0; c < S::TN; c += V) {
        const Piece v = shared_cast<Piece>(b + (p * S::kRowB + column_of(c)))[0];
#pragma unroll
        for (int e = 0; e < V; e++) y[c + e] = v.v[e];
      }
#pragma unroll
      for (int r = 0; r < S::TM; r++)
#pragma unroll
        for (int c = 0; c < S::TN; c++) sum[r][c] += x[r] * y[c];
    }
  }
};

// Store: put(batch, i, j, piece, count) writes C[i][j ... j + min(count, V)); finish(batch, i, j,
// sum) is what is written of a sum, where finishes(). `partial` [part][batch][m][n] takes sums as
// they are, where not null.
template <class S, class LoadA, class LoadB, class Store>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks)
    tile_kernel(const TileGrid grid, const typename LoadA::Source a_source,
                const typename LoadB::Source b_source, const Store store,
                typename S::C* __restrict__ partial) {
  using C = typename S::C;
  using Piece = Vec<C, S::V>;
  constexpr int kSliceA = S::BK * S::kRowA, kSliceB = S::BK * S::kRowB;
  MT_SHARED(Piece, a_pieces, 2 * kSliceA / S::V);
  MT_SHARED(Piece, b_pieces, 2 * kSliceB / S::V);
  const Shared<C> a_slices = shared_cast<C>(a_pieces), b_slices = shared_cast<C>(b_pieces);

  int tm, tn;
  locate_tile(grid, blockIdx.x, &tm, &tn);
  const int64_t k0 = int64_t(blockIdx.y) * grid.part;
  int64_t batch = grid.first_batch + blockIdx.z;
  const int64_t rest = depth_of(b_source, batch, grid.k) - k0;
  int left = rest < grid.part ? int(rest) : grid.part;
  LoadA a(a_source, batch, int64_t(tm) * S::BM, k0);
  LoadB b(b_source, batch, int64_t(tn) * S::BN, k0);
  ThreadTile<S> t;
  t.clear();
  if (left > 0) {
    a.fetch(left);
    b.fetch(left);
    a.put(a_slices);
    b.put(b_slices);
    __syncthreads();
    int buffer = 0;
#pragma unroll 1
    for (; left > 0; left -= S::BK) {
      const bool more = left > S::BK;
      if (more) {
        a.fetch(left - S::BK);
        b.fetch(left - S::BK);
      }
      t.multiply(a_slices + buffer * kSliceA, b_slices + buffer * kSliceB);
      if (more) {
        buffer ^= 1;
        a.put(a_slices + buffer * kSliceA);
        b.put(b_slices + buffer * kSliceB);
        __syncthreads();
      }
    }
  }

  // Found anew: the sums leave no registers to keep the tile's place in.
  locate_tile(grid, ptx::opaque(int(blockIdx.x)), &tm, &tn);
  batch = grid.first_batch + ptx::opaque(int(blockIdx.z));
  const int64_t i0 = int64_t(tm) * S::BM, j0 = int64_t(tn) * S::BN;
  const int rows = grid.m - i0 < S::BM ? int(grid.m - i0) : S::BM;
  const int columns = grid.n - j0 < S::BN ? int(grid.n - j0) : S::BN;
  if (!partial && store.finishes()) {
    // Through memory and a loop: what follows a sum is compiled once and not for each of them.
    C all[S::TM * S::TN];
#pragma unroll
    for (int e = 0; e < S::TM * S::TN; e++) all[e] = t.sum[e / S::TN][e % S::TN];
#pragma unroll 1
    for (int e = 0; e < S::TM * S::TN; e++) {
      const int i = t.row_of(e / S::TN), j = t.column_of(e % S::TN);
      if (i < rows && j < columns) all[e] = store.finish(batch, i0 + i, j0 + j, all[e]);
    }
#pragma unroll
    for (int e = 0; e < S::TM * S::TN; e++) t.sum[e / S::TN][e % S::TN] = all[e];
  }
  C* sums = partial;
  if (partial) sums += ((blockIdx.y * grid.batch + batch) * grid.m + i0) * grid.n + j0;
#pragma unroll
  for (int r = 0; r < S::TM; r++)
#pragma unroll
    for (int c = 0; c < S::TN; c += S::V) {
      const int i = t.row_of(r), j = t.column_of(c);
      if (i >= rows || j >= columns) continue;
      const int count = columns - j;
      Piece piece;
#pragma unroll
      for (int e = 0; e < S::V; e++) piece.v[e] = t.sum[r][c + e];
      if (partial) {
#pragma unroll
        for (int e = 0; e < S::V; e++)
          if (e < count) sums[i * grid.n + j + e] = piece.v[e];
      } else {
        store.put(batch, i0 + i, j0 + j, piece, count);
      }
    }
}

// C = store(sum of the parts).
template <class C, int V, class Store>
__global__ void __launch_bounds__(kThreads)
    add_parts_kernel(const TileGrid grid, const C* __restrict__ partial, const Store store) {
  const int64_t matrix = grid.m * grid.n, all = matrix * grid.batch;
  for (int64_t at = thread_index(); at < all; at += thread_count()) {
    C sum = C(0);
    for (int s = 0; s < grid.parts; s++) sum += partial[s * all + at];
    const int64_t batch = at / matrix, i = at % matrix / grid.n, j = at % grid.n;
    Vec<C, V> piece = {};
    piece.v[0] = store.finishes() ? store.finish(batch, i, j, sum) : sum;
    store.put(batch, i, j, piece, 1);
  }
}

// --- host side

// Parts of k for a product of so many tiles: enough blocks for the largest GPUs, parts of at least
// 256, and the same on every device, so that sums have the same bits on all of them.
inline int parts_of(int64_t tiles, int64_t k) {
  constexpr int64_t kBlocksWanted = 264, kLeastPart = 256, kMostParts = 64, kMostPart = 1 << 30;
  int64_t parts = kBlocksWanted / tiles;
  if (parts > k / kLeastPart) parts = k / kLeastPart;
  if (parts > kMostParts) parts = kMostParts;
  const int64_t least = ceil_div(k, kMostPart);
  if (parts < least) parts = least;
  return int(parts < 1 ? 1 : parts);
}

// Cuts k for so many blocks per part; parts are multiples of `unit`.
inline void cut_depth(TileGrid* grid, int64_t blocks, int64_t unit) {
  grid->parts = parts_of(blocks, grid->k);
  grid->part = int(ceil_div(ceil_div(grid->k, grid->parts), unit) * unit);
  if (grid->k > 0) grid->parts = int(ceil_div(grid->k, grid->part));
}

// launch(blocks, partial) for as many batches at a time as a grid takes (`grid`, which the launch
// reads, says which), then the sum of the parts.
template <class C, class Store, class Launch>
void run_parts(TileGrid& grid, unsigned blocks, const Store& store, const Launch& launch) {
  const int64_t all = grid.batch * grid.m * grid.n;
  const Scratch partial(grid.parts == 1 ? 0 : size_t(grid.parts * all) * sizeof(C));
  constexpr int64_t kMostBatches = 65535;
  for (; grid.first_batch < grid.batch; grid.first_batch += kMostBatches)
    launch(dim3(blocks, unsigned(grid.parts),
                grid_for(grid.batch - grid.first_batch, 1, kMostBatches)),
           grid.parts == 1 ? nullptr : partial.as<C>());
  if (grid.parts > 1)
    MT_LAUNCH((add_parts_kernel<C, 16 / sizeof(C), Store>), grid_for(all, kThreads, 1 << 16),
              kThreads, 0, stream(), grid, partial.as<const C>(), store);
}

template <class S, class LoadA, class LoadB, class Store>
void run_tiles(int64_t m, int64_t n, int64_t k, int64_t batch, const typename LoadA::Source& a,
               const typename LoadB::Source& b, const Store& store) {
  using C = typename S::C;
  TileGrid grid{m, n, k, batch, 0, 0, 0, 0, 1};
  const int64_t tiles_m = ceil_div(m, S::BM), tiles_n = ceil_div(n, S::BN);
  MT_CHECK(tiles_m * tiles_n <= kMaxGrid / 8, "a product of ", m, " x ", n,
           " is too large for one launch");
  grid.tiles_m = int(tiles_m);
  grid.tiles_n = int(tiles_n);
  cut_depth(&grid, tiles_m * tiles_n * batch, S::BK);
  run_parts<C>(grid, unsigned(tiles_m * tiles_n), store, [&](const dim3& blocks, C* partial) {
    MT_LAUNCH((tile_kernel<S, LoadA, LoadB, Store>), blocks, S::kThreads, 0, stream(), grid, a, b,
              store, partial);
  });
}

}  // namespace mt::cuda
