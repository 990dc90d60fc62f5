// y = x * scale where the element's word is at least `drop`, 0 elsewhere. One read and one write
// per element, and about three instructions of Philox.
#include "ops/dropout.h"

#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "kernels/random_words.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kGroup = 4 * kLanes;

template <class T>
void run(const T* x, T* y, int64_t n, uint64_t seed, uint64_t offset, uint32_t drop,
         compute_t<T> scale) {
  parallel_for(ceil_div(n, kGroup), kGrain / 2 / kGroup, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; g++) {
      Words w;
      philox16(seed, offset + uint64_t(g) * kLanes, w);
      const uint32_t* words = &w.v[0][0];
      const T* from = x + g * kGroup;
      T* to = y + g * kGroup;
      auto one = [&](int64_t k) {
        compute_t<T> v = load<T>(from[k]) * scale;
        to[k] = store_as<T>(words[k] >= drop ? v : compute_t<T>(0));
      };
      if (n - g * kGroup >= kGroup) {
#pragma GCC ivdep
        for (int64_t k = 0; k < kGroup; k++) one(k);
      } else {
        for (int64_t k = 0; k < n - g * kGroup; k++) one(k);
      }
    }
  });
}

}  // namespace

void dropout_forward(DType dtype, const void* x, void* y, int64_t n, uint64_t seed, uint64_t offset,
                     uint32_t drop, double scale) {
  MT_SWITCH_FLOAT_HALF(dtype, run(static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), n,
                                  seed, offset, drop, compute_t<scalar_t>(scale)))
}

}  // namespace mt::cpu::MT_ISA
