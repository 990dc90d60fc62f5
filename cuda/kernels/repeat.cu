// A thread per element of y searches where its place lies among the starts: log n reads that are in
// cache, and one write.
#include "ops/repeat.h"

#include "cuda/core/launch.h"

namespace mt::cuda {
namespace {

__global__ void __launch_bounds__(kThreads)
    repeat_places_kernel(const int64_t* starts, int64_t n, int64_t total, int64_t* y) {
  for (int64_t k = thread_index(); k < total; k += thread_count()) {
    int64_t low = 0, high = n - 1;  // the last i with starts[i] <= k
    while (low < high) {
      const int64_t middle = (low + high + 1) / 2;
      if (starts[middle] <= k) low = middle;
      else high = middle - 1;
    }
    y[k] = low;
  }
}

}  // namespace

void repeat_places(const int64_t* starts, int64_t n, int64_t total, int64_t* y) {
  if (total == 0) return;
  MT_LAUNCH(repeat_places_kernel, grid_for(total, kThreads), kThreads, 0, stream(), starts, n,
            total, y);
}

}  // namespace mt::cuda
