// Selection by rank, without sorting the rows: the digits of the wanted key are found from the top,
// 11 bits a level, each by a histogram of the keys that share the digits before it. topk then picks
// what lies before that key and as many of its equals as are wanted, in the order of the row, and
// sorts only those k. Short rows are sorted.
//
// Many rows: one block per row does everything. Few long rows: blocks share a row; each level's
// kernel first derives, in every block alike, the digit of the level before from its histogram, so
// that nothing waits for the host. Bytes: a read of x per level (3 for 32 bits, less where the key
// is found early), one to pick or find.
#include "ops/topk.h"

#include "cuda/kernels/sort.cuh"
#include "cuda/kernels/topk_search.cuh"

namespace mt::cuda {
namespace {

constexpr int64_t kSorted = 1024;  // rows up to here are sorted

template <class S>
struct Task {
  const S* x;
  S* values;         // what was picked, or the element
  uint32_t* places;  // topk: of what was picked
  int64_t* indices;  // select
  int64_t rows;
  uint32_t n, k;
  SelectOp op;
  typename SortKeys<S>::Key flip;
  bool to_pick;

  __device__ __forceinline__ Row<S> row(int64_t r) const { return {x + r * n, n, flip}; }
  __device__ __forceinline__ uint32_t rank(uint32_t nans) const {
    return to_pick ? k - 1 : wanted_rank(op, n, k, nans);
  }
};

// --- a block per row

template <class S>
__global__ void __launch_bounds__(kThreads) select_row_kernel(const Task<S> task) {
  using K = typename Row<S>::K;
  MT_SHARED(uint32_t, bins, kBins);
  MT_SHARED(uint32_t, place, 1);
  for (int64_t r = blockIdx.x; r < task.rows; r += gridDim.x) {
    const Row<S> row = task.row(r);
    Search<K> s = {K(0), K(0), 0, task.n};
    for (int level = 0; level < levels_of(SortKeys<S>::kBits); level++) {
      for (int b = threadIdx.x; b < kBins; b += kThreads) bins[b] = 0;
      if (threadIdx.x == 0) place[0] = task.n;
      __syncthreads();
      uint32_t nans = 0;
      count_level(row, s, level, 0, task.n, bins, &nans);
      if (level == 0) s.rank = task.rank(SortKeys<S>::kFloat ? block_sum(nans) : 0);
      __syncthreads();
      s = next_level<S>(s, level, [&](int d) {
        const uint32_t c = bins[d];
        return c;
      });
      if (finished(s, task.to_pick)) break;
    }
    if (task.to_pick) {
      pick(row, s, 0, task.n, 0, task.values + r * task.k, task.places + r * task.k);
    } else {
      for (int64_t i = threadIdx.x; i < task.n; i += kThreads) {
        if ((row.key(uint32_t(i)) & s.mask) != s.found) continue;
        atomicMin(&place[0], uint32_t(i));
        break;
      }
      __syncthreads();
      const uint32_t at = place[0];
      if (threadIdx.x == 0) {
        task.values[r] = row.x[at];
        task.indices[r] = at;
      }
    }
    __syncthreads();
  }
}

// --- several blocks per row

// In device memory, zero at first.
template <class K>
struct Shares {
  uint32_t* bins;       // [level, row][digit]
  uint32_t* nans;       // [row]
  Search<K>* searches;  // [level, row]: what was known before the level
  uint64_t* counts;     // [row, piece]: elements before the found key, and << 32 its matches
  uint32_t* first;      // [row]: of the matches, complemented
  uint32_t piece;       // elements
};

// What the levels before this one found.
template <class S>
__device__ __forceinline__ Search<typename Row<S>::K> search_before(
    const Task<S>& task, const Shares<typename Row<S>::K>& shares, int level, int64_t r) {
  using K = typename Row<S>::K;
  Search<K> s = {K(0), K(0), 0, task.n};
  if (level > 0) {
    const int64_t at = (level - 1) * task.rows + r;
    if (level > 1) s = shares.searches[at];
    else s.rank = task.rank(shares.nans[r]);
    if (level == 1 || !finished(s, task.to_pick))
      s = next_level<S>(s, level - 1, [&](int d) { return shares.bins[at * kBins + d]; });
  }
  if (blockIdx.x == 0 && threadIdx.x == 0) shares.searches[level * task.rows + r] = s;
  return s;
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    level_kernel(const Task<S> task, const Shares<typename Row<S>::K> shares, int level) {
  MT_SHARED(uint32_t, bins, kBins);
  const int64_t r = blockIdx.y;
  const auto s = search_before(task, shares, level, r);
  if (level > 0 && finished(s, task.to_pick)) return;
  for (int b = threadIdx.x; b < kBins; b += kThreads) bins[b] = 0;
  __syncthreads();
  const uint32_t begin = blockIdx.x * shares.piece;
  const uint32_t end = task.n - begin < shares.piece ? task.n : begin + shares.piece;
  uint32_t nans = 0;
  count_level(task.row(r), s, level, begin, end, bins, &nans);
  if (level == 0 && SortKeys<S>::kFloat && !task.to_pick) {
    nans = block_sum(nans);
    if (threadIdx.x == 0 && nans) atomicAdd(&shares.nans[r], nans);
  }
  __syncthreads();
  for (int b = threadIdx.x; b < kBins; b += kThreads) {
    const uint32_t c = bins[b];
    if (c) atomicAdd(&shares.bins[(level * task.rows + r) * kBins + b], c);
  }
}

// topk: how many elements of each piece are picked. select: the first match.
template <class S>
__global__ void __launch_bounds__(kThreads)
    find_kernel(const Task<S> task, const Shares<typename Row<S>::K> shares, int levels) {
  const int64_t r = blockIdx.y;
  const auto s = search_before(task, shares, levels, r);
  const Row<S> row = task.row(r);
  const uint32_t begin = blockIdx.x * shares.piece;
  const uint32_t end = task.n - begin < shares.piece ? task.n : begin + shares.piece;
  uint64_t count = 0;
#pragma unroll 4
  for (int64_t at = begin + threadIdx.x; at < end; at += kThreads) {
    const uint32_t i = uint32_t(at);
    const auto head = row.key(i) & s.mask;
    if (task.to_pick) {
      count += uint64_t(head == s.found) << 32 | uint64_t(head < s.found);
    } else if (head == s.found) {
      atomicMax(&shares.first[r], ~i);
      break;
    }
  }
  if (!task.to_pick) return;
  count = block_sum(count);
  if (threadIdx.x == 0) shares.counts[r * gridDim.x + blockIdx.x] = count;
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    finish_kernel(const Task<S> task, const Shares<typename Row<S>::K> shares, int levels) {
  const int64_t r = blockIdx.y;
  if (!task.to_pick) {
    if (threadIdx.x != 0) return;
    const uint32_t at = ~shares.first[r];
    task.values[r] = task.x[r * task.n + at];
    task.indices[r] = at;
    return;
  }
  const auto s = shares.searches[levels * task.rows + r];
  uint64_t before = 0;
  for (unsigned p = threadIdx.x; p < blockIdx.x; p += kThreads)
    before += shares.counts[r * gridDim.x + p];
  before = block_sum(before);
  const uint32_t begin = blockIdx.x * shares.piece;
  const uint32_t end = task.n - begin < shares.piece ? task.n : begin + shares.piece;
  pick(task.row(r), s, begin, end, before, task.values + r * task.k, task.places + r * task.k);
}

// By size only: rows that would leave most of a GPU without work are shared by blocks.
constexpr int64_t kManyRows = 256, kLongRow = 16384, kPiece = 4096, kAllPieces = 1024;

template <class S>
void run(const Task<S>& task) {
  using K = typename Row<S>::K;
  if (task.rows >= kManyRows || task.n < kLongRow) {
    MT_LAUNCH((select_row_kernel<S>), grid_for(task.rows, 1), kThreads, 0, stream(), task);
    return;
  }
  constexpr int levels = levels_of(SortKeys<S>::kBits);
  static_assert(levels <= kMaxLevels);
  const int64_t most = ceil_div(kAllPieces, task.rows), possible = ceil_div(task.n, kPiece);
  const int64_t piece = ceil_div(task.n, most < possible ? most : possible);
  const int64_t pieces = ceil_div(task.n, piece);
  const size_t rows = size_t(task.rows), bins = size_t(levels) * rows * kBins;
  const size_t zeroed = (bins + 2 * rows) * sizeof(uint32_t);
  Scratch zeros(zeroed), searches(size_t(levels + 1) * rows * sizeof(Search<K>)),
      counts(rows * size_t(pieces) * sizeof(uint64_t));
  MT_CUDA_CHECK(cudaMemsetAsync(zeros.as<void>(), 0, zeroed, stream()));
  uint32_t* const zero = zeros.as<uint32_t>();
  const Shares<K> shares{zero,
                         zero + bins,
                         searches.as<Search<K>>(),
                         counts.as<uint64_t>(),
                         zero + bins + rows,
                         uint32_t(piece)};
  const dim3 grid{unsigned(pieces), unsigned(task.rows)};
  for (int level = 0; level < levels; level++)
    MT_LAUNCH((level_kernel<S>), grid, kThreads, 0, stream(), task, shares, level);
  MT_LAUNCH((find_kernel<S>), grid, kThreads, 0, stream(), task, shares, levels);
  const dim3 finish{task.to_pick ? unsigned(pieces) : 1u, unsigned(task.rows)};
  MT_LAUNCH((finish_kernel<S>), finish, kThreads, 0, stream(), task, shares, levels);
}

// One thread per row: the asked place in the sorted row, and from there back to the first element
// that equals it.
template <class S>
__global__ void __launch_bounds__(kThreads)
    select_sorted_kernel(SelectOp op, const S* x, const uint32_t* order, S* values,
                         int64_t* indices, int64_t rows, int64_t n, int64_t k) {
  using K = typename SortKeys<S>::Key;
  for (int64_t r = thread_index(); r < rows; r += thread_count()) {
    const S* row = x + r * n;
    const uint32_t* sorted = order + r * n;
    const auto key = [&](int64_t i) { return SortKeys<S>::of(row[sorted[i]]); };
    // First place in the sorted row whose key is not smaller.
    const auto first_of = [&](K wanted) {
      int64_t low = 0, high = n;
      while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (key(middle) < wanted) low = middle + 1;
        else high = middle;
      }
      return low;
    };
    uint32_t nans = 0;
    if (SortKeys<S>::kFloat && op != SelectOp::kth)
      nans = uint32_t(n - first_of(SortKeys<S>::kLast));
    const int64_t place = sorted[first_of(key(wanted_rank(op, uint32_t(n), k, nans)))];
    values[r] = row[place];
    indices[r] = place;
  }
}

// --- mode

// best[row] = the longest run of equal keys of the sorted row: its length, and behind that its end,
// complemented so that of equally long runs the first one is the largest.
template <class S>
__global__ void __launch_bounds__(kThreads)
    mode_runs_kernel(const S* sorted, unsigned long long* best, int64_t rows, int64_t n) {
  const int64_t all = rows * n;
  for (int64_t first = int64_t(blockIdx.x) * kThreads; first < all; first += thread_count()) {
    const int64_t at = first + threadIdx.x;
    const int64_t r = at / n, i = at - r * n;
    unsigned long long run = 0;
    if (at < all) {
      const S* row = sorted + r * n;
      const auto key = SortKeys<S>::of(row[i]);
      if (i == n - 1 || SortKeys<S>::of(row[i + 1]) != key) {
        int64_t low = 0, high = i;
        while (low < high) {
          const int64_t middle = (low + high) / 2;
          if (SortKeys<S>::of(row[middle]) < key) low = middle + 1;
          else high = middle;
        }
        run = uint64_t(i + 1 - low) << 32 | uint32_t(~uint32_t(i));
      }
    }
    if (broadcast(r, 0) == broadcast(r, kWarp - 1)) {  // one row for all lanes
      run = warp_reduce(run, LargerValue{});
      if (lane_index() != 0) run = 0;
    }
    if (run) atomicMax(&best[r], run);
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    mode_take_kernel(const S* sorted, const int64_t* order, const unsigned long long* best,
                     S* values, int64_t* indices, int64_t rows, int64_t n) {
  for (int64_t r = thread_index(); r < rows; r += thread_count()) {
    const int64_t at = r * n + uint32_t(~uint32_t(best[r]));
    values[r] = sorted[at];
    indices[r] = order[at];
  }
}

// ---

template <class S>
void topk(bool largest, const S* x, S* values, int64_t* indices, int64_t rows, int64_t n, int64_t k,
          DType dtype) {
  Sorted to;
  to.values = values;
  to.indices = indices;
  to.k = k;
  // Of long rows of which much is wanted, a sort reads no more.
  if (n <= kSorted || 2 * k > n) return sort_rows(dtype, largest, x, rows, n, to);
  Scratch picked(size_t(rows * k) * sizeof(S)), places(size_t(rows * k) * sizeof(uint32_t));
  using K = typename SortKeys<S>::Key;
  run(Task<S>{x, picked.as<S>(), places.as<uint32_t>(), nullptr, rows, uint32_t(n), uint32_t(k),
              SelectOp::kth, largest ? K(~K(0)) : K(0), true});
  to.map = places.as<uint32_t>();
  sort_rows(dtype, largest, picked.as<S>(), rows, k, to);
}

template <class S>
void select(SelectOp op, const S* x, S* values, int64_t* indices, int64_t rows, int64_t n,
            int64_t k, DType dtype) {
  if (n > kSorted) {
    using K = typename SortKeys<S>::Key;
    run(Task<S>{x, values, nullptr, indices, rows, uint32_t(n), uint32_t(k), op, K(0), false});
    return;
  }
  Scratch order(size_t(rows * n) * sizeof(uint32_t));
  Sorted to;
  to.order = order.as<uint32_t>();
  sort_rows(dtype, false, x, rows, n, to);
  MT_LAUNCH((select_sorted_kernel<S>), grid_for(rows, kThreads, 1 << 20), kThreads, 0, stream(), op,
            x, order.as<uint32_t>(), values, indices, rows, n, k);
}

}  // namespace

void topk_forward(DType dtype, bool largest, const void* x, void* values, int64_t* indices,
                  int64_t rows, int64_t n, int64_t k) {
  if (rows == 0 || k == 0) return;
  const auto typed = [&](auto kind) {
    using S = decltype(kind);
    topk(largest, static_cast<const S*>(x), static_cast<S*>(values), indices, rows, n, k, dtype);
  };
  MT_SWITCH_INT(dtype, typed(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, typed(scalar_t{}))
}

void select_forward(SelectOp op, DType dtype, const void* x, void* values, int64_t* indices,
                    int64_t rows, int64_t n, int64_t k) {
  if (rows == 0) return;
  const auto typed = [&](auto kind) {
    using S = decltype(kind);
    select(op, static_cast<const S*>(x), static_cast<S*>(values), indices, rows, n, k, dtype);
  };
  MT_SWITCH_INT(dtype, typed(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, typed(scalar_t{}))
}

void mode_forward(DType dtype, const void* sorted, const int64_t* order, void* values,
                  int64_t* indices, int64_t rows, int64_t n) {
  const size_t bytes = size_t(rows) * sizeof(unsigned long long);
  const Scratch space(bytes);
  auto* best = space.as<unsigned long long>();
  MT_CUDA_CHECK(cudaMemsetAsync(best, 0, bytes, stream()));
  const auto typed = [&](auto kind) {
    using S = decltype(kind);
    const S* x = static_cast<const S*>(sorted);
    MT_LAUNCH((mode_runs_kernel<S>), grid_for(rows * n, kThreads), kThreads, 0, stream(), x, best,
              rows, n);
    MT_LAUNCH((mode_take_kernel<S>), grid_for(rows, kThreads), kThreads, 0, stream(), x, order,
              best, static_cast<S*>(values), indices, rows, n);
  };
  MT_SWITCH_INT(dtype, typed(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, typed(scalar_t{}))
}

}  // namespace mt::cuda
