// One read and one write per element. What is not finite times 0 is NaN, so a sum of such products
// tells whether all are.
#include "ops/amp.h"

#include "core/parallel.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void run(T* g, int64_t n, float inverse, float* found) {
  parallel_for(n, kGrain, [=](int64_t begin, int64_t end) {
    using C = compute_t<T>;
    constexpr int lanes = 16;
    C sums[lanes] = {};
    int64_t i = begin;
    for (; i + lanes <= end; i += lanes)
      for (int k = 0; k < lanes; k++) {
        const C v = load<T>(g[i + k]);
        sums[k] += v * C(0);
        g[i + k] = store_as<T>(v * C(inverse));
      }
    for (; i < end; i++) {
      const C v = load<T>(g[i]);
      sums[0] += v * C(0);
      g[i] = store_as<T>(v * C(inverse));
    }
    C total = 0;
    for (int k = 0; k < lanes; k++) total += sums[k];
    if (total != C(0))
      __atomic_store_n(reinterpret_cast<uint32_t*>(found), 0x3f800000u, __ATOMIC_RELAXED);
  });
}

}  // namespace

void unscale(DType dtype, void* g, int64_t n, const float* inverse, float* found) {
  MT_SWITCH_FLOAT_HALF(dtype, run(static_cast<scalar_t*>(g), n, *inverse, found))
}

void update_scale(float* scale, int32_t* good_steps, const float* found, double growth,
                  double backoff, int64_t interval) {
  next_scale(scale, good_steps, *found != 0, growth, backoff, interval);
}

}  // namespace mt::cpu::MT_ISA
