// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four
// 32-bit numbers are a pure function of (seed, counter), so any element of a random tensor can be
// computed on any thread or device, and CPU and CUDA draw the same numbers.
#pragma once
#include "core/macros.h"

namespace mt {

struct Philox4 {
  uint32_t v[4];
};

// `draw` numbers the independent draws of one counter, for methods that reject some.
MT_INLINE MT_HD Philox4 philox(uint64_t seed, uint64_t counter, uint32_t draw = 0) {
  uint32_t c0 = uint32_t(counter), c1 = uint32_t(counter >> 32), c2 = draw, c3 = 0;
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = uint64_t(0xD2511F53u) * c0, p1 = uint64_t(0xCD9E8D57u) * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// [0, 1) with 24 or 53 random bits.
MT_INLINE MT_HD float uniform_float(uint32_t u) { return float(u >> 8) * 0x1p-24f; }
MT_INLINE MT_HD double uniform_double(uint32_t hi, uint32_t lo) {
  return double(((uint64_t(hi) << 32) | lo) >> 11) * 0x1p-53;
}

}  // namespace mt
