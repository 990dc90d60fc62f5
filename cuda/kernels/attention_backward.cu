// Gradients of scaled dot-product attention, float32 and float64:
//   p = exp(s - lse), D = rowsum(dout * out)
//   dv = p^T dout,  ds = p (dout v^T - D) scale,  dq = ds k,  dk = ds^T q
// A block has a tile of queries (dq) or of keys (dk, dv) and walks the other side; sums go over the
// heads of a group and over tiles in order, so that bits are the same every time.
// Work: 14 queries keys width flops per head (scores and dout v^T are computed on both sides).
#include "cuda/core/scratch.h"
#include "cuda/kernels/attention_mma.h"
#include "cuda/kernels/attention_tile.cuh"

namespace mt::cuda {
namespace {

template <class T>
struct Gradients {
  const T *out, *dout, *lse, *delta;
  T *dq, *dk, *dv;
  HeadStrides out_at, dout_at, dq_at, dk_at, dv_at;
};

// delta[b][h][i] = sum over columns of out * dout: a warp per row.
template <class T>
__global__ void __launch_bounds__(kThreads)
    attention_delta_kernel(const AttentionArgs a, const Gradients<T> g, T* __restrict__ delta) {
  const int64_t row = (int64_t(blockIdx.x) * kThreads + threadIdx.x) / 32;
  if (row >= a.batch * a.heads * a.queries) return;
  const int64_t i = row % a.queries, h = row / a.queries % a.heads, b = row / a.queries / a.heads;
  const T* out = Head<T>::at(g.out, g.out_at, b, h, i);
  const T* dout = Head<T>::at(g.dout, g.dout_at, b, h, i);
  T sum = T(0);
  for (int64_t c = threadIdx.x % 32; c < a.value_width; c += 32) sum += out[c] * dout[c];
  for (int step = 16; step > 0; step /= 2) sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (threadIdx.x % 32 == 0) delta[row] = sum;
}

template <class S, class T = typename S::T>
__global__ void __launch_bounds__(kThreads, 1)
    attention_backward_query_kernel(const AttentionArgs a, const InVectors in, const Gradients<T> g,
                                    int tiles, int chunks) {
  using Piece = typename S::Piece;
  MT_SHARED(Piece, slice_pieces, S::kSliceSize / S::V);
  MT_SHARED(Piece, score_pieces, S::kScoreSize / S::V);
  const Shared<T> slice = shared_cast<T>(slice_pieces), scores = shared_cast<T>(score_pieces);
  const Task task(blockIdx.x, a.heads, tiles, chunks, S::kRows);
  const Head<T> head(a, in, task.b, task.h);
  const int64_t i0 = task.first, row0 = i0 + tile_y() * S::R;
  const int first = task.chunk * S::kWidth;
  const int64_t keys_end = a.causal && i0 + S::kRows < a.keys ? i0 + S::kRows : a.keys;
  const Rows<T> queries = head.queries(i0);
  const Rows<T> dout = head.rows(g.dout, g.dout_at, task.h, i0, a.queries, in.dout);

  T sum[S::R][S::J * S::V];
#pragma unroll
  for (int r = 0; r < S::R; r++)
#pragma unroll
    for (int e = 0; e < S::J * S::V; e++) sum[r][e] = T(0);
  for (int64_t j0 = 0; j0 < keys_end; j0 += S::kColumns) {
    const Rows<T> keys = head.keys(j0);
    T score[S::R][S::C], dp[S::R][S::C];
    tile_scores<S>(queries, keys, int(a.width), slice, score);
    mask_scores<S, false>(head, i0, j0, score);
    tile_scores<S>(dout, head.values(j0), int(a.value_width), slice, dp);
    // Read for every tile: the sums leave no registers to keep them in.
    const int64_t row = (task.b * a.heads + task.h) * a.queries + row0;
#pragma unroll
    for (int r = 0; r < S::R; r++) {
      const bool there = row0 + r < a.queries;
      const T lse = there ? g.lse[row + r] : T(__builtin_inf());
      const T delta = there ? g.delta[row + r] : T(0);
#pragma unroll
      for (int c = 0; c < S::C; c++)
        score[r][c] = fn::exp(score[r][c] - lse) * (dp[r][c] - delta) * T(a.scale);
    }
    put_scores<S>(score, scores);
    add_weighted<S>(scores, keys, first, int(a.width), slice, sum);
  }
  const Task own(ptx::opaque(int(blockIdx.x)), a.heads, tiles, chunks, S::kRows);
#pragma unroll
  for (int r = 0; r < S::R; r++) {
    const int64_t i = own.first + tile_y() * S::R + r;
    if (i >= a.queries) continue;
    T* to = g.dq + own.b * g.dq_at.batch + own.h * g.dq_at.head + i * g.dq_at.row;
#pragma unroll
    for (int e = 0; e < S::J * S::V; e++) {
      const int column = first + sum_column<S>(e);
      if (column < a.width) to[column] = sum[r][e];
    }
  }
}

// Rows of a tile are keys here and columns are queries.
template <class S, class T = typename S::T>
__global__ void __launch_bounds__(kThreads, 1)
    attention_backward_key_kernel(const AttentionArgs a, const InVectors in, const Gradients<T> g,
                                  int tiles, int chunks) {
  using Piece = typename S::Piece;
  MT_SHARED(Piece, slice_pieces, S::kSliceSize / S::V);
  MT_SHARED(Piece, score_pieces, S::kScoreSize / S::V);
  const Shared<T> slice = shared_cast<T>(slice_pieces), scores = shared_cast<T>(score_pieces);
  const Task task(blockIdx.x, a.kv_heads, tiles, chunks, S::kRows);
  const int64_t group = a.heads / a.kv_heads, j0 = task.first, row0 = j0 + tile_y() * S::R;
  const int first = task.chunk * S::kWidth;
  const int64_t queries_begin = a.causal ? j0 / S::kColumns * S::kColumns : 0;

  T dk[S::R][S::J * S::V], dv[S::R][S::J * S::V];
#pragma unroll
  for (int r = 0; r < S::R; r++)
#pragma unroll
    for (int e = 0; e < S::J * S::V; e++) dk[r][e] = dv[r][e] = T(0);
  for (int64_t h = task.h * group; h < (task.h + 1) * group; h++) {
    const Head<T> head(a, in, task.b, int(h));
    const Rows<T> keys = head.keys(j0), values = head.values(j0);
    for (int64_t i0 = queries_begin; i0 < a.queries; i0 += S::kColumns) {
      const Rows<T> queries = head.queries(i0);
      const Rows<T> dout = head.rows(g.dout, g.dout_at, h, i0, a.queries, in.dout);
      T p[S::R][S::C], ds[S::R][S::C];
      tile_scores<S>(keys, queries, int(a.width), slice, p);
      mask_scores<S, true>(head, j0, i0, p);
      tile_scores<S>(values, dout, int(a.value_width), slice, ds);
#pragma unroll
      for (int c = 0; c < S::C; c++) {
        const int64_t i = i0 + tile_x() + 16 * c, row = (task.b * a.heads + h) * a.queries + i;
        const bool there = i < a.queries;
        const T lse = there ? g.lse[row] : T(__builtin_inf()), delta = there ? g.delta[row] : T(0);
#pragma unroll
        for (int r = 0; r < S::R; r++) {
          p[r][c] = fn::exp(p[r][c] - lse);
          ds[r][c] = p[r][c] * (ds[r][c] - delta) * T(a.scale);
        }
      }
      put_scores<S>(p, scores);
      add_weighted<S>(scores, dout, first, int(a.value_width), slice, dv);
      __syncthreads();
      put_scores<S>(ds, scores);
      add_weighted<S>(scores, queries, first, int(a.width), slice, dk);
    }
  }
#pragma unroll
  for (int r = 0; r < S::R; r++) {
    const int64_t j = row0 + r;
    if (j >= a.keys) continue;
    T* to_k = g.dk + task.b * g.dk_at.batch + task.h * g.dk_at.head + j * g.dk_at.row;
    T* to_v = g.dv + task.b * g.dv_at.batch + task.h * g.dv_at.head + j * g.dv_at.row;
#pragma unroll
    for (int e = 0; e < S::J * S::V; e++) {
      const int column = first + sum_column<S>(e);
      if (column < a.width) to_k[column] = dk[r][e];
      if (column < a.value_width) to_v[column] = dv[r][e];
    }
  }
}

template <class S, class T = typename S::T>
void run_backward(const AttentionArgs& a, const Gradients<T>& g) {
  const int64_t chunks = ceil_div(a.width, S::kWidth);
  const int64_t widest = a.width > a.value_width ? a.width : a.value_width;
  const int64_t both = ceil_div(widest, S::kWidth);
  const int64_t query_tiles = ceil_div(a.queries, S::kRows), key_tiles = ceil_div(a.keys, S::kRows);
  const int64_t query_tasks = a.batch * a.heads * query_tiles * chunks;
  const int64_t key_tasks = a.batch * a.kv_heads * key_tiles * both;
  InVectors in = inputs_of<T>(a);
  in.dout = in_vectors<T>(g.dout, g.dout_at, a.value_width);
  if (query_tasks > 0)
    MT_LAUNCH((attention_backward_query_kernel<S>), blocks_of(query_tasks), kThreads, 0, stream(),
              a, in, g, int(query_tiles), int(chunks));
  if (key_tasks > 0)
    MT_LAUNCH((attention_backward_key_kernel<S>), blocks_of(key_tasks), kThreads, 0, stream(), a,
              in, g, int(key_tiles), int(both));
}

template <class T>
void backward(const AttentionArgs& a, Gradients<T> g) {
  using Tiles = AttentionTiles<T>;
  const int64_t rows = a.batch * a.heads * a.queries;
  const Scratch delta(size_t(rows) * sizeof(T));
  g.delta = delta.as<T>();
  if (rows > 0)
    MT_LAUNCH((attention_delta_kernel<T>), grid_for(rows * 32, kThreads), kThreads, 0, stream(), a,
              g, delta.as<T>());
  const int64_t widest = a.width > a.value_width ? a.width : a.value_width;
  if (widest <= Tiles::Narrow::kWidth) return run_backward<typename Tiles::Narrow>(a, g);
  run_backward<typename Tiles::Wide>(a, g);
}

}  // namespace

void attention_backward(const AttentionArgs& args, const void* out, const HeadStrides& out_at,
                        const void* lse, const void* dout, const HeadStrides& dout_at, void* dq,
                        const HeadStrides& dq_at, void* dk, const HeadStrides& dk_at, void* dv,
                        const HeadStrides& dv_at) {
  if (itemsize(args.dtype) == 2) {
    const AttentionGradients g{
        out,   dout, static_cast<const float*>(lse), dq, dk, dv, out_at, dout_at, dq_at,
        dk_at, dv_at};
    if (args.dtype == DType::Float16) attention_mma_backward_float16(args, g);
    else attention_mma_backward_bfloat16(args, g);
    return;
  }
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    backward(args, Gradients<T>{static_cast<const T*>(out), static_cast<const T*>(dout),
                                static_cast<const T*>(lse), nullptr, static_cast<T*>(dq),
                                static_cast<T*>(dk), static_cast<T*>(dv), out_at, dout_at, dq_at,
                                dk_at, dv_at});
  })
}

}  // namespace mt::cuda
