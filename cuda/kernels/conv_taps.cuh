// Which taps of a kernel a class of positions uses, and where each lies from a position's origin.
#pragma once
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "ops/conv.h"

namespace mt::cuda {

// Where a tap lies: its offset from a position's origin in elements, and its distance per dim.
struct alignas(16) Tap {
  int offset, d[3];
};
constexpr int kNoTap = 1 << 30;  // a distance that leaves every image

// Positions of all images in order: j = ((image * size[0] + i0) * size[1] + i1) * size[2] + i2.
struct Positions {
  Divider size[3];

  __device__ __forceinline__ void locate(uint32_t j, int* image, int (&i)[3]) const {
    uint32_t at;
#pragma unroll
    for (int d = 2; d >= 0; d--) {
      j = size[d].divide(j, &at);
      i[d] = int(at);
    }
    *image = int(j);
  }
};

__device__ __forceinline__ bool is_inside(const int (&at)[3], const Tap& tap,
                                          const int (&size)[3]) {
  // No short cuts, which would be branches.
  return bool(int(unsigned(at[0]) + unsigned(tap.d[0]) < unsigned(size[0])) &
              int(unsigned(at[1]) + unsigned(tap.d[1]) < unsigned(size[1])) &
              int(unsigned(at[2]) + unsigned(tap.d[2]) < unsigned(size[2])));
}

// Convolution and its input's gradient as sums over gathered images: of x, or (backward) of dy.
// Backward, positions of equal residue modulo the stride see the same taps and form a class.
struct ClassRule {
  int m, channels, groups, classes;  // rows of the result and summed channels, per group
  int kernel[3], residues[3];        // residues: classes per dim
  int padding[3], dilation[3], tap_step[3];
  int size[3];                      // of the gathered images
  int64_t w_group, w_m, w_channel;  // strides of w; a tap's is 1
  int64_t most_taps, per_image;     // of a class: taps, positions of the result
  bool backward;
};

inline int64_t gcd(int64_t a, int64_t b) { return b == 0 ? a : gcd(b, a % b); }

inline ClassRule make_rule(const ConvParams& p, bool backward) {
  const int64_t cg = p.c / p.groups, og = p.o / p.groups;
  const int64_t* from = backward ? p.out : p.in;
  const int64_t* to = backward ? p.in : p.out;
  ClassRule rule;
  rule.backward = backward;
  rule.m = int(backward ? cg : og);
  rule.channels = int(backward ? og : cg);
  rule.groups = int(p.groups);
  rule.classes = 1;
  rule.w_group = og * cg * p.taps();
  rule.w_m = backward ? p.taps() : cg * p.taps();
  rule.w_channel = backward ? cg * p.taps() : p.taps();
  rule.most_taps = rule.per_image = 1;
  for (int d = 0; d < 3; d++) {
    rule.kernel[d] = int(p.kernel[d]), rule.padding[d] = int(p.padding[d]);
    rule.dilation[d] = int(p.dilation[d]);
    rule.size[d] = int(from[d]);
    rule.residues[d] = backward ? int(p.stride[d]) : 1;
    rule.tap_step[d] = backward ? int(p.stride[d] / gcd(p.stride[d], p.dilation[d])) : 1;
    rule.classes *= rule.residues[d];
    rule.most_taps *= ceil_div(p.kernel[d], rule.tap_step[d]);
    rule.per_image *= ceil_div(to[d], rule.residues[d]);
  }
  return rule;
}

// The taps of one class: `count` of each dim, every tap_step-th from `first` on.
struct ClassTaps {
  int residue[3], first[3], count[3];

  __device__ __forceinline__ ClassTaps(const ClassRule& p, int kind) {
    for (int d = 2; d >= 0; d--) {
      residue[d] = kind % p.residues[d];
      kind /= p.residues[d];
      count[d] = taps_of(p, d, residue[d], &first[d]);
    }
  }
  __device__ __forceinline__ int all() const { return count[0] * count[1] * count[2]; }

  // Tap n of the class: its index in w, and its distances. The offset is left to the caller.
  __device__ __forceinline__ int tap(const ClassRule& p, int n, Tap* tap) const {
    int t[3];
    for (int d = 2; d >= 0; d--) {
      t[d] = first[d] + n % count[d] * p.tap_step[d];
      n /= count[d];
      tap->d[d] = t[d] * p.dilation[d];
      if (p.backward)
        tap->d[d] = (residue[d] + p.padding[d] - t[d] * p.dilation[d]) / p.residues[d];
    }
    return (t[0] * p.kernel[1] + t[1]) * p.kernel[2] + t[2];
  }

 private:
  // First tap that residue r uses of a dim, and their number.
  static __device__ __forceinline__ int taps_of(const ClassRule& p, int d, int r, int* first) {
    *first = 0;
    if (!p.backward) return p.kernel[d];
    for (int t = 0; t < p.tap_step[d] && t < p.kernel[d]; t++) {
      const int at = r + p.padding[d] - t * p.dilation[d];
      if (at % p.residues[d] != 0) continue;
      *first = t;
      return (p.kernel[d] - t + p.tap_step[d] - 1) / p.tap_step[d];
    }
    return 0;
  }
};

}  // namespace mt::cuda
