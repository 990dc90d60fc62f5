// One read and one write per element; threads that see a number that is not finite say so.
#include "ops/amp.h"

#include "cuda/core/launch.h"
#include "cuda/core/vec.h"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    unscale_kernel(T* g, int64_t n, const float* inverse, float* found) {
  const compute_t<T> scale = compute_t<T>(*inverse);
  bool bad = false;
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const compute_t<T> v = load(g[i]);
    bad = bad || v - v != compute_t<T>(0);
    g[i] = store_as<T>(v * scale);
  }
  if (bad) atomicExch(found, 1.0f);
}

__global__ void update_scale_kernel(float* scale, int32_t* good_steps, const float* found,
                                    double growth, double backoff, int64_t interval) {
  next_scale(scale, good_steps, *found != 0, growth, backoff, interval);
}

}  // namespace

void unscale(DType dtype, void* g, int64_t n, const float* inverse, float* found) {
  if (n == 0) return;
  MT_SWITCH_FLOAT_HALF(dtype, {
    MT_LAUNCH((unscale_kernel<scalar_t>), grid_for(n, kThreads, 1 << 14), kThreads, 0, stream(),
              static_cast<scalar_t*>(g), n, inverse, found);
  })
}

void update_scale(float* scale, int32_t* good_steps, const float* found, double growth,
                  double backoff, int64_t interval) {
  MT_LAUNCH(update_scale_kernel, 1, 1, 0, stream(), scale, good_steps, found, growth, backoff,
            interval);
}

}  // namespace mt::cuda
