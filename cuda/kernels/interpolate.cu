// Resampling along one dim by a table of places and weights: a thread per element of y, neighbours
// along the inner dim. One read of x (its neighbours' reads are in cache) and one write of y per
// dim, taps * 2 flops per element of y.
#include "ops/interpolate.h"

#include "cuda/core/divide.h"
#include "cuda/core/launch.h"

namespace mt::cuda {
namespace {

// kSmall: fewer than 2^31 elements of y, so that places divide by multiplication.
template <class T, bool kSmall>
__global__ void __launch_bounds__(kThreads)
    resample_kernel(const T* x, T* y, int64_t count, int64_t in, int64_t inner, int64_t out,
                    const Divider by_inner, const Divider by_out, int taps, const int32_t* at,
                    const T* w, bool sparse) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    int64_t a, b, q;
    if constexpr (kSmall) {
      uint32_t rest_inner, rest_out;
      a = by_out.divide(by_inner.divide(uint32_t(i), &rest_inner), &rest_out);
      b = rest_inner;
      q = rest_out;
    } else {
      const int64_t line = i / inner;
      b = i - line * inner;
      a = line / out;
      q = line - a * out;
    }
    const T* from = x + a * in * inner + b;
    T sum = 0;
    for (int k = 0; k < taps; k++) {
      const T weight = w[k * out + q];
      if (sparse && weight == T(0)) continue;
      sum += weight * from[at[k * out + q] * inner];
    }
    y[i] = sum;
  }
}

template <class T, bool kSmall>
void run(const void* x, void* y, int64_t count, int64_t in, int64_t inner, int64_t out,
         int64_t taps, const int32_t* at, const void* w, bool sparse) {
  const Divider by_inner(kSmall ? uint32_t(inner) : 1), by_out(kSmall ? uint32_t(out) : 1);
  MT_LAUNCH((resample_kernel<T, kSmall>), grid_for(count, kThreads), kThreads, 0, stream(),
            static_cast<const T*>(x), static_cast<T*>(y), count, in, inner, out, by_inner, by_out,
            int(taps), at, static_cast<const T*>(w), sparse);
}

}  // namespace

void resample(DType dtype, const void* x, void* y, int64_t outer, int64_t in, int64_t inner,
              int64_t out, int64_t taps, const int32_t* at, const void* w, bool sparse) {
  const int64_t count = outer * out * inner;
  if (count == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    if (count < 0x7fffffff) run<scalar_t, true>(x, y, count, in, inner, out, taps, at, w, sparse);
    else run<scalar_t, false>(x, y, count, in, inner, out, taps, at, w, sparse);
  })
}

}  // namespace mt::cuda
