// From Philox words to numbers, for the CPU and CUDA.
#pragma once
#include "core/random.h"
#include "kernels/fn.h"

namespace MT_FN {

// (0, 1).
MT_INLINE float open_unit(uint32_t u) { return (float(u >> 1) * 2.0f + 1.0f) * 0x1p-32f; }
MT_INLINE double open_unit(uint32_t hi, uint32_t lo) {
  return (double(((uint64_t(hi) << 32) | lo) >> 12) + 0.5) * 0x1p-52;
}

struct Exponential {
  template <class T>
  static MT_INLINE T from(T u, T a, T) {
    return -log(u) / a;
  }
};
struct Geometric {
  template <class T>
  static MT_INLINE T from(T u, T a, T) {
    return ceil(log(u) / log1p(-a));
  }
};
struct Cauchy {
  template <class T>
  static MT_INLINE T from(T u, T a, T b) {
    return a + b * tan(T(3.141592653589793) * (u - T(0.5)));
  }
};

// An integer below range: the high half of the product, whose bias is below range / 2^32 (2^64).
MT_INLINE uint64_t below(uint32_t u, uint64_t range) { return (uint64_t(u) * range) >> 32; }
MT_INLINE uint64_t below(uint32_t hi, uint32_t lo, uint64_t range) {
  uint64_t u = (uint64_t(hi) << 32) | lo;
  return range ? uint64_t((static_cast<unsigned __int128>(u) * range) >> 64) : u;
}

// A stream of uniform numbers in (0, 1) that belongs to one element.
struct Stream {
  uint64_t seed, counter;
  uint32_t draw = 0;
  int used = 2;
  Philox4 words = {};

  MT_INLINE double next() {
    if (used == 2) {
      words = philox(seed, counter, ++draw);
      used = 0;
    }
    const uint32_t hi = used ? words.v[2] : words.v[0], lo = used ? words.v[3] : words.v[1];
    used++;
    return open_unit(hi, lo);
  }
};

// Knuth's product of uniforms for small rates; for others the transformed rejection PTRS (Hoermann,
// "The transformed rejection method for generating Poisson random variables", 1993).
MT_INLINE double poisson(double rate, Stream s) {
  if (!(rate > 0)) return rate == 0 ? 0.0 : rate - rate;
  if (rate < 10) {
    double limit = exp(-rate), product = s.next();
    double k = 0;
    for (; product > limit; k++) product *= s.next();
    return k;
  }
  double log_rate = log(rate);
  double b = 0.931 + 2.53 * sqrt(rate), a = -0.059 + 0.02483 * b;
  double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), vr = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    double u = s.next() - 0.5, v = s.next();
    double us = 0.5 - fabs(u);
    double k = floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= vr) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (log(v) + log(inverse_alpha) - log(a / (us * us) + b) <=
        -rate + k * log_rate - lgamma(k + 1))
      return k;
  }
}

}  // namespace MT_FN
