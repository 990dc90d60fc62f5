// Resampling along one dim by a table of places and weights: a thread per element of y, neighbours
// along the inner dim. One read of x (its neighbours' reads are in cache) and one write of y per
// dim, taps * 2 flops per element of y.
#include "ops/interpolate.h"

#include "cuda/core/launch.h"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    resample_kernel(const T* x, T* y, int64_t count, int64_t in, int64_t inner, int64_t out,
                    int64_t taps, const int32_t* at, const T* w, bool sparse) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    const int64_t line = i / inner, b = i - line * inner, a = line / out, q = line - a * out;
    const T* from = x + a * in * inner + b;
    T sum = 0;
    for (int64_t k = 0; k < taps; k++) {
      const T weight = w[k * out + q];
      if (sparse && weight == T(0)) continue;
      sum += weight * from[at[k * out + q] * inner];
    }
    y[i] = sum;
  }
}

}  // namespace

void resample(DType dtype, const void* x, void* y, int64_t outer, int64_t in, int64_t inner,
              int64_t out, int64_t taps, const int32_t* at, const void* w, bool sparse) {
  const int64_t count = outer * out * inner;
  if (count == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    MT_LAUNCH((resample_kernel<scalar_t>), grid_for(count, kThreads), kThreads, 0, stream(),
              static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), count, in, inner, out,
              taps, at, static_cast<const scalar_t*>(w), sparse);
  })
}

}  // namespace mt::cuda
