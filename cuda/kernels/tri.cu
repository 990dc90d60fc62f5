// One thread per element of y. Bytes: a read of the triangle, a write of everything.
#include "ops/tri.h"

#include "cuda/core/launch.h"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    tri_kernel(const T* x, T* y, int64_t count, int64_t rows, int64_t cols, int64_t k, bool upper) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    const int64_t line = i / cols, place = i - line * cols - line % rows;
    y[i] = (upper ? place >= k : place <= k) ? x[i] : T(0);
  }
}

template <class T>
void run(const void* x, void* y, int64_t count, int64_t rows, int64_t cols, int64_t k, bool upper) {
  MT_LAUNCH((tri_kernel<T>), grid_for(count, kThreads), kThreads, 0, stream(),
            static_cast<const T*>(x), static_cast<T*>(y), count, rows, cols, k, upper);
}

}  // namespace

void tri(int64_t itemsize, const void* x, void* y, int64_t batch, int64_t rows, int64_t cols,
         int64_t k, bool upper) {
  const int64_t count = batch * rows * cols;
  if (itemsize == 1) return run<uint8_t>(x, y, count, rows, cols, k, upper);
  if (itemsize == 2) return run<uint16_t>(x, y, count, rows, cols, k, upper);
  if (itemsize == 4) return run<uint32_t>(x, y, count, rows, cols, k, upper);
  run<uint64_t>(x, y, count, rows, cols, k, upper);
}

}  // namespace mt::cuda
