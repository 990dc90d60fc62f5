// Which outputs of a row have a given tap of their window inside of the plane.
#pragma once
#include "core/allocator.h"
#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "ops/pool.h"

namespace mt::cpu::MT_ISA {

MT_INLINE int64_t clamp64(int64_t x, int64_t lo, int64_t hi) {
  return x < lo ? lo : x > hi ? hi : x;
}

// Outputs [lo, hi) of a dim read position q*stride + offset for tap t.
struct TapRange {
  int64_t lo, hi, offset;

  MT_INLINE TapRange(const PoolParams& p, int d, int64_t t) {
    offset = t * p.dilation[d] - p.padding[d];
    lo = offset >= 0 ? 0 : ceil_div(-offset, p.stride[d]);
    hi = p.in[d] - offset <= 0 ? 0 : (p.in[d] - 1 - offset) / p.stride[d] + 1;
    hi = clamp64(hi, 0, p.out[d]);
    lo = clamp64(lo, 0, hi);
  }
};

// Calls f(row of the plane, t0 * kernel[1] + t1) for the taps of the leading two dims that lie
// inside of the plane at outputs q0, q1.
template <class F>
MT_INLINE void for_rows(const PoolParams& p, int64_t q0, int64_t q1, const F& f) {
  for (int64_t t0 = 0; t0 < p.kernel[0]; t0++) {
    const int64_t i0 = q0 * p.stride[0] - p.padding[0] + t0 * p.dilation[0];
    if (uint64_t(i0) >= uint64_t(p.in[0])) continue;
    for (int64_t t1 = 0; t1 < p.kernel[1]; t1++) {
      const int64_t i1 = q1 * p.stride[1] - p.padding[1] + t1 * p.dilation[1];
      if (uint64_t(i1) >= uint64_t(p.in[1])) continue;
      f(i0 * p.in[1] + i1, t0 * p.kernel[1] + t1);
    }
  }
}

template <class F>
MT_INLINE void for_planes(const PoolParams& p, int64_t work_per_plane, const F& f) {
  const int64_t grain = kGrain / (work_per_plane > 0 ? work_per_plane : 1);
  parallel_for(p.planes, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; plane++) f(plane);
  });
}

}  // namespace mt::cpu::MT_ISA
