// Scaled dot-product attention without the matrix of scores (Dao et al., 2022), float32 and
// float64:
//   out = softmax(s) v, s = scale q k^T + mask
// Saved: out and lse, the log of the sum of exp(s). A block has a tile of queries and walks the
// keys with a running maximum and sum. Few queries of long sequences cut the keys into parts, which
// a second kernel puts together in order. Values wider than the tile are cut in chunks, each of
// which computes the scores again. Work: 4 queries keys width flops per head; memory: q and out
// once, k and v once per query tile.
#include "ops/attention.h"

#include "cuda/core/scratch.h"
#include "cuda/kernels/attention_mma.h"
#include "cuda/kernels/attention_tile.cuh"

namespace mt::cuda {
namespace {

// The keys cut into parts. sums [part][row of all heads][value_width + 2]: weighted sums of values,
// then maximum and sum of the weights; null where there is one part.
template <class T>
struct KeyParts {
  int count;
  int64_t keys;  // of a part
  T* sums;

  __device__ __forceinline__ T* row(const AttentionArgs& a, int64_t part, int64_t row) const {
    const int64_t rows = a.batch * a.heads * a.queries;
    return sums + (part * rows + row) * (a.value_width + 2);
  }
};

template <class S, class T = typename S::T>
__global__ void __launch_bounds__(kThreads, S::kBlocks)
    attention_forward_kernel(const AttentionArgs a, const InVectors in, T* __restrict__ out,
                             const HeadStrides out_at, T* __restrict__ lse, int tiles, int chunks,
                             const KeyParts<T> parts) {
  using Piece = typename S::Piece;
  MT_SHARED(Piece, slice_pieces, S::kSliceSize / S::V);
  MT_SHARED(Piece, score_pieces, S::kScoreSize / S::V);
  const Shared<T> slice = shared_cast<T>(slice_pieces), scores = shared_cast<T>(score_pieces);
  const Task task(blockIdx.x, a.heads, tiles, chunks, S::kRows);
  const Head<T> head(a, in, task.b, task.h);
  const int64_t i0 = task.first;
  const int first = task.chunk * S::kWidth;
  const int64_t keys_begin = blockIdx.y * parts.keys;
  int64_t keys_end = a.causal && i0 + S::kRows < a.keys ? i0 + S::kRows : a.keys;
  if (keys_begin + parts.keys < keys_end) keys_end = keys_begin + parts.keys;

  T maximum[S::R], total[S::R], sum[S::R][S::J * S::V];
#pragma unroll
  for (int r = 0; r < S::R; r++) {
    maximum[r] = -T(__builtin_inf());
    total[r] = T(0);
#pragma unroll
    for (int e = 0; e < S::J * S::V; e++) sum[r][e] = T(0);
  }
  for (int64_t j0 = keys_begin; j0 < keys_end; j0 += S::kColumns) {
    T score[S::R][S::C];
    tile_scores<S>(head.queries(i0), head.keys(j0), int(a.width), slice, score);
    mask_scores<S, false>(head, i0, j0, score);
#pragma unroll
    for (int r = 0; r < S::R; r++) {
      T m = maximum[r];
#pragma unroll
      for (int c = 0; c < S::C; c++) m = score[r][c] > m ? score[r][c] : m;
      m = row_max(m);
      // Where everything is hidden so far, differences are taken from 0.
      const T origin = m == -T(__builtin_inf()) ? T(0) : m;
      T all = T(0);
#pragma unroll
      for (int c = 0; c < S::C; c++) {
        score[r][c] = fn::exp(score[r][c] - origin);
        all += score[r][c];
      }
      const T correction = fn::exp(maximum[r] - origin);
      total[r] = total[r] * correction + row_sum(all);
      maximum[r] = m;
#pragma unroll
      for (int e = 0; e < S::J * S::V; e++) sum[r][e] *= correction;
    }
    put_scores<S>(score, scores);
    add_weighted<S>(scores, head.values(j0), first, int(a.value_width), slice, sum);
  }
  // Found anew: the sums leave no registers to keep it in.
  const Task own(ptx::opaque(int(blockIdx.x)), a.heads, tiles, chunks, S::kRows);
#pragma unroll
  for (int r = 0; r < S::R; r++) {
    const int64_t i = own.first + tile_y() * S::R + r;
    if (i >= a.queries) continue;
    const int64_t row = (own.b * a.heads + own.h) * a.queries + i;
    if (parts.sums) {
      T* to = parts.row(a, blockIdx.y, row);
#pragma unroll
      for (int e = 0; e < S::J * S::V; e++) {
        const int column = first + sum_column<S>(e);
        if (column < a.value_width) to[column] = sum[r][e];
      }
      if (own.chunk == 0 && tile_x() == 0) {
        to[a.value_width] = maximum[r];
        to[a.value_width + 1] = total[r];
      }
      continue;
    }
    const bool seen = !(total[r] == T(0));
    const T inverse = seen ? T(1) / total[r] : T(0);
    T* to = out + own.b * out_at.batch + own.h * out_at.head + i * out_at.row;
#pragma unroll
    for (int e = 0; e < S::J * S::V; e++) {
      const int column = first + sum_column<S>(e);
      if (column < a.value_width) to[column] = sum[r][e] * inverse;
    }
    if (own.chunk == 0 && tile_x() == 0)
      lse[row] = seen ? maximum[r] + fn::log(total[r]) : T(__builtin_inf());
  }
}

// A thread per element of the result.
template <class T>
__global__ void __launch_bounds__(kThreads)
    attention_add_parts_kernel(const AttentionArgs a, const KeyParts<T> parts, T* __restrict__ out,
                               const HeadStrides out_at, T* __restrict__ lse) {
  const int64_t all = a.batch * a.heads * a.queries * a.value_width;
  for (int64_t at = thread_index(); at < all; at += thread_count()) {
    const int64_t row = at / a.value_width, column = at % a.value_width;
    T maximum = -T(__builtin_inf()), total = T(0), sum = T(0);
    for (int p = 0; p < parts.count; p++) {
      const T m = parts.row(a, p, row)[a.value_width];
      maximum = m > maximum ? m : maximum;
    }
    const T origin = maximum == -T(__builtin_inf()) ? T(0) : maximum;
    for (int p = 0; p < parts.count; p++) {
      const T* from = parts.row(a, p, row);
      const T factor = fn::exp(from[a.value_width] - origin);
      total += from[a.value_width + 1] * factor;
      sum += from[column] * factor;
    }
    const bool seen = !(total == T(0));
    const int64_t i = row % a.queries, h = row / a.queries % a.heads, b = row / a.queries / a.heads;
    out[b * out_at.batch + h * out_at.head + i * out_at.row + column] = seen ? sum / total : T(0);
    if (column == 0) lse[row] = seen ? maximum + fn::log(total) : T(__builtin_inf());
  }
}

template <class S, class T = typename S::T>
void run_forward(const AttentionArgs& a, T* out, const HeadStrides& out_at, T* lse) {
  const int64_t tiles = ceil_div(a.queries, S::kRows), width = a.value_width;
  const int64_t chunks = width > 0 ? ceil_div(width, S::kWidth) : 1;
  const int64_t tasks = a.batch * a.heads * tiles * chunks;
  // Enough blocks for the largest GPUs, of at least 256 keys each; the same on every device.
  constexpr int64_t kBlocksWanted = 264, kLeastKeys = 256;
  int64_t count = a.queries <= 16 && width > 0 ? kBlocksWanted / tasks : 1;
  if (count > a.keys / kLeastKeys) count = a.keys / kLeastKeys;
  KeyParts<T> parts{1, a.keys, nullptr};
  if (count > 1) {
    parts.keys = ceil_div(ceil_div(a.keys, count), S::kColumns) * S::kColumns;
    parts.count = int(ceil_div(a.keys, parts.keys));
  }
  const int64_t rows = a.batch * a.heads * a.queries;
  const Scratch sums(parts.count > 1 ? size_t(parts.count * rows * (width + 2)) * sizeof(T) : 0);
  if (parts.count > 1) parts.sums = sums.as<T>();
  MT_LAUNCH((attention_forward_kernel<S>), dim3(blocks_of(tasks), unsigned(parts.count)), kThreads,
            0, stream(), a, inputs_of<T>(a), out, out_at, lse, int(tiles), int(chunks), parts);
  if (parts.count > 1)
    MT_LAUNCH((attention_add_parts_kernel<T>), grid_for(rows * width, kThreads, 1 << 16), kThreads,
              0, stream(), a, parts, out, out_at, lse);
}

template <class T>
void forward(const AttentionArgs& a, T* out, const HeadStrides& out_at, T* lse) {
  using Tiles = AttentionTiles<T>;
  if (a.batch * a.heads * a.queries == 0) return;
  if (a.queries <= 16) return run_forward<typename Tiles::Few>(a, out, out_at, lse);
  if (a.value_width <= Tiles::Narrow::kWidth)
    return run_forward<typename Tiles::Narrow>(a, out, out_at, lse);
  run_forward<typename Tiles::Wide>(a, out, out_at, lse);
}

// Hopper's tensor cores, where tiles of 128 queries fill half of a large GPU (an estimate).
bool wants_wgmma(const AttentionArgs& a) {
  int device = 0, major = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device);
  if (major != 9 || a.kernel != AttentionKernel::any)
    return major == 9 && a.kernel == AttentionKernel::wgmma;
  return a.queries > 64 && a.batch * a.heads * ceil_div(a.queries, 128) >= 66;
}

void forward_of_16_bits(const AttentionArgs& a, void* out, const HeadStrides& out_at, float* lse) {
  const bool half = a.dtype == DType::Float16;
  if (a.batch * a.heads * a.queries == 0) return;
  auto* wgmma = half ? attention_wgmma_forward_float16 : attention_wgmma_forward_bfloat16;
  if (wants_wgmma(a) && wgmma(a, out, out_at, lse)) return;
  (half ? attention_mma_forward_float16 : attention_mma_forward_bfloat16)(a, out, out_at, lse);
}

}  // namespace

void attention_forward(const AttentionArgs& args, void* out, const HeadStrides& out_at, void* lse) {
  if (itemsize(args.dtype) == 2)
    return forward_of_16_bits(args, out, out_at, static_cast<float*>(lse));
  MT_SWITCH_FLOAT(args.dtype,
                  forward(args, static_cast<scalar_t*>(out), out_at, static_cast<scalar_t*>(lse)))
}

}  // namespace mt::cuda
