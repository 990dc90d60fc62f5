// The copy of an image that conv_rows.h sums over: with its padding, cut into bands of outputs, and
// with the positions of each residue modulo the stride in planes of their own.
#pragma once
#include "kernels/conv_gemm.h"

namespace mt::cpu::MT_ISA {

// At least n elements and an odd number of cache lines, so that neighbours at this distance do not
// share cache sets.
template <class T>
MT_INLINE int64_t odd_lines(int64_t n) {
  constexpr int64_t line = 64 / int64_t(sizeof(T));
  return (ceil_div(n, line) | 1) * line;
}

// What is copied: element e of residue r of a dim is position (band*move + e)*step + r + first.
struct RowSource {
  int64_t channels, in[3], step[3], first[3], phases[3];
  int64_t grid[3], ext[3];  // outputs, and elements of a plane
  int64_t move[3];          // elements from an output to the next
  int64_t image_stride;
  int band_dim;         // the dim that is cut into bands
  int64_t band, plane;  // outputs of a band; distance of planes
  bool in_place;

  int64_t planes() const { return channels * phases[0] * phases[1] * phases[2]; }
  // Elements that the taps reach beyond the last output.
  int64_t halo(int d) const { return ext[d] - (grid[d] - 1) * move[d] - 1; }
  // Elements of the band dim that n outputs read.
  int64_t reach(int64_t n) const { return (n - 1) * move[band_dim] + 1 + halo(band_dim); }
  int64_t bands() const { return ceil_div(grid[band_dim], band); }
  // Elements of a plane that a band of n outputs reads.
  int64_t span(int64_t n) const { return reach(n) * band_stride(); }
  int64_t band_stride() const { return band_dim == 0 ? ext[1] * ext[2] : ext[2]; }
  int64_t offset(int64_t c, const int64_t* r, const int64_t* e) const {
    const int64_t p = ((c * phases[0] + r[0]) * phases[1] + r[1]) * phases[2] + r[2];
    return p * plane + (e[0] * ext[1] + e[1]) * ext[2] + e[2];
  }

  // Chooses the bands: a copy that stays in L2, and work for several threads.
  void cut(double flops, int64_t images) {
    band_dim = ext[0] > 1 ? 0 : 1;
    const int64_t rows = grid[band_dim], room = int64_t(l2_bytes() / 2 / sizeof(float));
    const int64_t row = band_stride() * planes();
    // Where channels are many, larger bands than that: their rows would mostly be shared ones.
    const int64_t fit = (room / max64(1, row) - halo(band_dim)) / move[band_dim];
    const int64_t most = max64(max64(4, 2 * halo(band_dim) / move[band_dim]), fit);
    int64_t count = in_place ? 1 : ceil_div(rows, most);
    const int64_t wanted = int64_t(flops / 4e6 < 16 ? flops / 4e6 : 16);
    if (images * count < wanted)
      count = max64(count, min64(ceil_div(wanted, images), max64(1, rows / 8)));
    set_band(ceil_div(rows, max64(1, min64(count, rows))));
  }

  void set_band(int64_t rows) {
    band = rows;
    if (in_place) {
      plane = in[0] * in[1] * in[2];
    } else {
      plane = odd_lines<float>(span(band));
    }
  }
};

// The copy of outputs [b0, b0 + n) of the band dim.
template <class T>
void copy_source(const RowSource& s, const T* image, int64_t b0, int64_t n, T* dst) {
  const int64_t in2 = s.in[2];
  int64_t ext[3] = {s.ext[0], s.ext[1], s.ext[2]};
  ext[s.band_dim] = s.reach(n);
  const int64_t base0 = s.band_dim == 0 ? b0 * s.move[0] : 0;
  const int64_t base1 = s.band_dim == 1 ? b0 * s.move[1] : 0;
  for (int64_t c = 0; c < s.channels; c++)
    for (int64_t r0 = 0; r0 < s.phases[0]; r0++)
      for (int64_t r1 = 0; r1 < s.phases[1]; r1++)
        for (int64_t r2 = 0; r2 < s.phases[2]; r2++) {
          T* to = dst;
          dst += s.plane;
          const int64_t start = r2 + s.first[2], step = s.step[2];
          const int64_t lo = min64(ext[2], start >= 0 ? 0 : ceil_div(-start, step));
          const int64_t hi =
              max64(lo, min64(ext[2], in2 > start ? (in2 - 1 - start) / step + 1 : 0));
          const int64_t skip = start + lo * step;
          for (int64_t e0 = 0; e0 < ext[0]; e0++)
            for (int64_t e1 = 0; e1 < ext[1]; e1++, to += ext[2]) {
              const int64_t i0 = (base0 + e0) * s.step[0] + r0 + s.first[0];
              const int64_t i1 = (base1 + e1) * s.step[1] + r1 + s.first[1];
              if (uint64_t(i0) >= uint64_t(s.in[0]) || uint64_t(i1) >= uint64_t(s.in[1])) {
                for (int64_t e = 0; e < ext[2]; e++) to[e] = T(0);
                continue;
              }
              for (int64_t e = 0; e < lo; e++) to[e] = T(0);
              copy_strided(image + ((c * s.in[0] + i0) * s.in[1] + i1) * in2 + skip, step, hi - lo,
                           to + lo);
              for (int64_t e = hi; e < ext[2]; e++) to[e] = T(0);
            }
        }
}

}  // namespace mt::cpu::MT_ISA
