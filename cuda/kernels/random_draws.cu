// Draws from rows of weights.
// With replacement: running sums of a row by a block, then a search per draw.
// Without: an exponential race, whose first arrivals -log(u) / weight are the draws. A few are
// found one after the other; for more all arrivals are sorted, by a network whose every step is a
// launch (n log^2 n compare-exchanges).
#include <cstddef>

#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/random_words.cuh"
#include "kernels/random_laws.h"
#include "ops/random.h"

namespace mt::cuda {
namespace {

constexpr unsigned kAll = 0xffffffffu;
constexpr int kWarps = kThreads / 32;
constexpr int64_t kFewDraws = 16;

// --- checks

__global__ void __launch_bounds__(kThreads)
    problem_kernel(const double* weights, int64_t rows, int64_t n, int64_t draws, int* problem) {
  MT_SHARED(int, positive, kWarps);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    int64_t count = 0;
    bool invalid = false;
    for (int64_t i = threadIdx.x; i < n; i += kThreads) {
      const double w = weights[r * n + i];
      invalid = invalid || !(w >= 0 && w - w == 0);
      count += w > 0;
    }
    int sum = int(count < draws ? count : draws);  // enough is enough: no overflow
    for (int step = 16; step; step /= 2) sum += __shfl_xor_sync(kAll, sum, step);
    if (threadIdx.x % 32 == 0) positive[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
      int64_t total = 0;
      for (int w = 0; w < kWarps; w++) {
        const int part = positive[w];
        total += part;
      }
      if (total == 0) atomicMax(problem, int(WeightProblem::all_zero));
      else if (total < draws) atomicMax(problem, int(WeightProblem::too_few));
    }
    if (invalid) atomicMax(problem, int(WeightProblem::invalid));
    __syncthreads();
  }
}

// --- with replacement

__global__ void __launch_bounds__(kThreads)
    running_sums_kernel(const double* weights, double* sums, int64_t rows, int64_t n) {
  MT_SHARED(double, warps, kWarps);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    double before = 0;
    for (int64_t first = 0; first < n; first += kThreads) {
      const int64_t i = first + threadIdx.x;
      double upto = i < n ? weights[r * n + i] : 0;
      for (int step = 1; step < 32; step *= 2) {
        const double other = __shfl_up_sync(kAll, upto, step);
        if (lane >= step) upto += other;
      }
      if (lane == 31) warps[warp] = upto;
      __syncthreads();
      double total = before;
      for (int w = 0; w < kWarps; w++) {
        if (w == warp) upto += total;
        const double part = warps[w];
        total += part;
      }
      before = total;
      if (i < n) sums[r * n + i] = upto;
      __syncthreads();
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    search_kernel(const double* sums, int64_t* y, int64_t rows, int64_t n, int64_t draws,
                  uint64_t seed, uint64_t offset) {
  resolve_place(&seed, &offset);
  for (int64_t i = thread_index(); i < rows * draws; i += thread_count()) {
    const double* row = sums + i / draws * n;
    const double target = fn::Stream{seed, offset + uint64_t(i)}.next() * row[n - 1];
    int64_t low = 0;
    for (int64_t left = n - 1; left > 0;) {
      const int64_t half = left - left / 2;
      if (row[low + half - 1] <= target) low += half;
      left -= half;
    }
    y[i] = low;
  }
}

// --- without

// Arrival times of every row, in rows of `width` >= n, and beside them their indices.
__global__ void __launch_bounds__(kThreads)
    arrivals_kernel(const double* weights, double* times, int64_t* index, int64_t rows, int64_t n,
                    int64_t width, uint64_t seed, uint64_t offset) {
  resolve_place(&seed, &offset);
  for (int64_t k = thread_index(); k < rows * width; k += thread_count()) {
    const int64_t r = k / width, i = k - r * width;
    double time = __builtin_huge_val();
    if (i < n) {
      const double weight = weights[r * n + i];
      const Philox4 words = philox(seed, offset + uint64_t(r * n + i));
      if (weight > 0) time = -log(fn::open_unit(words.v[0], words.v[1])) / weight;
    }
    times[k] = time;
    if (index) index[k] = i;
  }
}

__device__ __forceinline__ bool earlier(double a, int64_t i, double b, int64_t j) {
  return a < b || (a == b && i < j);
}

// A block per row: every round finds the first arrival after the last one found.
__global__ void __launch_bounds__(kThreads)
    first_arrivals_kernel(const double* times, int64_t* y, int64_t rows, int64_t n, int64_t draws) {
  MT_SHARED(double, best_time, kWarps);
  MT_SHARED(int64_t, best_index, kWarps);
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    double last_time = -1;
    int64_t last_index = -1;
    for (int64_t d = 0; d < draws; d++) {
      double time = __builtin_huge_val();
      int64_t index = n;
      for (int64_t i = threadIdx.x; i < n; i += kThreads) {
        const double t = times[r * n + i];
        if (earlier(last_time, last_index, t, i) && earlier(t, i, time, index)) time = t, index = i;
      }
      for (int step = 16; step; step /= 2) {
        const double t = __shfl_xor_sync(kAll, time, step);
        const int64_t i = __shfl_xor_sync(kAll, index, step);
        if (earlier(t, i, time, index)) time = t, index = i;
      }
      if (threadIdx.x % 32 == 0) {
        best_time[threadIdx.x / 32] = time;
        best_index[threadIdx.x / 32] = index;
      }
      __syncthreads();
      time = best_time[0];
      index = best_index[0];
      for (int w = 1; w < kWarps; w++) {
        const double t = best_time[w];
        const int64_t i = best_index[w];
        if (earlier(t, i, time, index)) time = t, index = i;
      }
      last_time = time;
      last_index = index;
      if (threadIdx.x == 0) y[r * draws + d] = index;
      __syncthreads();
    }
  }
}

// One step of a bitonic network over rows of `width`, a power of two.
__global__ void __launch_bounds__(kThreads)
    exchange_kernel(double* times, int64_t* index, int64_t count, int64_t run, int64_t distance) {
  for (int64_t p = thread_index(); p < count / 2; p += thread_count()) {
    const int64_t a = p / distance * 2 * distance + p % distance, b = a + distance;
    const double ta = times[a], tb = times[b];
    const int64_t ia = index[a], ib = index[b];
    const bool falling = a & run;  // of this run; the last merge has none
    if (earlier(tb, ib, ta, ia) != falling) {
      times[a] = tb, times[b] = ta;
      index[a] = ib, index[b] = ia;
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    take_kernel(const int64_t* index, int64_t* y, int64_t rows, int64_t width, int64_t draws) {
  for (int64_t i = thread_index(); i < rows * draws; i += thread_count())
    y[i] = index[i / draws * width + i % draws];
}

void sorted_draws(const double* weights, int64_t* y, int64_t rows, int64_t n, int64_t draws,
                  uint64_t seed, uint64_t offset) {
  int64_t width = 1;
  while (width < n) width *= 2;
  const int64_t count = rows * width;
  const Scratch times(size_t(count) * sizeof(double)), index(size_t(count) * sizeof(int64_t));
  MT_LAUNCH(arrivals_kernel, grid_for(count, kThreads), kThreads, 0, stream(), weights,
            times.as<double>(), index.as<int64_t>(), rows, n, width, seed, offset);
  for (int64_t run = 2; run <= width; run *= 2)
    for (int64_t distance = run / 2; distance; distance /= 2)
      MT_LAUNCH(exchange_kernel, grid_for(count / 2, kThreads), kThreads, 0, stream(),
                times.as<double>(), index.as<int64_t>(), count, run < width ? run : 0, distance);
  MT_LAUNCH(take_kernel, grid_for(rows * draws, kThreads), kThreads, 0, stream(),
            index.as<int64_t>(), y, rows, width, draws);
}

}  // namespace

void multinomial_problem(const double* weights, int64_t rows, int64_t n, int64_t draws,
                         WeightProblem* problem) {
  *problem = WeightProblem::none;
  if (rows == 0) return;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  MT_CUDA_CHECK(cudaStreamIsCapturing(stream(), &status));
  MT_CHECK(status == cudaStreamCaptureStatusNone,
           "cannot be captured in a CUDA graph, because the CPU checks the weights");
  const Scratch found(sizeof(int));
  int code = 0;
  MT_CUDA_CHECK(cudaMemsetAsync(found.as<int>(), 0, sizeof code, stream()));
  MT_LAUNCH(problem_kernel, grid_for(rows, 1, 4096), kThreads, 0, stream(), weights, rows, n, draws,
            found.as<int>());
  MT_CUDA_CHECK(
      cudaMemcpyAsync(&code, found.as<int>(), sizeof code, cudaMemcpyDeviceToHost, stream()));
  MT_CUDA_CHECK(cudaStreamSynchronize(stream()));
  *problem = WeightProblem(code);
}

void random_multinomial(const double* weights, int64_t* y, int64_t rows, int64_t n, int64_t draws,
                        bool replacement, double* work, uint64_t seed, uint64_t offset) {
  if (rows == 0) return;
  const unsigned blocks = grid_for(rows, 1, 4096);
  if (replacement) {
    MT_LAUNCH(running_sums_kernel, blocks, kThreads, 0, stream(), weights, work, rows, n);
    MT_LAUNCH(search_kernel, grid_for(rows * draws, kThreads), kThreads, 0, stream(), work, y, rows,
              n, draws, seed, offset);
    return;
  }
  if (draws > kFewDraws) return sorted_draws(weights, y, rows, n, draws, seed, offset);
  MT_LAUNCH(arrivals_kernel, grid_for(rows * n, kThreads), kThreads, 0, stream(), weights, work,
            static_cast<int64_t*>(nullptr), rows, n, n, seed, offset);
  MT_LAUNCH(first_arrivals_kernel, blocks, kThreads, 0, stream(), work, y, rows, n, draws);
}

}  // namespace mt::cuda
