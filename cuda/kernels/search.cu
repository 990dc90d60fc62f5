// Binary search: one thread per value, log2(n) steps. Counts by atomic additions of integers, whose
// order does not matter, in shared memory where the bins are few; weighted ones go the way of
// index_reduce, which adds in a fixed order.
#include "ops/search.h"

#include "cuda/core/launch.h"
#include "cuda/core/vec.h"
#include "cuda/kernels/sort_digits.cuh"
#include "ops/index.h"

namespace mt::cuda {
namespace {

template <class S>
__global__ void __launch_bounds__(kThreads, 4)
    search_kernel(const S* boundaries, const int64_t* order, const S* x, int64_t* y, int64_t rows,
                  int64_t n, int64_t m, bool shared, bool right) {
  using T = compute_t<S>;
  for (int64_t r = blockIdx.y; r < rows; r += gridDim.y) {
    const S* row = boundaries + (shared ? 0 : r * n);
    const int64_t* sorter = order ? order + (shared ? 0 : r * n) : nullptr;
    for (int64_t i = thread_index(); i < m; i += thread_count()) {
      const T v = load(x[r * m + i]);
      int64_t low = 0;
      for (int64_t left = n; left > 0;) {
        const int64_t half = left - left / 2, at = low + half - 1;
        const T b = load(row[sorter ? sorter[at] : at]);
        // Written so that NaN, as a value, belongs behind everything.
        low = (right ? !(b > v) : !(b >= v)) ? low + half : low;
        left -= half;
      }
      y[r * m + i] = low;
    }
  }
}

// counts[bin(i)]++ for the i < n whose bin is not negative. Few bins are counted in shared memory.
constexpr int kSharedBins = 4096;

template <class Bin>
__device__ __forceinline__ void count_bins(int64_t n, int64_t bins, int64_t* counts,
                                           const Bin& bin_of) {
  MT_SHARED(uint32_t, table, kSharedBins);
  const bool shared = bins <= kSharedBins;
  for (int b = threadIdx.x; shared && b < bins; b += kThreads) table[b] = 0;
  __syncthreads();
  for (int64_t first = int64_t(blockIdx.x) * kThreads; first < n; first += thread_count()) {
    const int64_t i = first + threadIdx.x;
    const int64_t bin = i < n ? bin_of(i) : -1;
    if (shared) count_digit(table, int(bin), bin >= 0);
    else if (bin >= 0) atomicAdd(reinterpret_cast<unsigned long long*>(counts + bin), 1ull);
  }
  __syncthreads();
  for (int b = threadIdx.x; shared && b < bins; b += kThreads) {
    const uint32_t count = table[b];
    if (count) atomicAdd(reinterpret_cast<unsigned long long*>(counts + b), count);
  }
}

__global__ void __launch_bounds__(kThreads)
    bincount_kernel(const int64_t* x, int64_t* counts, int64_t n, int64_t bins) {
  count_bins(n, bins, counts, [=](int64_t i) { return x[i]; });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    histc_kernel(const T* x, int64_t* counts, int64_t n, int64_t bins, T first, T last) {
  count_bins(n, bins, counts, [=](int64_t i) {
    const T v = x[i];
    if (!(v >= first && v <= last)) return int64_t(-1);
    const int64_t bin = int64_t((v - first) / (last - first) * T(bins));
    return bin < bins ? bin : bins - 1;
  });
}

// Few enough that the tables of the blocks are little beside the elements.
unsigned count_grid(int64_t n) { return grid_for(n, 16 * kThreads, 2048); }

}  // namespace

void searchsorted(DType dtype, const void* boundaries, const int64_t* order, const void* x,
                  int64_t* y, int64_t rows, int64_t n, int64_t m, bool shared, bool right) {
  if (rows == 0 || m == 0) return;
  const dim3 grid{grid_for(m, kThreads, 1 << 20), grid_for(rows, 1, 65535)};
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    MT_LAUNCH((search_kernel<S>), grid, kThreads, 0, stream(), static_cast<const S*>(boundaries),
              order, static_cast<const S*>(x), y, rows, n, m, shared, right);
  };
  MT_SWITCH_INT(dtype, run(scalar_t{});)
  MT_SWITCH_FLOAT_HALF(dtype, run(scalar_t{});)
}

void bincount(const int64_t* x, const double* weights, void* counts, int64_t n, int64_t bins) {
  if (n == 0) return;
  if (!weights) {
    MT_LAUNCH(bincount_kernel, count_grid(n), kThreads, 0, stream(), x,
              static_cast<int64_t*>(counts), n, bins);
    return;
  }
  IndexLoop loop;
  loop.it.nargs = 3;
  loop.it.ndim = 1;
  loop.it.numel = loop.it.shape[0] = n;
  const int64_t strides[] = {8, 0, 8};
  for (int k = 0; k < 3; k++) loop.it.strides[0][k] = strides[k];
  loop.it.data[0] = reinterpret_cast<char*>(const_cast<double*>(weights));
  loop.it.data[1] = static_cast<char*>(counts);
  loop.it.data[2] = reinterpret_cast<char*>(const_cast<int64_t*>(x));
  loop.step = 8;
  loop.size = bins;
  index_reduce(DType::Float64, IndexReduce::add, loop);
}

void histc(DType dtype, const void* x, int64_t* counts, int64_t n, int64_t bins, double low,
           double high) {
  if (n == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    MT_LAUNCH((histc_kernel<scalar_t>), count_grid(n), kThreads, 0, stream(),
              static_cast<const scalar_t*>(x), counts, n, bins, scalar_t(low), scalar_t(high));
  })
}

}  // namespace mt::cuda
