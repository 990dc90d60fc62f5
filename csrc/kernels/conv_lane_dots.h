// Gradient of the weight with vectors over the channels written, for images whose rows are short
// beside the reach of the taps:
//   dw[o, c, t] = sum over images and outputs j of dy[j, o] * copy[offset(c, t) + j*stride]
// dy is turned once, so that the channels of an output are contiguous; a tile of a few (c, t) by a
// few vectors of channels then sums in registers over a band of an image. Tasks are parts of the
// channels read, and slices of the images whose sums are added in order where these are too few.
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

// sums[r*NV*VL + o] += sum over lines and j < width of x[line*x_line + offsets[r] + j*move] *
// g[line*width + j, o].
template <class T>
using TapKernel = void(int64_t lines, int64_t width, const T* g, const T* x, int64_t x_line,
                       int64_t move, const int64_t* offsets, T* sums);

template <class T, int R, int NV>
void tap_kernel(int64_t lines, int64_t width, const T* g, const T* x, int64_t x_line, int64_t move,
                const int64_t* offsets, T* sums) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  Vec acc[R][NV] = {};
  const T* taps[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) taps[r] = x + offsets[r];
  for (int64_t line = 0; line < lines; line++) {
    int64_t at = line * x_line;
    for (int64_t j = 0; j < width; j++, at += move) {
      Vec w[NV];
#pragma GCC unroll 3
      for (int v = 0; v < NV; v++) w[v] = load_unaligned<Vec>(g + v * VL);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const Vec e = taps[r][at] - Vec{};
#pragma GCC unroll 3
        for (int v = 0; v < NV; v++) acc[r][v] += e * w[v];
      }
      g += NV * VL;
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 3
    for (int v = 0; v < NV; v++) {
      T* to = sums + (r * NV + v) * VL;
      store_unaligned(to, load_unaligned<Vec>(to) + acc[r][v]);
    }
}

template <class T, int R, int NV>
MT_INLINE TapKernel<T>* pick_tap_kernel(int rows, int vectors) {
  if constexpr (R > 1) {
    if (rows < R) return pick_tap_kernel<T, R - 1, NV>(rows, vectors);
  }
  if constexpr (NV > 1) {
    if (vectors < NV) return pick_tap_kernel<T, R, NV - 1>(rows, vectors);
  }
  return &tap_kernel<T, R, NV>;
}

// dst[j*width + o] = src[o*stride + j] for o < count <= width, j < n.
template <class T>
void turn_gradient(const T* src, int64_t stride, int count, int64_t width, int64_t n, T* dst) {
  constexpr int VL = Tile<T>::VL;
  if (width == VL) return pack_transposed<T, VL>(src, stride, count, n, dst);
  if (width == 2 * VL) return pack_transposed<T, 2 * VL>(src, stride, count, n, dst);
  pack_transposed<T, 3 * VL>(src, stride, count, n, dst);
}

template <class T>
void conv_lanes_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  constexpr int MR = Tile<T>::MR, NV = Tile<T>::NV, VL = Tile<T>::VL;
  RowSource s = forward_source<T>(p, false);
  s.cut(0, 1);
  const int64_t rows = s.grid[s.band_dim], line = (s.band_dim == 0 ? s.grid[1] : 1) * s.grid[2];
  s.set_band(ceil_div(rows, ceil_div(rows, max64(4, 512 / line))));
  const int64_t o = p.o / p.groups, taps = p.taps(), k = s.channels * taps, size = p.out_size();
  const int64_t units = ceil_div(o, VL), height = units * VL, panels = ceil_div(units, NV);
  auto row_of = [&](int64_t panel) { return units * panel / panels * VL; };
  const int64_t bands = s.bands(), items = p.batch * bands;
  auto band_rows = [&](int64_t item) { return min64(s.band, rows - item % bands * s.band); };

  // dy of a band: panels of [output, channel].
  const int64_t band_size = s.band * line * height;
  Workspace<T> turned(p.groups * items * band_size);
  parallel_for(p.groups * items, max64(1, kGrain / band_size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t g = i / items, item = i % items, n = band_rows(item) * line;
      for (int64_t panel = 0; panel < panels; panel++) {
        const int64_t r0 = row_of(panel), width = row_of(panel + 1) - r0;
        turn_gradient(dy + (item / bands * p.o + g * o + r0) * size + item % bands * s.band * line,
                      size, int(min64(width, o - r0)), width, n,
                      turned.data + i * band_size + r0 * n);
      }
    }
  });

  const double flops = conv_flops(p);
  const int64_t wanted = max64(1, int64_t(flops / 2e6 < 16 ? flops / 2e6 : 16) / p.groups);
  const int64_t parts = min64(wanted, s.channels);
  const int64_t slices = max64(1, min64(items, wanted / parts));
  Workspace<T> sums(p.groups * slices * k * height);
  const int64_t tasks = p.groups * slices * parts;
  const int64_t grain = max64(1, int64_t(double(tasks) * kConvThreadedFlops / 2 / (flops + 1)));
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t part = task % parts, slice = task / parts % slices, g = task / parts / slices;
      const int64_t c0 = s.channels * part / parts, c1 = s.channels * (part + 1) / parts;
      RowSource own = s;
      own.channels = c1 - c0;
      const int64_t depth = own.channels * taps, tiles = ceil_div(depth, MR);
      Workspace<int64_t> offsets(depth);
      forward_offsets(p, own, offsets.data);
      Workspace<T> copy(s.in_place ? 0 : own.planes() * own.plane);
      // [panel, (c, t), channel written]
      T* to = sums.data + ((g * slices + slice) * s.channels + c0) * taps * height;
      for (int64_t i = 0; i < depth * height; i++) to[i] = T(0);
      for (int64_t item = items * slice / slices; item < items * (slice + 1) / slices; item++) {
        const int64_t b0 = item % bands * s.band, n = band_rows(item);
        const T* src = x + item / bands * s.image_stride + (g * s.channels + c0) * p.in_size();
        if (s.in_place) {
          src += b0 * s.move[s.band_dim] * s.band_stride();
        } else {
          copy_source(own, src, b0, n, copy.data);
          src = copy.data;
        }
        const T* gradient = turned.data + (g * items + item) * band_size;
        const int64_t outer = s.band_dim == 0 ? n : 1, lines = s.band_dim == 0 ? s.grid[1] : n;
        for (int64_t panel = 0; panel < panels; panel++) {
          const int64_t r0 = row_of(panel), width = row_of(panel + 1) - r0;
          for (int64_t t = 0; t < tiles; t++) {
            const int64_t q = depth * t / tiles;
            auto* run =
                pick_tap_kernel<T, MR, NV>(int(depth * (t + 1) / tiles - q), int(width / VL));
            for (int64_t q0 = 0; q0 < outer; q0++)
              run(lines, s.grid[2], gradient + (r0 * outer + q0 * width) * lines * s.grid[2],
                  src + q0 * s.move[0] * s.ext[1] * s.ext[2], s.move[1] * s.ext[2], s.move[2],
                  offsets.data + q, to + r0 * depth + q * width);
          }
        }
      }
    }
  });

  // Back to [o, c, t], adding the slices.
  parallel_for(
      p.groups * parts, max64(1, kGrain * parts / (k * height)), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) {
          const int64_t g = i / parts, part = i % parts;
          const int64_t c0 = s.channels * part / parts;
          const int64_t depth = (s.channels * (part + 1) / parts - c0) * taps;
          T* from = sums.data + (g * slices * s.channels + c0) * taps * height;
          for (int64_t slice = 1; slice < slices; slice++)
#pragma GCC ivdep
            for (int64_t e = 0; e < depth * height; e++) from[e] += from[slice * k * height + e];
          for (int64_t panel = 0; panel < panels; panel++) {
            const int64_t r0 = row_of(panel), width = row_of(panel + 1) - r0;
            for (int64_t r = r0; r < min64(o, r0 + width); r++)
              for (int64_t q = 0; q < depth; q++)
                dw[(g * o + r) * k + c0 * taps + q] = from[r0 * depth + q * width + r - r0];
          }
        }
      });
}

}  // namespace mt::cpu::MT_ISA
