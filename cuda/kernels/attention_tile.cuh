// Products of small tiles, which attention is made of: all scores of a tile of rows and a tile of
// columns, and the sum of matrix rows weighted by such scores.
//
// 256 threads as 16 x 16: thread (y, x) has R rows y R + r, and C columns x + 16 c. Operands lie in
// shared memory row by row, a slice of their columns at a time, and are read 16 bytes at a time;
// the distance between rows keeps lanes on different banks.
#pragma once
#include "core/check.h"
#include "core/dtype.h"
#include "cuda/core/launch.h"
#include "cuda/core/math.h"
#include "cuda/core/ptx_arch.cuh"
#include "cuda/core/vec.h"
#include "ops/attention.h"

namespace mt::cuda {

template <class Element, int RowsPerThread, int ColumnsPerThread, int Pieces>
struct ScoreTile {
  using T = Element;
  static constexpr int V = 16 / sizeof(T), R = RowsPerThread, C = ColumnsPerThread, J = Pieces;
  static constexpr int kRows = 16 * R, kColumns = 16 * C;
  static constexpr int kWidth = 16 * V * J;  // columns of a weighted sum
  static constexpr int kSlice = 32;          // of what is summed over
  static constexpr int kStep = kSlice + V, kWideStep = kWidth + V, kScoreStep = kColumns + V;
  static constexpr int kPair = (kRows + kColumns) * kStep, kWide = kSlice * kWideStep;
  static constexpr int kSliceSize = kPair > kWide ? kPair : kWide;
  static constexpr int kScoreSize = kRows * kScoreStep;
  // Blocks of a multiprocessor: two where the sums of a thread leave room for its addresses.
  static constexpr int kBlocks = R * J * V > 16 ? 1 : 2;
  static_assert(kColumns % kSlice == 0);
  using Piece = Vec<T, V>;
};

// Rows of a matrix in memory: contiguous columns, `left` rows. vector: whole and aligned vectors of
// 16 bytes.
template <class T>
struct Rows {
  const T* data;
  int64_t step;
  int left;
  bool vector;
};

__device__ __forceinline__ int tile_y() { return threadIdx.x / 16; }
__device__ __forceinline__ int tile_x() { return threadIdx.x % 16; }

// `to` = columns [first, first + kColumns) of kCount rows, zero beyond them and beyond `width`.
template <int kCount, int kColumns, class T>
__device__ __forceinline__ void load_rows(const Rows<T>& rows, int first, int width, Shared<T> to,
                                          int step) {
  constexpr int V = 16 / sizeof(T), kPerRow = kColumns / V;
  using Piece = Vec<T, V>;
  // Places are found anew in every slice: sums leave no registers to keep them in.
  const int thread = ptx::opaque(int(threadIdx.x));
  if (rows.vector) {
#pragma unroll 4
    for (int e = thread; e < kCount * kPerRow; e += kThreads) {
      const int r = e / kPerRow, c = e % kPerRow * V;
      Piece piece = {};
      if (r < rows.left && first + c < width)
        piece = *reinterpret_cast<const Piece*>(rows.data + r * rows.step + first + c);
      shared_cast<Piece>(to + (r * step + c))[0] = piece;
    }
    return;
  }
#pragma unroll 4
  for (int e = thread; e < kCount * kColumns; e += kThreads) {
    const int r = e / kColumns, c = e % kColumns;
    to[r * step + c] =
        r < rows.left && first + c < width ? rows.data[r * rows.step + first + c] : T(0);
  }
}

// score[r][c] = sum over d < width of a[row r][d] * b[column c][d].
template <class S, class T>
__device__ __forceinline__ void tile_scores(const Rows<T>& a, const Rows<T>& b, int width,
                                            Shared<T> slice, T (&score)[S::R][S::C]) {
  using Piece = typename S::Piece;
  const Shared<T> a_slice = slice, b_slice = slice + S::kRows * S::kStep;
#pragma unroll
  for (int r = 0; r < S::R; r++)
#pragma unroll
    for (int c = 0; c < S::C; c++) score[r][c] = T(0);
  for (int d0 = 0; d0 < width; d0 += S::kSlice) {
    __syncthreads();
    load_rows<S::kRows, S::kSlice>(a, d0, width, a_slice, S::kStep);
    load_rows<S::kColumns, S::kSlice>(b, d0, width, b_slice, S::kStep);
    __syncthreads();
#pragma unroll 2
    for (int d = 0; d < S::kSlice; d += S::V) {
      Piece x[S::R], y[S::C];
#pragma unroll
      for (int r = 0; r < S::R; r++)
        x[r] = shared_cast<Piece>(a_slice + ((tile_y() * S::R + r) * S::kStep + d))[0];
#pragma unroll
      for (int c = 0; c < S::C; c++)
        y[c] = shared_cast<Piece>(b_slice + ((tile_x() + 16 * c) * S::kStep + d))[0];
#pragma unroll
      for (int r = 0; r < S::R; r++)
#pragma unroll
        for (int c = 0; c < S::C; c++)
#pragma unroll
          for (int v = 0; v < S::V; v++) score[r][c] += x[r].v[v] * y[c].v[v];
    }
  }
}

template <class S, class T>
__device__ __forceinline__ void put_scores(const T (&score)[S::R][S::C], Shared<T> to) {
#pragma unroll
  for (int r = 0; r < S::R; r++)
#pragma unroll
    for (int c = 0; c < S::C; c++)
      to[(tile_y() * S::R + r) * S::kScoreStep + tile_x() + 16 * c] = score[r][c];
}

// Column of the e-th element of sum[r] below.
template <class S>
__device__ __forceinline__ int sum_column(int e) {
  return (e / S::V * 16 + tile_x()) * S::V + e % S::V;
}

// sum[r] += sum over columns j of the scores of score[row r][j] * m[j][first + ...], `width` the
// number of columns that m has. The scores were put there by this thread's block.
template <class S, class T>
__device__ __forceinline__ void add_weighted(Shared<T> score, const Rows<T>& m, int first,
                                             int width, Shared<T> slice,
                                             T (&sum)[S::R][S::J * S::V]) {
  using Piece = typename S::Piece;
  for (int k0 = 0; k0 < S::kColumns && k0 < m.left; k0 += S::kSlice) {
    const Rows<T> part{m.data + k0 * m.step, m.step, m.left - k0, m.vector};
    __syncthreads();
    load_rows<S::kSlice, S::kWidth>(part, first, width, slice, S::kWideStep);
    __syncthreads();
#pragma unroll 1
    for (int k = 0; k < S::kSlice; k += S::V) {
      Piece x[S::R];
#pragma unroll
      for (int r = 0; r < S::R; r++)
        x[r] = shared_cast<Piece>(score + ((tile_y() * S::R + r) * S::kScoreStep + k0 + k))[0];
#pragma unroll
      for (int v = 0; v < S::V; v++)
#pragma unroll
        for (int j = 0; j < S::J; j++) {
          const Piece y =
              shared_cast<Piece>(slice + ((k + v) * S::kWideStep + (j * 16 + tile_x()) * S::V))[0];
#pragma unroll
          for (int r = 0; r < S::R; r++)
#pragma unroll
            for (int e = 0; e < S::V; e++) sum[r][j * S::V + e] += x[r].v[v] * y.v[e];
        }
    }
  }
}

// Over the 16 threads that share rows.
template <class T>
__device__ __forceinline__ T row_max(T v) {
  for (int step = 8; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(0xffffffffu, v, step);
    v = other > v ? other : v;
  }
  return v;
}
template <class T>
__device__ __forceinline__ T row_sum(T v) {
  for (int step = 8; step > 0; step /= 2) v += __shfl_xor_sync(0xffffffffu, v, step);
  return v;
}

// Which operands can be read in vectors.
struct InVectors {
  bool q, k, v, dout;
};
template <class T>
bool in_vectors(const void* data, const HeadStrides& at, int64_t width) {
  constexpr int64_t V = 16 / sizeof(T);
  return at.row % V == 0 && at.head % V == 0 && at.batch % V == 0 && width % V == 0 &&
         reinterpret_cast<uintptr_t>(data) % 16 == 0;
}

// One head of one batch.
template <class T>
struct Head {
  const AttentionArgs& a;
  const InVectors& in_vectors;
  int b, h, kv_head;

  __device__ __forceinline__ Head(const AttentionArgs& args, const InVectors& in, int b_, int h_)
      : a(args), in_vectors(in), b(b_), h(h_), kv_head(h_ / int(args.heads / args.kv_heads)) {}
  static __device__ __forceinline__ int left(int64_t all, int64_t first) {
    return all - first < 1024 ? int(all - first) : 1024;
  }
  static __device__ __forceinline__ const T* at(const void* p, const HeadStrides& s, int64_t b,
                                                int64_t h, int64_t row) {
    return static_cast<const T*>(p) + b * s.batch + h * s.head + row * s.row;
  }
  __device__ __forceinline__ Rows<T> rows(const void* p, const HeadStrides& s, int64_t head,
                                          int64_t first, int64_t all, bool vector) const {
    return {at(p, s, b, head, first), s.row, left(all, first), vector};
  }
  __device__ __forceinline__ Rows<T> queries(int64_t i) const {
    return rows(a.q, a.q_at, h, i, a.queries, in_vectors.q);
  }
  __device__ __forceinline__ Rows<T> keys(int64_t j) const {
    return rows(a.k, a.k_at, kv_head, j, a.keys, in_vectors.k);
  }
  __device__ __forceinline__ Rows<T> values(int64_t j) const {
    return rows(a.v, a.v_at, kv_head, j, a.keys, in_vectors.v);
  }
};

// Products become masked scores. Rows of the tile start at row0, columns at column0; they are
// queries and keys, or the other way round where kKeyRows.
template <class S, bool kKeyRows, class T>
__device__ __forceinline__ void mask_scores(const Head<T>& head, int64_t row0, int64_t column0,
                                            T (&score)[S::R][S::C]) {
  const AttentionArgs& a = head.a;
  const int64_t query0 = kKeyRows ? column0 : row0, key0 = kKeyRows ? row0 : column0;
  const int64_t last_key = key0 + (kKeyRows ? S::kRows : S::kColumns) - 1;
#pragma unroll
  for (int r = 0; r < S::R; r++)
#pragma unroll
    for (int c = 0; c < S::C; c++) score[r][c] *= T(a.scale);
  if (!a.mask && last_key < a.keys && (!a.causal || last_key <= query0)) return;

  // Query and key within the tile; those from here on are not seen.
  const int queries = Head<T>::left(a.queries, query0), keys = Head<T>::left(a.keys, key0);
  const int64_t ahead = key0 - query0;
  const int diagonal = !a.causal || ahead < -1024 ? -1024 : ahead > 1024 ? 1024 : int(ahead);
  const int64_t place = head.b * a.mask_at.batch + head.h * a.mask_at.head +
                        query0 * a.mask_at.row + key0 * a.mask_column;
#pragma unroll
  for (int r = 0; r < S::R; r++)
#pragma unroll
    for (int c = 0; c < S::C; c++) {
      const int row = tile_y() * S::R + r, column = tile_x() + 16 * c;
      const int i = kKeyRows ? column : row, j = kKeyRows ? row : column;
      bool seen = i < queries && j < keys && j + diagonal <= i;
      if (seen && a.mask) {
        const int64_t at = place + i * a.mask_at.row + j * a.mask_column;
        if (a.mask_is_bool) seen = static_cast<const bool*>(a.mask)[at];
        else score[r][c] += static_cast<const T*>(a.mask)[at];
      }
      if (!seen) score[r][c] = -T(__builtin_inf());
    }
}

// What block `index` works on, of [batch][head][tile][chunk]. The last tiles come first: they are
// the longest ones where attention is causal.
struct Task {
  int b, h, chunk;
  int64_t first;
  __device__ __forceinline__ Task(int64_t index, int64_t heads, int tiles, int chunks, int rows) {
    chunk = int(index % chunks);
    index /= chunks;
    first = int64_t(tiles - 1 - index % tiles) * rows;
    index /= tiles;
    h = int(index % heads);
    b = int(index / heads);
  }
};

// --- host side

template <class T>
struct AttentionTiles;
template <>
struct AttentionTiles<float> {
  using Few = ScoreTile<float, 1, 4, 2>;  // of 16 queries
  using Narrow = ScoreTile<float, 4, 4, 1>;
  using Wide = ScoreTile<float, 4, 4, 2>;
};
template <>
struct AttentionTiles<double> {
  using Few = ScoreTile<double, 1, 2, 2>;
  using Narrow = ScoreTile<double, 2, 2, 2>;
  using Wide = Narrow;
};

inline unsigned blocks_of(int64_t tasks) {
  MT_CHECK(tasks <= kMaxGrid, "scaled_dot_product_attention: too many tiles for one launch");
  return unsigned(tasks);
}

template <class T>
InVectors inputs_of(const AttentionArgs& a) {
  return {in_vectors<T>(a.q, a.q_at, a.width), in_vectors<T>(a.k, a.k_at, a.width),
          in_vectors<T>(a.v, a.v_at, a.value_width), false};
}

}  // namespace mt::cuda
