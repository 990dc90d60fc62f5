// Gradients of attention of 16-bit operands with mma.sync and cp.async, sm_80 and up (Dao, 2023):
//   p = exp(s - lse), delta = rowsum(dout * out), ds = p (dout v^T - delta)
//   dv = p^T dout,  dk = scale ds^T q,  dq = scale ds k
// With dropout, p of dv and dout v^T are multiplied by what it makes of each weight.
// A block keeps a tile of rows of two matrices and walks the rows of two others, a warp owns 16 or
// 32 rows of the tile. Where the tile is of keys (k and v), it walks queries (q and dout) of all
// heads of a group in order and makes s^T; where it is of queries, it walks keys. Scores are the
// left operands of the sums as they lie in registers; no sum depends on the order of blocks. Work:
// 14 queries keys width flops per head, half of it where causal (scores and dout v^T are made on
// both sides, which saves atomic sums); memory: four tensors per tile, the gradients once.
#pragma once
#include <algorithm>

#include "cuda/core/scratch.h"
#include "cuda/kernels/attention_mma.h"
#include "cuda/kernels/attention_mma_tile.cuh"

namespace mt::cuda {

// Sums of a width that registers cannot hold are cut in chunks of columns, a block each.
template <class Element, bool KeyRows, int Width, int SumWidth, int Pieces, int Columns,
          int BlocksPerMultiprocessor>
struct BackwardShape {
  using T = Element;
  static constexpr bool kKeyRows = KeyRows;
  static constexpr int W = Width, P = Pieces, N = Columns / 8, M = SumWidth / 8;
  static constexpr int kWarps = 4, kThreads = kWarps * 32, kBlocks = BlocksPerMultiprocessor;
  static constexpr int kRows = kWarps * 16 * P, kColumns = Columns, kChunks = Width / SumWidth;
  static constexpr int kRowBytes = kRows * W * 2, kColumnBytes = kColumns * W * 2;
  // Of a stage: two tiles, and what is known of each query.
  static constexpr int kStage = 2 * kColumnBytes + (KeyRows ? kColumns * 8 : 0);
  static constexpr int kShared = 2 * kRowBytes + 2 * kStage;
};

// Of each query [batch][head][query]: lse in units of log2, and delta.
using QueryNumbers = float2;

// 8 lanes per row.
template <class T>
__global__ void __launch_bounds__(128)
    attention_mma_delta_kernel(const AttentionArgs a, const AttentionGradients g,
                               QueryNumbers* __restrict__ numbers) {
  const int64_t row = int64_t(blockIdx.x) * 16 + threadIdx.x / 8;
  const bool there = row < a.batch * a.heads * a.queries;
  const int queries = int(a.queries), heads = int(a.heads);
  const int i = int(row % queries), head = int(row / queries), h = head % heads, b = head / heads;
  float sum = 0.0f;
  if (there) {
    using Piece = Vec<T, 8>;
    const T* out = row_of<const T>(g.out, g.out_at, b, h, i);
    const T* dout = row_of<const T>(g.dout, g.dout_at, b, h, i);
    for (int c = threadIdx.x % 8 * 8; c < a.value_width; c += 64) {
      const Piece x = *reinterpret_cast<const Piece*>(out + c);
      const Piece y = *reinterpret_cast<const Piece*>(dout + c);
#pragma unroll
      for (int e = 0; e < 8; e++) sum += load(x.v[e]) * load(y.v[e]);
    }
  }
  for (int step = 4; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (there && threadIdx.x % 8 == 0) numbers[row] = make_float2(g.lse[row], sum);
}

template <class S, bool kGeneral, class T = typename S::T>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks - (kGeneral && S::kBlocks > 2))
    attention_mma_backward_kernel(const AttentionArgs a, const AttentionGradients g,
                                  const QueryNumbers* __restrict__ numbers, int tiles) {
  using Tile = RowTile<S::W>;
  constexpr bool kKeyRows = S::kKeyRows;
  constexpr int P = S::P, N = S::N, M = S::M;
  MT_DYN_SHARED(char, smem);
  const Shared<char> ring = smem + 2 * S::kRowBytes;
  const int lane = int(threadIdx.x) % 32;
  const int warp_row = __shfl_sync(0xffffffffu, int(threadIdx.x) / 32, 0) * 16 * P;
  const Shared<char> rows1 = smem + warp_row * Tile::kRowBytes, rows2 = rows1 + S::kRowBytes;

  const TileTask task(int(kKeyRows ? a.kv_heads : a.heads), tiles, S::kRows, !kKeyRows && a.causal);
  const int group = int(a.heads / a.kv_heads), column0 = int(blockIdx.y) * M * 8;
  const int row0 = task.first, rows = int(kKeyRows ? a.keys : a.queries) - row0;
  const int first_head = kKeyRows ? task.h * group : task.h;
  const int kv_head = kKeyRows ? task.h : task.h / group;
  // The other side, of which a tile of scores has columns.
  const int begin = kKeyRows && a.causal ? row0 / S::kColumns * S::kColumns : 0;
  int end = int(kKeyRows ? a.queries : a.keys);
  if (!kKeyRows && a.causal) end = min(end, row0 + S::kRows);

  const HeadStrides& q_at = a.q_at;
  {
    const int h = task.h;
    TileLoader<T, S::W, S::kRows, S::kThreads> one(
        kKeyRows ? row_of<const T>(a.k, a.k_at, task.b, h, row0)
                 : row_of<const T>(a.q, q_at, task.b, h, row0),
        kKeyRows ? a.k_at.row : q_at.row, a.width);
    TileLoader<T, S::W, S::kRows, S::kThreads> two(
        kKeyRows ? row_of<const T>(a.v, a.v_at, task.b, h, row0)
                 : row_of<const T>(g.dout, g.dout_at, task.b, h, row0),
        kKeyRows ? a.v_at.row : g.dout_at.row, a.value_width);
    one.next(smem, kKeyRows ? a.k_at.row : q_at.row, rows);
    two.next(smem + S::kRowBytes, kKeyRows ? a.v_at.row : g.dout_at.row, rows);
  }
  using ColumnLoader = TileLoader<T, S::W, S::kColumns, S::kThreads>;
  const int64_t step1 = kKeyRows ? q_at.row : a.k_at.row;
  const int64_t step2 = kKeyRows ? g.dout_at.row : a.v_at.row;
  auto loader1 = [&](int h) {
    return ColumnLoader(kKeyRows ? row_of<const T>(a.q, q_at, task.b, h, begin)
                                 : row_of<const T>(a.k, a.k_at, task.b, kv_head, begin),
                        step1, a.width);
  };
  auto loader2 = [&](int h) {
    return ColumnLoader(kKeyRows ? row_of<const T>(g.dout, g.dout_at, task.b, h, begin)
                                 : row_of<const T>(a.v, a.v_at, task.b, kv_head, begin),
                        step2, a.value_width);
  };
  ColumnLoader one = loader1(first_head), two = loader2(first_head);
  auto load_columns = [&](int h, int at, int stage) {
    const Shared<char> to = ring + stage * S::kStage;
    one.next(to, step1, end - at);
    two.next(to + S::kColumnBytes, step2, end - at);
    const int c = int(threadIdx.x);
    if (kKeyRows && c < S::kColumns)
      ptx::cp_async<8>(raw(to + (2 * S::kColumnBytes + c * 8)),
                       numbers + (task.b * a.heads + h) * a.queries + at + c,
                       at + c < end ? 8u : 0u);
    ptx::cp_async_commit();
  };

  const int left = Tile::left_lane(), right = Tile::right_lane();
  float sum1[P][M][4], sum2[kKeyRows ? P : 1][kKeyRows ? M : 1][4];
  set_zero(sum1);
  set_zero(sum2);
  float lse[P][2], delta[P][2];  // of this lane's rows
  if constexpr (!kKeyRows) {
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int row = warp_row + p * 16 + half * 8 + lane / 4;
        const QueryNumbers of = row < rows
                                    ? numbers[(task.b * a.heads + task.h) * a.queries + row0 + row]
                                    : make_float2(kInfinity, 0.0f);
        lse[p][half] = of.x;
        delta[p][half] = of.y;
      }
  }

  const int heads_end = first_head + (kKeyRows ? group : 1);
  int h = first_head, at = begin, stage = 0;
  if (begin < end) load_columns(h, at, 0);
  else h = heads_end;
#pragma unroll 1
  while (h < heads_end) {
    ptx::cp_async_wait<0>();
    __syncthreads();  // this stage has landed for all, the other one is free
    int next_h = h, next = at + S::kColumns;
    if (next >= end) {
      next_h++;
      next = begin;
      if (kKeyRows && next_h < heads_end) {
        one = loader1(next_h);
        two = loader2(next_h);
      }
    }
    if (next_h < heads_end) load_columns(next_h, next, stage ^ 1);
    const Scores<kGeneral> scores(a, task.b, h);
    const Shared<char> columns1 = ring + stage * S::kStage;
    const Shared<char> columns2 = columns1 + S::kColumnBytes;
    float s[P][N][4], ds[P][N][4];
    set_zero(s);
    add_scores<T, S::W, 2>(rows1, left, columns1, right, s);
    scores.template mask<T, kKeyRows>(row0 + warp_row + lane / 4, at + lane % 4 * 2, s);
    float delta_of[N][2];  // of columns
#pragma unroll
    for (int n = 0; n < N; n++) {
      float4 of = {};  // lse and delta of two columns
      if constexpr (kKeyRows) {
        of = shared_cast<float4>(columns1 + (2 * S::kColumnBytes + (n * 8 + lane % 4 * 2) * 8))[0];
        delta_of[n][0] = of.y;
        delta_of[n][1] = of.w;
      }
#pragma unroll
      for (int p = 0; p < P; p++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const float l = kKeyRows ? (e % 2 ? of.z : of.x) : lse[p][e / 2];
          s[p][n][e] = ptx::exp2_approx(s[p][n][e] * scores.factor - l);
        }
    }
    uint64_t kept = 0;
    if (kGeneral && a.drop)
      kept = scores.template kept<kKeyRows, P, N>(row0 + warp_row + lane / 4, at + lane % 4 * 2);
    if constexpr (kKeyRows) {
      if (kGeneral && a.drop) {
        // What the sum takes is the dropped weight, what follows the weight itself.
        float dropped[P][N][4];
#pragma unroll
        for (int p = 0; p < P; p++)
#pragma unroll
          for (int n = 0; n < N; n++)
#pragma unroll
            for (int e = 0; e < 4; e++) dropped[p][n][e] = s[p][n][e];
        drop(kept, a.keep_scale, dropped);
        add_weighted_rows<T, S::W>(dropped, columns2, left, column0, sum2);
      } else {
        add_weighted_rows<T, S::W>(s, columns2, left, column0, sum2);
      }
    }
    set_zero(ds);
    add_scores<T, S::W, 2>(rows2, left, columns2, right, ds);
    if (kGeneral && a.drop) drop(kept, a.keep_scale, ds);
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
      for (int p = 0; p < P; p++)
#pragma unroll
        for (int e = 0; e < 4; e++)
          ds[p][n][e] =
              s[p][n][e] * (ds[p][n][e] - (kKeyRows ? delta_of[n][e % 2] : delta[p][e / 2]));
    add_weighted_rows<T, S::W>(ds, columns1, left, column0, sum1);
    h = next_h;
    at = next;
    stage ^= 1;
  }
  ptx::cp_async_wait_all();
  __syncthreads();  // a tile without columns, too, has landed before it is written over

#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int e = 0; e < 4; e++) sum1[p][m][e] *= float(a.scale);
  const int first = row0 + warp_row, there = rows - warp_row;
  if constexpr (kKeyRows) {
    store_rows<T>(sum1, rows1, row_of<T>(g.dk, g.dk_at, task.b, task.h, first) + column0,
                  g.dk_at.row, there, int(a.width) - column0);
    store_rows<T>(sum2, rows2, row_of<T>(g.dv, g.dv_at, task.b, task.h, first) + column0,
                  g.dv_at.row, there, int(a.value_width) - column0);
  } else {
    store_rows<T>(sum1, rows1, row_of<T>(g.dq, g.dq_at, task.b, task.h, first) + column0,
                  g.dq_at.row, there, int(a.width) - column0);
  }
}

// --- host side

template <class S, bool kGeneral>
void launch_backward(const AttentionArgs& a, const AttentionGradients& g,
                     const QueryNumbers* numbers) {
  const int64_t tiles = ceil_div(S::kKeyRows ? a.keys : a.queries, S::kRows);
  const int64_t tasks = a.batch * (S::kKeyRows ? a.kv_heads : a.heads) * tiles;
  if (tasks == 0) return;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&attention_mma_backward_kernel<S, kGeneral>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, S::kShared);
  MT_LAUNCH((attention_mma_backward_kernel<S, kGeneral>), dim3(grid_of(tasks), S::kChunks),
            S::kThreads, S::kShared, stream(), a, g, numbers, int(tiles));
}

template <class T, class Keys, class Queries>
void run_backward(const AttentionArgs& a, const AttentionGradients& g,
                  const QueryNumbers* numbers) {
  if (is_general(a)) {
    launch_backward<Keys, true>(a, g, numbers);
    launch_backward<Queries, true>(a, g, numbers);
  } else {
    launch_backward<Keys, false>(a, g, numbers);
    launch_backward<Queries, false>(a, g, numbers);
  }
}

template <class T>
void mma_backward(const AttentionArgs& a, const AttentionGradients& g) {
  const int64_t rows = a.batch * a.heads * a.queries;
  const Scratch scratch(size_t(rows) * sizeof(QueryNumbers));
  QueryNumbers* numbers = scratch.as<QueryNumbers>();
  if (rows > 0)
    MT_LAUNCH((attention_mma_delta_kernel<T>), grid_of(ceil_div(rows, 16)), 128, 0, stream(), a, g,
              numbers);
  const int64_t width = std::max(a.width, a.value_width);
  // kKeyRows, width, width of sums, pieces of rows, columns, blocks
  if (width > 128)
    run_backward<T, BackwardShape<T, true, 256, 128, 1, 32, 1>,
                 BackwardShape<T, false, 256, 256, 1, 32, 1>>(a, g, numbers);
  else if (width > 64)
    run_backward<T, BackwardShape<T, true, 128, 128, 1, 32, 2>,
                 BackwardShape<T, false, 128, 128, 1, 32, 3>>(a, g, numbers);
  else if (width > 32)
    run_backward<T, BackwardShape<T, true, 64, 64, 2, 32, 2>,
                 BackwardShape<T, false, 64, 64, 2, 32, 2>>(a, g, numbers);
  else
    run_backward<T, BackwardShape<T, true, 32, 32, 2, 32, 2>,
                 BackwardShape<T, false, 32, 32, 2, 32, 3>>(a, g, numbers);
}

}  // namespace mt::cuda
