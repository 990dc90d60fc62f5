// The order of slices: runs of twice the width per kernel, in which each slice looks for its place
// in the other run by binary search. Groups: a flag where a slice differs from its neighbour in
// order, and the running sum of the flags. Bytes: per merge two indices per slice and the slices
// that are compared; groups x twice, flags and sums 32 bytes per slice.
#include "ops/unique.h"

#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"
#include "cuda/core/vec.h"
#include "ops/scan.h"

namespace mt::cuda {
namespace {

template <class S>
struct Slices {
  const S* x;
  int64_t m;
  __device__ __forceinline__ bool equal(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < m; j++)
      if (load(x[a * m + j]) != load(x[b * m + j])) return false;
    return true;
  }
  // NaN is larger than everything.
  __device__ __forceinline__ bool less(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < m; j++) {
      const auto u = load(x[a * m + j]), v = load(x[b * m + j]);
      if (u != v) return u < v || (v != v && u == u);
    }
    return false;
  }
};

// `from` null: the slices as they are.
template <class S>
__global__ void __launch_bounds__(kThreads)
    merge_kernel(const Slices<S> s, int64_t n, int64_t width, const int64_t* from, int64_t* to) {
  const auto at = [=](int64_t i) { return from ? from[i] : i; };
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t start = i / (2 * width) * (2 * width);
    const int64_t middle = start + width < n ? start + width : n;
    const int64_t end = start + 2 * width < n ? start + 2 * width : n;
    const int64_t own = at(i);
    const bool left = i < middle;
    int64_t low = left ? middle : start, high = left ? end : middle;
    const int64_t first = low;
    while (low < high) {
      const int64_t half = (low + high) / 2, other = at(half);
      // Equal slices of the left run stay in front.
      if (left ? s.less(other, own) : !s.less(own, other)) low = half + 1;
      else high = half;
    }
    to[start + (i - (left ? start : middle)) + (low - first)] = own;
  }
}

template <class S>
__global__ void __launch_bounds__(kThreads)
    differs_kernel(const Slices<S> s, const int64_t* order, int64_t n, int64_t* group) {
  for (int64_t i = thread_index(); i < n; i += thread_count())
    group[i] = i > 0 && !s.equal(order ? order[i - 1] : i - 1, order ? order[i] : i);
}

__global__ void __launch_bounds__(kThreads)
    fill_kernel(const int64_t* order, const int64_t* group, int64_t n, int64_t* first,
                int64_t* inverse, int64_t* starts) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const int64_t at = order ? order[i] : i, g = group[i];
    inverse[at] = g;
    if (i > 0 && group[i - 1] == g) continue;
    first[g] = at;
    starts[g] = i;
  }
}

__global__ void __launch_bounds__(kThreads)
    counts_kernel(const int64_t* starts, int64_t n, int64_t groups, int64_t* counts) {
  for (int64_t g = thread_index(); g < groups; g += thread_count())
    counts[g] = (g + 1 < groups ? starts[g + 1] : n) - starts[g];
}

}  // namespace

void unique_order(DType dtype, const void* x, int64_t n, int64_t m, int64_t* order, int64_t* work) {
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    const Slices<S> s{static_cast<const S*>(x), m};
    // At least one merge, and the last one writes to `order`.
    int merges = 1;
    while (int64_t(1) << merges < n) merges++;
    const int64_t* from = nullptr;
    for (int k = 0; k < merges; k++) {
      int64_t* to = (merges - k) % 2 ? order : work;
      MT_LAUNCH((merge_kernel<S>), grid_for(n, kThreads), kThreads, 0, stream(), s, n,
                int64_t(1) << k, from, to);
      from = to;
    }
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

void unique_groups(DType dtype, const void* x, const int64_t* order, int64_t n, int64_t m,
                   int64_t* group) {
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    MT_LAUNCH((differs_kernel<S>), grid_for(n, kThreads), kThreads, 0, stream(),
              Slices<S>{static_cast<const S*>(x), m}, order, n, group);
  };
  MT_SWITCH_INT(dtype, run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, run(scalar_t{}))
  scan(ScanOp::sum, false, DType::Int64, group, group, 1, n, 1);
}

void unique_fill(const int64_t* order, const int64_t* group, int64_t n, int64_t groups,
                 int64_t* first, int64_t* inverse, int64_t* counts) {
  const Scratch starts(size_t(groups) * sizeof(int64_t));
  MT_LAUNCH(fill_kernel, grid_for(n, kThreads), kThreads, 0, stream(), order, group, n, first,
            inverse, starts.as<int64_t>());
  MT_LAUNCH(counts_kernel, grid_for(groups, kThreads), kThreads, 0, stream(), starts.as<int64_t>(),
            n, groups, counts);
}

}  // namespace mt::cuda
