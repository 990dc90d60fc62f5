// The words of csrc/ops/random.h for one thread per Philox counter: word w of counter c belongs to
// element 64 * (c / 16) + 16 * w + c % 16, so that half a warp writes 16 elements side by side.
#pragma once
#include "core/random.h"
#include "cuda/core/launch.h"
#include "ops/random.h"

namespace mt::cuda {

constexpr int kCounters = 16;  // of a group

// Counters of n elements of one word, or two.
inline int64_t counters_of(int64_t n, bool wide = false) {
  const int64_t group = (wide ? 2 : 4) * kCounters;
  return ceil_div(n, group) * kCounters;
}

// The element of counter c's word w, or of its words 2w and 2w + 1.
__device__ __forceinline__ int64_t element_of(int64_t c, int w, bool wide = false) {
  return (c / kCounters) * (wide ? 2 : 4) * kCounters + w * kCounters + c % kCounters;
}

// Reads a relative place; see Note [Places in a captured graph] in csrc/ops/random.h.
__device__ __forceinline__ void resolve_place(uint64_t* seed, uint64_t* offset) {
  if (*offset & kRelativePlace) {
    const uint64_t* place = reinterpret_cast<const uint64_t*>(uintptr_t(*seed));
    *seed = place[0];
    *offset = (*offset ^ kRelativePlace) + place[1];
  }
}

}  // namespace mt::cuda
