// y = x * scale where the element's word is at least `drop`, 0 elsewhere. One read and one write
// per element; a thread draws four words.
#include "ops/dropout.h"

#include "cuda/core/vec.h"
#include "cuda/kernels/random_words.cuh"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    dropout_kernel(const T* x, T* y, int64_t n, int64_t counters, uint64_t seed, uint64_t offset,
                   uint32_t drop, compute_t<T> scale) {
  resolve_place(&seed, &offset);
  for (int64_t c = thread_index(); c < counters; c += thread_count()) {
    const Philox4 words = philox(seed, offset + uint64_t(c));
#pragma unroll
    for (int w = 0; w < 4; w++) {
      const int64_t i = element_of(c, w);
      if (i >= n) break;
      const compute_t<T> v = load(x[i]) * scale;
      y[i] = store_as<T>(words.v[w] >= drop ? v : compute_t<T>(0));
    }
  }
}

}  // namespace

void dropout_forward(DType dtype, const void* x, void* y, int64_t n, uint64_t seed, uint64_t offset,
                     uint32_t drop, double scale) {
  if (n == 0) return;
  const int64_t counters = counters_of(n);
  MT_SWITCH_FLOAT_HALF(dtype, {
    MT_LAUNCH((dropout_kernel<scalar_t>), grid_for(counters, kThreads), kThreads, 0, stream(),
              static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), n, counters, seed, offset,
              drop, compute_t<scalar_t>(scale));
  })
}

}  // namespace mt::cuda
