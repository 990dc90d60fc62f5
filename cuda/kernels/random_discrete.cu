// Integers, coins and Poisson counts over Philox words. One write per element; a thread draws the
// words of one counter.
#include "cuda/core/index_error.h"
#include "cuda/core/vec.h"
#include "cuda/kernels/random_words.cuh"
#include "kernels/random_laws.h"
#include "ops/random.h"

namespace mt::cuda {
namespace {

__device__ __forceinline__ void put(DType dtype, void* y, int64_t i, int64_t v){
    MT_SWITCH_ALL(dtype, static_cast<scalar_t*>(y)[i] = store_as<scalar_t>(v))}

__global__ void __launch_bounds__(kThreads)
    integers_kernel(DType dtype, void* y, int64_t n, int64_t counters, uint64_t seed,
                    uint64_t offset, int64_t low, uint64_t range, bool wide) {
  resolve_place(&seed, &offset);
  for (int64_t c = thread_index(); c < counters; c += thread_count()) {
    const Philox4 words = philox(seed, offset + uint64_t(c));
#pragma unroll
    for (int w = 0; w < 4; w++) {
      if (wide && w >= 2) break;
      const int64_t i = element_of(c, w, wide);
      if (i >= n) break;
      const uint64_t v =
          wide ? fn::below(w ? words.v[2] : words.v[0], w ? words.v[3] : words.v[1], range)
               : fn::below(words.v[w], range);
      put(dtype, y, i, int64_t(uint64_t(low) + v));
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    bernoulli_kernel(DType dtype, void* y, const float* p, float one, int64_t n, int64_t counters,
                     uint64_t seed, uint64_t offset) {
  resolve_place(&seed, &offset);
  for (int64_t c = thread_index(); c < counters; c += thread_count()) {
    const Philox4 words = philox(seed, offset + uint64_t(c));
#pragma unroll
    for (int w = 0; w < 4; w++) {
      const int64_t i = element_of(c, w);
      if (i < n) put(dtype, y, i, uniform_float(words.v[w]) < (p ? p[i] : one));
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    probabilities_kernel(const double* p, int64_t n, IndexErrors* errors) {
  for (int64_t i = thread_index(); i < n; i += thread_count())
    if (!(p[i] >= 0 && p[i] <= 1)) report_index(errors, IndexOp::bernoulli, i, n);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    poisson_kernel(T* y, const T* rate, int64_t n, uint64_t seed, uint64_t offset) {
  resolve_place(&seed, &offset);
  for (int64_t i = thread_index(); i < n; i += thread_count())
    y[i] = T(fn::poisson(double(rate[i]), fn::Stream{seed, offset + uint64_t(i)}));
}

}  // namespace

void random_integers(DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset, int64_t low,
                     uint64_t range, bool wide) {
  if (n == 0) return;
  const int64_t counters = counters_of(n, wide);
  MT_LAUNCH(integers_kernel, grid_for(counters, kThreads), kThreads, 0, stream(), dtype, y, n,
            counters, seed, offset, low, range, wide);
}

void random_bernoulli(DType dtype, void* y, const float* p, float one, int64_t n, uint64_t seed,
                      uint64_t offset) {
  if (n == 0) return;
  const int64_t counters = counters_of(n);
  MT_LAUNCH(bernoulli_kernel, grid_for(counters, kThreads), kThreads, 0, stream(), dtype, y, p, one,
            n, counters, seed, offset);
}

void all_probabilities(const double* p, int64_t n, bool*) {
  if (n == 0) return;
  MT_LAUNCH(probabilities_kernel, grid_for(n, kThreads), kThreads, 0, stream(), p, n,
            index_errors());
}

void random_poisson(DType dtype, void* y, const void* rate, int64_t n, uint64_t seed,
                    uint64_t offset) {
  if (n == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    MT_LAUNCH((poisson_kernel<scalar_t>), grid_for(n, kThreads), kThreads, 0, stream(),
              static_cast<scalar_t*>(y), static_cast<const scalar_t*>(rate), n, seed, offset);
  })
}

}  // namespace mt::cuda
