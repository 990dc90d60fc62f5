// Division by a number known at launch: multiply-high and shift instead of the ~20 instructions of
// an integer division. Exact for 0 <= n < 2^31 (Granlund and Montgomery, 1994).
#pragma once
#include "cuda/core/simt.h"

namespace mt::cuda {

struct Divider {
  uint32_t divisor = 1, magic = 0, shift = 0;

  Divider() = default;
  // 0, of a dim without elements, counts as 1.
  explicit Divider(uint32_t d) : divisor(d ? d : 1) {
    while (shift < 32 && (uint64_t(1) << shift) < divisor) shift++;
    magic = uint32_t(((uint64_t(1) << 32) * ((uint64_t(1) << shift) - divisor)) / divisor + 1);
  }

  // n / divisor; the remainder in *rest.
  __device__ __forceinline__ uint32_t divide(uint32_t n, uint32_t* rest) const {
    const uint32_t high = uint32_t((uint64_t(n) * magic) >> 32);
    const uint32_t q = uint32_t((uint64_t(high) + n) >> shift);
    *rest = n - q * divisor;
    return q;
  }
};

}  // namespace mt::cuda
