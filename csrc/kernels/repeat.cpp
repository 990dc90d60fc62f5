// One write per element of y; threads take runs of repeated indices.
#include "ops/repeat.h"

#include "core/parallel.h"

namespace mt::cpu::MT_ISA {

void repeat_places(const int64_t* starts, int64_t n, int64_t total, int64_t* y) {
  const int64_t each = n > 0 ? total / n + 1 : 1;
  parallel_for(n, ceil_div(kGrain, each), [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      for (int64_t k = starts[i]; k < starts[i + 1]; k++) y[k] = i;
  });
}

}  // namespace mt::cpu::MT_ISA
