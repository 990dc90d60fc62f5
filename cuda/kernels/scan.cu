// y[i] = x[0] op ... op x[i] along the n of (outer, n, inner), or from the end.
// Rows: a block goes through a row in tiles of K elements per thread; a thread scans its own, the
// totals of the threads are scanned by shuffles, and the tile's total is carried to the next. Where
// rows are few they are cut into pieces (by size only): a first kernel takes the total of every
// piece, and each block of the second joins those before its own. Columns: a thread goes down one
// column, neighbours in neighbouring ones; few columns are cut into pieces likewise. Floats
// accumulate in float64. One read and one write per element (pieces: two reads).
#include "ops/scan.h"

#include "cuda/core/launch.h"
#include "cuda/core/order.h"
#include "cuda/core/row.h"
#include "cuda/core/scratch.h"
#include "kernels/scan_math.h"

namespace mt::cuda {
namespace {

constexpr int kPerThread = 4;  // elements of a tile
constexpr int64_t kTile = kThreads * kPerThread;
constexpr int64_t kFullGrid = 512;

// An operation has the types S (stored element) and A (running value), and identity(), map(S, i),
// join(A before, A), store(position, A) and
// store_whole(position, values of a thread).
template <ScanOp op, class Stored>
struct Running {
  using S = Stored;
  using A = std::conditional_t<__is_same(S, int64_t), int64_t, double>;
  using Combine = fn::Combine<op, A>;
  S* y;
  bool aligned() const { return rows_aligned<S, kPerThread>(0, y); }
  MT_INLINE A identity() const { return Combine::identity(); }
  MT_INLINE A map(S x, int64_t) const { return A(load(x)); }
  MT_INLINE A join(A a, A b) const { return Combine::join(a, b); }
  MT_INLINE void store(int64_t at, A v) const { y[at] = store_as<S>(v); }
  __device__ __forceinline__ void store_whole(int64_t at, const A (&v)[kPerThread]) const {
    Vec<S, kPerThread> whole;
#pragma unroll
    for (int k = 0; k < kPerThread; k++) whole.v[k] = store_as<S>(v[k]);
    *reinterpret_cast<Vec<S, kPerThread>*>(y + at) = whole;
  }
};

// The last of equal ones, or the last NaN.
template <class Stored>
struct RunningExtremum {
  using S = Stored;
  using T = compute_t<S>;
  struct A {
    T value;
    int64_t index;
  };
  bool largest;
  S* values;
  int64_t* indices;
  bool aligned() const {
    return rows_aligned<S, kPerThread>(0, values) && rows_aligned<int64_t, kPerThread>(0, indices);
  }
  MT_INLINE A identity() const { return {lowest<T>(), -1}; }
  MT_INLINE A map(S x, int64_t i) const { return {in_order(largest, load(x)), i}; }
  MT_INLINE A join(const A& a, const A& b) const {
    return b.value != b.value || b.value >= a.value ? b : a;
  }
  MT_INLINE void store(int64_t at, const A& v) const {
    values[at] = store_as<S>(in_order(largest, v.value));
    indices[at] = v.index;
  }
  __device__ __forceinline__ void store_whole(int64_t at, const A (&v)[kPerThread]) const {
    Vec<S, kPerThread> whole;
    Vec<int64_t, kPerThread> places;
#pragma unroll
    for (int k = 0; k < kPerThread; k++) {
      whole.v[k] = store_as<S>(in_order(largest, v[k].value));
      places.v[k] = v[k].index;
    }
    *reinterpret_cast<Vec<S, kPerThread>*>(values + at) = whole;
    *reinterpret_cast<Vec<int64_t, kPerThread>*>(indices + at) = places;
  }
};

struct Shape {
  int64_t outer, n, inner;
  int64_t piece;  // elements, a multiple of a tile
  int pieces;
  bool reverse;
  bool whole;  // the elements of a thread are an aligned vector of the row

  // Position of element i, in the order of the scan, of a row or column.
  __device__ __forceinline__ int64_t at(int64_t start, int64_t i) const {
    return start + (reverse ? n - 1 - i : i) * inner;
  }
  __device__ __forceinline__ int64_t start(int64_t row) const {
    return inner == 1 ? row * n : row / inner * n * inner + row % inner;
  }
};

// What is joined before this thread's `own` value, and (in *all) everything, both behind `carry`.
// `own` of the threads are in order.
template <class Op>
__device__ __forceinline__ typename Op::A block_scan(const Op& op, typename Op::A own,
                                                     typename Op::A carry, typename Op::A* all) {
  using A = typename Op::A;
  MT_SHARED(A, part, kThreads / kWarp);
  const int lane = lane_index(), warp = warp_index(), warps = int(blockDim.x) / kWarp;
  A inclusive = own;
#pragma unroll
  for (int d = 1; d < kWarp; d *= 2) {
    const A before = shuffle_up(inclusive, d);
    if (lane >= d) inclusive = op.join(before, inclusive);
  }
  A before = shuffle_up(inclusive, 1);
  if (lane == kWarp - 1) part[warp] = inclusive;
  __syncthreads();
  A prefix = carry, total = carry;
  for (int w = 0; w < warps; w++) {
    const A of_warp = part[w];
    if (w == warp) prefix = total;
    total = op.join(total, of_warp);
  }
  __syncthreads();
  *all = total;
  return lane == 0 ? prefix : op.join(prefix, before);
}

// Block (row, piece). Writes the results, or (kTotals) only the total of each piece.
template <class Op, bool kTotals>
__global__ void __launch_bounds__(kThreads)
    scan_row_kernel(const Op op, const Shape shape, const typename Op::S* x,
                    typename Op::A* totals) {
  using A = typename Op::A;
  const int64_t row = blockIdx.x / unsigned(shape.pieces), start = shape.start(row);
  const int piece = int(blockIdx.x % unsigned(shape.pieces));
  const int t = int(threadIdx.x), threads = int(blockDim.x);
  A carry = op.identity();
  if (!kTotals && piece > 0) {
    const int each = (piece + threads - 1) / threads;
    A own = op.identity();
    for (int p = t * each; p < piece && p < (t + 1) * each; p++)
      own = op.join(own, totals[row * shape.pieces + p]);
    block_scan(op, own, op.identity(), &carry);
  }
  const int64_t begin = piece * shape.piece;
  const int64_t end = begin + shape.piece < shape.n ? begin + shape.piece : shape.n;
  for (int64_t tile = begin; tile < end; tile += threads * kPerThread) {
    const int64_t first = tile + t * kPerThread;
    const bool whole = shape.whole && first < end;
    A v[kPerThread];
    if (whole) {
      using Part = Vec<typename Op::S, kPerThread>;
      const Part part = *reinterpret_cast<const Part*>(x + start + first);
#pragma unroll
      for (int k = 0; k < kPerThread; k++) v[k] = op.map(part.v[k], first + k);
    } else {
#pragma unroll
      for (int k = 0; k < kPerThread; k++) {
        const int64_t i = first + k;
        v[k] = op.identity();
        if (i < end) v[k] = op.map(x[shape.at(start, i)], shape.reverse ? shape.n - 1 - i : i);
      }
    }
    A own = v[0];
#pragma unroll
    for (int k = 1; k < kPerThread; k++)
      if (first + k < end) own = op.join(own, v[k]);
    A running = block_scan(op, own, carry, &carry);
    if constexpr (!kTotals) {
#pragma unroll
      for (int k = 0; k < kPerThread; k++) v[k] = running = op.join(running, v[k]);
      if (whole) {
        op.store_whole(start + first, v);
      } else {
#pragma unroll
        for (int k = 0; k < kPerThread; k++)
          if (first + k < end) op.store(shape.at(start, first + k), v[k]);
      }
    }
  }
  if (kTotals && t == 0) totals[row * shape.pieces + piece] = carry;
}

// Threads along x: columns, along y: pieces. Writes the results, or (kTotals) only the total of
// each piece, totals[piece][column].
template <class Op, bool kTotals>
__global__ void __launch_bounds__(kThreads)
    scan_column_kernel(const Op op, const Shape shape, const typename Op::S* x,
                       typename Op::A* totals) {
  const int64_t column = thread_index(), columns = shape.outer * shape.inner;
  if (column >= columns) return;
  const int64_t start = shape.start(column), begin = blockIdx.y * shape.piece;
  const int64_t end = begin + shape.piece < shape.n ? begin + shape.piece : shape.n;
  auto running = op.identity();
  if (!kTotals) {
#pragma unroll 4
    for (unsigned p = 0; p < blockIdx.y; p++)
      running = op.join(running, totals[p * columns + column]);
  }
  for (int64_t i = begin; i < end; i += kPerThread) {
    typename Op::S v[kPerThread];
#pragma unroll
    for (int k = 0; k < kPerThread; k++)
      if (i + k < end) v[k] = x[shape.at(start, i + k)];
#pragma unroll
    for (int k = 0; k < kPerThread; k++) {
      if (i + k >= end) continue;
      running = op.join(running, op.map(v[k], shape.reverse ? shape.n - 1 - i - k : i + k));
      if constexpr (!kTotals) op.store(shape.at(start, i + k), running);
    }
  }
  if constexpr (kTotals) totals[blockIdx.y * columns + column] = running;
}

template <class Op>
void run_columns(const Op& op, Shape shape, const typename Op::S* x) {
  using A = typename Op::A;
  constexpr int64_t kMostPieces = 256, kLeastPiece = 32, kColumns = 1 << 16;
  const int64_t columns = shape.outer * shape.inner;
  const int64_t wanted = ceil_div(kColumns, columns), possible = ceil_div(shape.n, kLeastPiece);
  int64_t pieces = wanted < possible ? wanted : possible;
  if (pieces > kMostPieces) pieces = kMostPieces;
  shape.piece = ceil_div(shape.n, pieces);
  pieces = ceil_div(shape.n, shape.piece);
  const dim3 grid{grid_for(columns, kThreads), unsigned(pieces)};
  const Scratch totals(pieces > 1 ? size_t(columns * pieces) * sizeof(A) : 0);
  if (pieces > 1)
    MT_LAUNCH((scan_column_kernel<Op, true>), grid, kThreads, 0, stream(), op, shape, x,
              totals.as<A>());
  MT_LAUNCH((scan_column_kernel<Op, false>), grid, kThreads, 0, stream(), op, shape, x,
            totals.as<A>());
}

template <class Op>
void run(const Op& op, bool reverse, const void* data, int64_t outer, int64_t n, int64_t inner) {
  using A = typename Op::A;
  const auto* x = static_cast<const typename Op::S*>(data);
  const bool whole =
      inner == 1 && !reverse && rows_aligned<typename Op::S, kPerThread>(n, x) && op.aligned();
  Shape shape{outer, n, inner, 0, 1, reverse, whole};
  const int64_t rows = outer * inner;
  if (rows == 0 || n == 0) return;
  if (n <= 32 || (inner >= 8 && rows >= kThreads)) return run_columns(op, shape, x);
  int threads = kWarp;
  while (threads < kThreads && threads * kPerThread < n) threads *= 2;
  if (rows < kFullGrid && n >= 8 * kTile) {
    const int64_t wanted = ceil_div(kFullGrid, rows), possible = n / (4 * kTile);
    shape.piece = ceil_div(ceil_div(n, wanted < possible ? wanted : possible), kTile) * kTile;
    shape.pieces = int(ceil_div(n, shape.piece));
  } else {
    shape.piece = n;
  }
  const unsigned blocks = unsigned(rows * shape.pieces);
  if (shape.pieces == 1) {
    MT_LAUNCH((scan_row_kernel<Op, false>), blocks, threads, 0, stream(), op, shape, x,
              static_cast<A*>(nullptr));
    return;
  }
  const Scratch totals(size_t(blocks) * sizeof(A));
  MT_LAUNCH((scan_row_kernel<Op, true>), blocks, threads, 0, stream(), op, shape, x,
            totals.as<A>());
  MT_LAUNCH((scan_row_kernel<Op, false>), blocks, threads, 0, stream(), op, shape, x,
            totals.as<A>());
}

}  // namespace

void scan(ScanOp op, bool reverse, DType dtype, const void* x, void* y, int64_t outer, int64_t n,
          int64_t inner) {
#define MT_RUN_(name)                                                                            \
  if (op == ScanOp::name)                                                                        \
    return run(Running<ScanOp::name, scalar_t>{static_cast<scalar_t*>(y)}, reverse, x, outer, n, \
               inner);
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_(sum) MT_RUN_(prod) MT_RUN_(logsumexp))
  if (dtype == DType::Int64) {
    using scalar_t = int64_t;
    MT_RUN_(sum)
    MT_RUN_(prod)
  }
#undef MT_RUN_
}

void scan_extremum(bool largest, DType dtype, const void* x, void* values, int64_t* indices,
                   int64_t outer, int64_t n, int64_t inner) {
#define MT_RUN_                                                                                  \
  return run(RunningExtremum<scalar_t>{largest, static_cast<scalar_t*>(values), indices}, false, \
             x, outer, n, inner);
  MT_SWITCH_INT(dtype, MT_RUN_)
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_)
#undef MT_RUN_
}

}  // namespace mt::cuda
