// Attention of 16-bit operands with mma.sync and cp.async, sm_80 and up (Dao, 2023):
//   out = softmax(s) v, s = scale q k^T + mask
// A block of 4 warps has a tile of 64 or 128 queries, a warp 16 or 32 of its rows, and walks the
// keys 64 (48 or 32) at a time with a running maximum and sum in float32. While scores are made of
// the keys the values of the same tile arrive, while those are summed up the next keys. Weights go
// from the registers of one product to those of the next. Few queries of long sequences cut the
// keys into parts, which a second kernel puts together in order. Work: 4 queries keys width flops
// per head, half of it where causal; memory: q and out once, k and v once per tile of queries: 64
// flops per byte of the second-level cache for tiles of 128.
#pragma once
#include <algorithm>
#include <type_traits>

#include "cuda/core/scratch.h"
#include "cuda/kernels/attention_mma.h"
#include "cuda/kernels/attention_mma_tile.cuh"

namespace mt::cuda {

template <class Element, int Width, int Pieces, int Keys, int BlocksPerMultiprocessor>
struct ForwardShape {
  using T = Element;
  static constexpr int W = Width, P = Pieces, N = Keys / 8;
  static constexpr int kSteps = W > 64 ? 2 : ptx::kSm90 ? 1 : 4;  // without spills
  static constexpr int kWarps = 4, kThreads = kWarps * 32, kBlocks = BlocksPerMultiprocessor;
  static constexpr int kRows = kWarps * 16 * P, kKeys = Keys;
  static constexpr int kQueryBytes = kRows * W * 2, kKeyBytes = kKeys * W * 2;
  static constexpr int kShared = kQueryBytes + 2 * kKeyBytes;
};

// The keys cut into parts of `keys`. sums [part][row of all heads][value_width + 2]: weighted sums
// of values, then maximum (log2) and sum of the weights; null where there is one part, as always in
// tiles of 128 queries.
struct KeyCuts {
  int count, keys;
  float* sums;

  __device__ __forceinline__ float* row(const AttentionArgs& a, int64_t part, int64_t row) const {
    return sums + (part * a.batch * a.heads * a.queries + row) * (a.value_width + 2);
  }
};

template <class S, bool kGeneral, class T = typename S::T>
__global__ void __launch_bounds__(S::kThreads, S::kBlocks - (kGeneral && S::kBlocks > 2))
    attention_mma_forward_kernel(const AttentionArgs a, T* __restrict__ out,
                                 const HeadStrides out_at, float* __restrict__ lse, int tiles,
                                 const KeyCuts cuts) {
  using Tile = RowTile<S::W>;
  constexpr int P = S::P, N = S::N, M = S::W / 8;
  MT_DYN_SHARED(char, smem);
  const Shared<char> keys_tile = smem + S::kQueryBytes, values_tile = keys_tile + S::kKeyBytes;
  const TileTask task(int(a.heads), tiles, S::kRows, a.causal);
  const int i0 = task.first, lane = int(threadIdx.x) % 32;
  const int warp_row = __shfl_sync(0xffffffffu, int(threadIdx.x) / 32, 0) * 16 * P;
  const int queries = int(a.queries), begin = P == 1 ? int(blockIdx.y) * cuts.keys : 0;
  int end = P == 1 ? min(int(a.keys), begin + cuts.keys) : int(a.keys);
  if (a.causal) end = min(end, i0 + S::kRows);
  const int kv_head = task.h / int(a.heads / a.kv_heads);
  const Shared<char> own_rows = smem + warp_row * Tile::kRowBytes;

  TileLoader<T, S::W, S::kRows, S::kThreads> query_loader(
      row_of<const T>(a.q, a.q_at, task.b, task.h, i0), a.q_at.row, a.width);
  TileLoader<T, S::W, S::kKeys, S::kThreads> key_loader(
      row_of<const T>(a.k, a.k_at, task.b, kv_head, begin), a.k_at.row, a.width);
  TileLoader<T, S::W, S::kKeys, S::kThreads> value_loader(
      row_of<const T>(a.v, a.v_at, task.b, kv_head, begin), a.v_at.row, a.value_width);
  query_loader.next(smem, a.q_at.row, queries - i0);
  key_loader.next(keys_tile, a.k_at.row, end - begin);
  ptx::cp_async_commit();

  const Scores<kGeneral> scores(a, task.b, task.h);
  const int left = Tile::left_lane(), right = Tile::right_lane();
  float sum[P][M][4], maximum[P][2], total[P][2];
  set_zero(sum);
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int half = 0; half < 2; half++) maximum[p][half] = kLowest, total[p][half] = 0.0f;

#pragma unroll 1
  for (int j0 = begin; j0 < end; j0 += S::kKeys) {
    ptx::cp_async_wait<0>();
    __syncthreads();  // the keys have landed for all, the last values are free
    value_loader.next(values_tile, a.v_at.row, end - j0);
    ptx::cp_async_commit();
    float s[P][N][4];
    set_zero(s);
    add_scores<T, S::W, S::kSteps>(own_rows, left, keys_tile, right, s);
    ptx::cp_async_wait<0>();
    __syncthreads();  // the values have landed for all, the keys are free
    key_loader.next(keys_tile, a.k_at.row, end - j0 - S::kKeys);  // past the end: zeros
    ptx::cp_async_commit();

    scores.template mask<T, false>(i0 + warp_row + lane / 4, j0 + lane % 4 * 2, s);
    float high[P][2];
    bool moves = false;
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float m = -kInfinity;
#pragma unroll
        for (int n = 0; n < N; n++) m = fmaxf(m, fmaxf(s[p][n][half * 2], s[p][n][half * 2 + 1]));
        high[p][half] = m * scores.factor;
        moves = moves || high[p][half] > maximum[p][half] + kSlack;
      }
    if (__any_sync(0xffffffffu, moves)) {
#pragma unroll
      for (int p = 0; p < P; p++)
#pragma unroll
        for (int half = 0; half < 2; half++) {
          const float m = fmaxf(row_max(high[p][half]), maximum[p][half]);
          const float correction = ptx::exp2_approx(maximum[p][half] - m);
          maximum[p][half] = m;
          total[p][half] *= correction;
#pragma unroll
          for (int n = 0; n < M; n++)
#pragma unroll
            for (int e = half * 2; e < half * 2 + 2; e++) sum[p][n][e] *= correction;
        }
    }
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float all = 0.0f;
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
          for (int e = half * 2; e < half * 2 + 2; e++) {
            s[p][n][e] = ptx::exp2_approx(s[p][n][e] * scores.factor - maximum[p][half]);
            all += s[p][n][e];
          }
        total[p][half] += all;
      }
    if (kGeneral && a.drop)
      drop(scores.template kept<false, P, N>(i0 + warp_row + lane / 4, j0 + lane % 4 * 2),
           a.keep_scale, s);
    add_weighted_rows<T, S::W>(s, values_tile, left, 0, sum);
  }
  ptx::cp_async_wait_all();
  __syncthreads();  // queries that see no key, too, have landed before they are written over

  const int64_t row0 = (task.b * a.heads + task.h) * a.queries + i0 + warp_row + lane / 4;
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = p * 16 + half * 8;
      const bool there = i0 + warp_row + lane / 4 + row < queries;
      const float all = row_sum(total[p][half]), m = maximum[p][half];
      if (P == 1 && cuts.sums) {
        if (!there) continue;
        float* to = cuts.row(a, blockIdx.y, row0 + row);
#pragma unroll
        for (int n = 0; n < M; n++) {
          const int column = n * 8 + lane % 4 * 2;
          if (column < a.value_width)
            *reinterpret_cast<float2*>(to + column) =
                make_float2(sum[p][n][half * 2], sum[p][n][half * 2 + 1]);
        }
        if (lane % 4 == 0) *reinterpret_cast<float2*>(to + a.value_width) = make_float2(m, all);
        continue;
      }
      const bool seen = !(all == 0.0f);
      const float inverse = seen ? 1.0f / all : 0.0f;
#pragma unroll
      for (int n = 0; n < M; n++)
#pragma unroll
        for (int e = half * 2; e < half * 2 + 2; e++) sum[p][n][e] *= inverse;
      if (there && lane % 4 == 0) lse[row0 + row] = seen ? m + log2f(all) : kInfinity;
    }
  if (P == 1 && cuts.sums) return;
  store_rows<T>(sum, own_rows, row_of<T>(out, out_at, task.b, task.h, i0 + warp_row), out_at.row,
                queries - i0 - warp_row, int(a.value_width));
}

// A warp puts the parts of one row together, a lane two columns at a time.
template <class T>
__global__ void __launch_bounds__(128)
    attention_mma_join_kernel(const AttentionArgs a, T* __restrict__ out, const HeadStrides out_at,
                              float* __restrict__ lse, const KeyCuts cuts) {
  const int64_t row = int64_t(blockIdx.x) * 4 + threadIdx.x / 32;
  if (row >= a.batch * a.heads * a.queries) return;
  const int lane = int(threadIdx.x) % 32;
  float maximum = kLowest, total = 0.0f;
  for (int part = 0; part < cuts.count; part++)
    maximum = fmaxf(maximum, cuts.row(a, part, row)[a.value_width]);
  for (int part = 0; part < cuts.count; part++) {
    const float* from = cuts.row(a, part, row) + a.value_width;
    total += from[1] * ptx::exp2_approx(from[0] - maximum);
  }
  const bool seen = !(total == 0.0f);
  const float inverse = seen ? 1.0f / total : 0.0f;
  const int queries = int(a.queries), heads = int(a.heads);
  const int i = int(row % queries), head = int(row / queries), h = head % heads, b = head / heads;
  T* to = row_of<T>(out, out_at, b, h, i);
  for (int column = lane * 2; column < a.value_width; column += 64) {
    float x = 0.0f, y = 0.0f;
    for (int part = 0; part < cuts.count; part++) {
      const float* from = cuts.row(a, part, row);
      const float factor = ptx::exp2_approx(from[a.value_width] - maximum);
      const float2 v = *reinterpret_cast<const float2*>(from + column);
      x += v.x * factor;
      y += v.y * factor;
    }
    *reinterpret_cast<uint32_t*>(to + column) = ptx::pack_two<T>(x * inverse, y * inverse);
  }
  if (lane == 0) lse[row] = seen ? maximum + log2f(total) : kInfinity;
}

// --- host side

template <class S, bool kGeneral>
void launch_forward(const AttentionArgs& a, typename S::T* out, const HeadStrides& out_at,
                    float* lse) {
  using T = typename S::T;
  const int64_t tiles = ceil_div(a.queries, S::kRows), rows = a.batch * a.heads * a.queries;
  const int64_t tasks = a.batch * a.heads * tiles;
  // Enough blocks for the largest GPUs, of at least 256 keys each; the same on every device.
  constexpr int64_t kBlocksWanted = 264, kLeastKeys = 256;
  const int64_t count =
      S::P == 1 && a.queries <= S::kRows ? std::min(kBlocksWanted / tasks, a.keys / kLeastKeys) : 1;
  KeyCuts cuts{1, int(a.keys), nullptr};
  if (count > 1) {
    cuts.keys = int(ceil_div(ceil_div(a.keys, count), S::kKeys) * S::kKeys);
    cuts.count = int(ceil_div(a.keys, cuts.keys));
  }
  const Scratch sums(cuts.count > 1 ? size_t(cuts.count * rows * (a.value_width + 2)) * 4 : 0);
  if (cuts.count > 1) cuts.sums = sums.as<float>();
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&attention_mma_forward_kernel<S, kGeneral>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, S::kShared);
  MT_LAUNCH((attention_mma_forward_kernel<S, kGeneral>), dim3(grid_of(tasks), unsigned(cuts.count)),
            S::kThreads, S::kShared, stream(), a, out, out_at, lse, int(tiles), cuts);
  if (cuts.count > 1)
    MT_LAUNCH((attention_mma_join_kernel<T>), grid_of(ceil_div(rows, 4)), 128, 0, stream(), a, out,
              out_at, lse, cuts);
}

template <class S>
void run_forward(const AttentionArgs& a, typename S::T* out, const HeadStrides& out_at,
                 float* lse) {
  // Without room for what a mask needs the tile is halved.
  constexpr bool kTight = S::W == 128 && S::P == 2;
  using General = std::conditional_t<kTight, ForwardShape<typename S::T, 128, 1, 64, 3>, S>;
  if (is_general(a)) launch_forward<General, true>(a, out, out_at, lse);
  else launch_forward<S, false>(a, out, out_at, lse);
}

// One query per head: the heads that share keys and values become the rows of one tile.
inline void fold_group(AttentionArgs& a, HeadStrides& out_at) {
  const int64_t group = a.heads / a.kv_heads;
  if (a.queries != 1 || group == 1 || a.causal) return;
  for (HeadStrides* at : {&a.q_at, &a.mask_at, &out_at}) {
    at->row = at->head;
    at->head *= group;
  }
  a.heads = a.kv_heads;
  a.queries = group;
}

template <class T>
void mma_forward(AttentionArgs a, T* out, HeadStrides out_at, float* lse) {
  if (a.batch * a.heads * a.queries == 0) return;
  fold_group(a, out_at);
  const int64_t width = std::max(a.width, a.value_width);
  // Smaller tiles where large ones leave multiprocessors idle.
  const bool small =
      a.queries <= 64 || a.batch * a.heads * ceil_div(a.queries, 128) < kMultiprocessors;
  if (width > 128) return run_forward<ForwardShape<T, 256, 1, 32, 2>>(a, out, out_at, lse);
  if (width > 64)
    return small ? run_forward<ForwardShape<T, 128, 1, 64, 3>>(a, out, out_at, lse)
                 : run_forward<ForwardShape<T, 128, 2, 32, 2>>(a, out, out_at, lse);
  if (width > 32)
    return small ? run_forward<ForwardShape<T, 64, 1, 64, 3>>(a, out, out_at, lse)
                 : run_forward<ForwardShape<T, 64, 2, 48, 3>>(a, out, out_at, lse);
  run_forward<ForwardShape<T, 32, 1, 64, 4>>(a, out, out_at, lse);
}

}  // namespace mt::cuda
