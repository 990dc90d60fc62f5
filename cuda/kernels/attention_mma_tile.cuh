// Tiles of 16-bit rows in shared memory, and the scores that warps keep in registers, for attention
// with mma.sync.
//
// A tile has rows of W elements, zero beyond the tensor's width. The 16-byte chunk c of row r lies
// at c ^ flip(r), so that 8 rows of one chunk fall into 32 different banks for ldmatrix.
// A warp owns 16 rows, or several times 16, of a tile of scores: with g = lane / 4 and t = lane %
// 4, s[p][n][e] is row 16 p + g + e / 2 * 8, column 8 n + 2 t + e % 2. Two neighbouring n, rounded
// to 16 bits, are a left operand of the next product: scores never go through shared memory.
#pragma once
#include "core/check.h"
#include "core/random.h"
#include "cuda/core/launch.h"
#include "cuda/core/ptx_copy.cuh"
#include "cuda/core/ptx_math.cuh"
#include "cuda/core/ptx_mma.cuh"
#include "cuda/core/vec.h"
#include "ops/attention.h"

namespace mt::cuda {

// What small grids are measured by: of the largest GPUs, so that bits are the same on every one.
constexpr int64_t kMultiprocessors = 132;

constexpr float kLog2E = 1.44269504f;
constexpr float kInfinity = __builtin_inff();
// What maxima start from: less than all scores and finite, so that differences are numbers.
constexpr float kLowest = -3.3e38f;
// Weights are taken relative to a maximum that moves only where one would exceed 2^kSlack: after
// the first tiles hardly ever, which saves multiplying the sums and exchanging maxima.
constexpr float kSlack = 8.0f;

template <int W>
struct RowTile {
  static constexpr int kRowBytes = W * 2, kChunks = W / 8;
  // Neighbouring rows of 128 bytes or more start at the same bank, those of 64 and 192 alternate.
  static constexpr int kFlips = W % 64 == 0 ? 8 : 4, kMask = kFlips * 16 - 1;

  static __device__ __forceinline__ int offset(int row, int chunk) {
    return row * kRowBytes + (chunk ^ (W % 64 == 0 ? row % 8 : row / 2 % 4)) * 16;
  }

  // Where this lane points ldmatrix for 16 rows by 16 columns. As a left operand, or transposed as
  // a right one whose rows are summed over: words 0, 1 are the halves of rows in the first 8
  // columns. As a right operand whose rows are its columns: words 0, 1 are the halves of columns in
  // the first 8 rows.
  static __device__ __forceinline__ int left_lane() {
    const int lane = int(threadIdx.x) % 32;
    return offset(lane % 16, lane / 16);
  }
  static __device__ __forceinline__ int right_lane() {
    const int lane = int(threadIdx.x) % 32;
    return offset(lane % 8 + lane / 16 * 8, lane / 8 % 2);
  }
  // The same for 16 rows from `row` and 16 columns from `column`, both multiples of 16.
  static __device__ __forceinline__ int at(int lane, int row, int column) {
    return (lane ^ (column * 2 & kMask)) + (column * 2 & ~kMask) + row * kRowBytes;
  }
};

// Copies tiles of kRows rows, one after the other along a matrix, asynchronously: 16 bytes per
// thread and step. Its whole state is where this thread reads next.
template <class T, int W, int kRows, int kThreads>
class TileLoader {
  using Tile = RowTile<W>;
  static constexpr int kLanes = W <= 32 ? 4 : W <= 64 ? 8 : W <= 128 ? 16 : 32;  // of a row
  static constexpr int kApart = kThreads / kLanes;
  static_assert(kRows % kApart == 0);

 public:
  __device__ __forceinline__ TileLoader(const T* from, int64_t step, int64_t width)
      : from_(from + row() * step + chunk() * 8), row_(chunk() * 8 < width ? row() : 1 << 30) {}

  // `left`: rows from here to the end of the matrix.
  __device__ __forceinline__ void next(Shared<char> to, int64_t step, int left) {
    if (Tile::kChunks < kLanes && chunk() >= Tile::kChunks) return;
    left -= row_;
    // Rows 8 (or 16) apart are permuted alike.
    const Shared<char> at = to + Tile::offset(row(), chunk());
#pragma unroll
    for (int r = 0; r < kRows; r += kApart) {
      const Shared<char> place =
          kApart % 8 == 0 ? at + r * Tile::kRowBytes : to + Tile::offset(row() + r, chunk());
      ptx::cp_async<16>(raw(place), from_, r < left ? 16u : 0u);
      from_ += kApart * step;
    }
  }

 private:
  static __device__ __forceinline__ int row() { return int(threadIdx.x) / kLanes; }
  static __device__ __forceinline__ int chunk() { return int(threadIdx.x) % kLanes; }

  const T* from_;
  int row_;  // beyond all of them where this thread's columns are not there
};

// s += a b^T: a are P pieces of 16 rows of `a_tile`, b all 8 N rows of `b_tile`. kSteps of 16
// columns make the body of the loop: more of them need registers that wide sums do not leave.
template <class T, int W, int kSteps, int P, int N>
__device__ __forceinline__ void add_scores(Shared<char> a_tile, int a_lane, Shared<char> b_tile,
                                           int b_lane, float (&s)[P][N][4]) {
  using Tile = RowTile<W>;
#pragma unroll kSteps
  for (int k = 0; k < W; k += 16) {
    uint32_t a[P][4];
#pragma unroll
    for (int p = 0; p < P; p++) ptx::ldmatrix(a[p], raw(a_tile + Tile::at(a_lane, p * 16, k)));
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      uint32_t b[4];
      ptx::ldmatrix(b, raw(b_tile + Tile::at(b_lane, n * 8, k)));
      const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
#pragma unroll
      for (int p = 0; p < P; p++) {
        ptx::mma_m16n8k16<T>(s[p][n], a[p], b0);
        ptx::mma_m16n8k16<T>(s[p][n + 1], a[p], b1);
      }
    }
  }
}

// sum += s b with s rounded to 16 bits: b are the columns of `b_tile` from `column` on, 8 M of
// them.
template <class T, int W, int P, int N, int M>
__device__ __forceinline__ void add_weighted_rows(const float (&s)[P][N][4], Shared<char> b_tile,
                                                  int b_lane, int column, float (&sum)[P][M][4]) {
  using Tile = RowTile<W>;
#pragma unroll
  for (int n = 0; n < N; n += 2) {
    uint32_t a[P][4];
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
      for (int i = 0; i < 4; i++)
        a[p][i] = ptx::pack_two<T>(s[p][n + i / 2][i % 2 * 2], s[p][n + i / 2][i % 2 * 2 + 1]);
#pragma unroll
    for (int m = 0; m < M; m += 2) {
      uint32_t b[4];
      ptx::ldmatrix<true>(b, raw(b_tile + Tile::at(b_lane, n * 8, column + m * 8)));
      const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
#pragma unroll
      for (int p = 0; p < P; p++) {
        ptx::mma_m16n8k16<T>(sum[p][m], a[p], b0);
        ptx::mma_m16n8k16<T>(sum[p][m + 1], a[p], b1);
      }
    }
  }
}

template <int P, int N>
__device__ __forceinline__ void set_zero(float (&s)[P][N][4]) {
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
      for (int e = 0; e < 4; e++) s[p][n][e] = 0.0f;
}

// Scores of one head: what is seen of them, in units of log2. kGeneral: there is a mask or dropout,
// or the scale is not positive.
template <bool kGeneral>
struct Scores {
  const AttentionArgs& a;
  int64_t mask_at;  // of the head
  int head;         // of all batches
  // exp(score) = 2^(factor s). Where a mask is added, or the largest product is not the largest
  // score, s is brought to units of log2 first.
  float scale, factor;

  __device__ __forceinline__ Scores(const AttentionArgs& args, int b, int h)
      : a(args),
        mask_at(b * args.mask_at.batch + h * args.mask_at.head),
        head(b * int(args.heads) + h) {
    scale = float(args.scale) * kLog2E;
    factor = in_log2() ? 1.0f : scale;
  }
  // A mask's number; the least of them stay numbers.
  static __device__ __forceinline__ float in_log2(float m) {
    return m == -kInfinity ? m : fmaxf(m * kLog2E, -3e38f);
  }
  __device__ __forceinline__ bool in_log2() const {
    return kGeneral && (!(scale > 0.0f) || (a.mask && !a.mask_is_bool));
  }

  template <class M, bool kColumnsAreQueries, int P, int N>
  __device__ __forceinline__ void add_mask(int row, int column, float (&s)[P][N][4]) const {
    const int row_step = int(kColumnsAreQueries ? a.mask_column : a.mask_at.row);
    const int column_step = int(kColumnsAreQueries ? a.mask_at.row : a.mask_column);
    const int rows = int(kColumnsAreQueries ? a.keys : a.queries) - row;
    const int columns = int(kColumnsAreQueries ? a.queries : a.keys) - column;
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const int there = p * 16 + half * 8 < rows ? columns : 0;
        const M* mask = static_cast<const M*>(a.mask) + mask_at +
                        int64_t(row + p * 16 + half * 8) * row_step + int64_t(column) * column_step;
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
          for (int e = 0; e < 2; e++) {
            float& score = s[p][n][half * 2 + e];
            M m{};
            if (n * 8 + e < there) m = mask[(n * 8 + e) * column_step];
            if constexpr (__is_same(M, bool)) score = m ? score : -kInfinity;
            else score += in_log2(load(m));
          }
      }
  }

  // Masks a warp's tile of products. row, column: of this lane's first element; rows are queries
  // and columns keys, or the reverse.
  template <class T, bool kColumnsAreQueries, int P, int N>
  __device__ __forceinline__ void mask(int row, int column, float (&s)[P][N][4]) const {
    if (in_log2()) {
#pragma unroll
      for (int p = 0; p < P; p++)
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
          for (int e = 0; e < 4; e++) s[p][n][e] *= scale;
    }
    if (kGeneral && a.mask) {
      if (a.mask_is_bool) add_mask<bool, kColumnsAreQueries>(row, column, s);
      else if (a.mask_is_float32) add_mask<float, kColumnsAreQueries>(row, column, s);
      else add_mask<T, kColumnsAreQueries>(row, column, s);
    }
    // Keys that are there, and query minus key, from this lane's first element on; the same branch
    // is taken by the whole warp.
    const int lane = int(threadIdx.x) % 32;
    const int keys = int(a.keys) - (kColumnsAreQueries ? row : column);
    const int ahead = !a.causal ? kFar : kColumnsAreQueries ? column - row : row - column;
    const int first =
        ahead - (kColumnsAreQueries ? lane % 4 * 2 - lane / 4 : lane / 4 - lane % 4 * 2);
    const int there = keys + (kColumnsAreQueries ? lane / 4 : lane % 4 * 2);
    constexpr int kRange = kColumnsAreQueries ? P * 16 : N * 8;
    if (there >= kRange && first >= kRange - 1) return;
#pragma unroll
    for (int p = 0; p < P; p++)
#pragma unroll
      for (int n = 0; n < N; n++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
          const int r = p * 16 + e / 2 * 8, c = n * 8 + e % 2;
          const int i = kColumnsAreQueries ? c : r, j = kColumnsAreQueries ? r : c;
          if (j >= keys || j - i > ahead) s[p][n][e] = -kInfinity;
        }
  }

  // Which weights of a warp's tile dropout keeps: bit 4 (p N + n) + e. The numbers are drawn in
  // loops that are not unrolled; elements 16 apart come after each other, as they may share a
  // counter.
  template <bool kColumnsAreQueries, int P, int N>
  __device__ __forceinline__ uint64_t kept(int row, int column) const {
    static_assert(P * N * 4 <= 64);
    uint64_t bits = 0, drawn = ~uint64_t(0);
    Philox4 words = {};
    auto draw = [&](int p, int n, int e) {
      const int r = row + p * 16 + e / 2 * 8, c = column + n * 8 + e % 2;
      const int i = kColumnsAreQueries ? c : r, j = kColumnsAreQueries ? r : c;
      const uint64_t at = uint64_t((head * a.queries + i) * a.keys + j);
      const uint64_t counter = at / 64 * 16 + at % 16;
      if (counter != drawn) words = philox(a.seed, a.offset + counter);
      drawn = counter;
      const int w = int(at / 16 % 4);
      const uint32_t word = w < 2 ? (w ? words.v[1] : words.v[0]) : w > 2 ? words.v[3] : words.v[2];
      bits |= uint64_t(word >= a.drop) << (4 * (p * N + n) + e);
    };
#pragma unroll 1
    for (int other = 0; other < (kColumnsAreQueries ? 4 * N : 8 * P); other++)
#pragma unroll 1
      for (int apart = 0; apart < (kColumnsAreQueries ? P : N / 2); apart++) {
        if (kColumnsAreQueries) draw(apart, other / 4, other % 4);
        else draw(other / 8, apart * 2 + other / 4 % 2, other % 4);
      }
    return bits;
  }

 private:
  static constexpr int kFar = 1 << 20;
};

// s *= what dropout makes of each.
template <int P, int N>
__device__ __forceinline__ void drop(uint64_t kept, float keep_scale, float (&s)[P][N][4]) {
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
      for (int e = 0; e < 4; e++)
        s[p][n][e] *= kept >> (4 * (p * N + n) + e) & 1 ? keep_scale : 0.0f;
}

// Stores a warp's rows of 16-bit results, 16 bytes per lane, through 16 P rows of shared memory
// that only this warp uses. `left` rows and `width` columns are there.
template <class T, int P, int M>
__device__ __forceinline__ void store_rows(const float (&sum)[P][M][4], Shared<char> rows, T* to,
                                           int64_t step, int left, int width) {
  using Tile = RowTile<M * 8>;
  const int lane = int(threadIdx.x) % 32;
  __syncwarp();
#pragma unroll
  for (int p = 0; p < P; p++)
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
      for (int half = 0; half < 2; half++)
        shared_cast<uint32_t>(rows + Tile::offset(p * 16 + half * 8 + lane / 4, m) +
                              lane % 4 * 4)[0] =
            ptx::pack_two<T>(sum[p][m][half * 2], sum[p][m][half * 2 + 1]);
  __syncwarp();
#pragma unroll 4
  for (int e = lane; e < P * 16 * Tile::kChunks; e += 32) {
    const int row = e / Tile::kChunks, chunk = e % Tile::kChunks;
    const uint4 piece = shared_cast<uint4>(rows + Tile::offset(row, chunk))[0];
    if (row < left && chunk * 8 < width)
      *reinterpret_cast<uint4*>(to + row * step + chunk * 8) = piece;
  }
}

// Over the 4 lanes that share rows.
__device__ __forceinline__ float row_max(float v) {
  v = fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 1));
  return fmaxf(v, __shfl_xor_sync(0xffffffffu, v, 2));
}
__device__ __forceinline__ float row_sum(float v) {
  v += __shfl_xor_sync(0xffffffffu, v, 1);
  return v + __shfl_xor_sync(0xffffffffu, v, 2);
}

template <class T>
__device__ __forceinline__ T* row_of(const void* p, const HeadStrides& at, int b, int h, int row) {
  return static_cast<T*>(const_cast<void*>(p)) + b * at.batch + h * at.head + row * at.row;
}

// Tile `index` of [batch][head][tile]. The last tiles come first: they are the longest ones where
// attention is causal, and neighbours share keys and values in the second-level cache.
struct TileTask {
  int b, h, first;
  __device__ __forceinline__ TileTask(int heads, int tiles, int rows, bool last_first) {
    const int tile = int(blockIdx.x) % tiles, head = int(blockIdx.x) / tiles;
    first = (last_first ? tiles - 1 - tile : tile) * rows;
    h = head % heads;
    b = head / heads;
  }
};

inline bool is_general(const AttentionArgs& a) { return a.mask || a.drop || !(a.scale > 0); }

inline unsigned grid_of(int64_t blocks) {
  MT_CHECK(blocks <= kMaxGrid, "scaled_dot_product_attention: too many tiles for one launch");
  return unsigned(blocks);
}

}  // namespace mt::cuda
