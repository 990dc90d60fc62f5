// Convolution as sums of shifted rows. An image is copied once, with its padding and with the
// positions of each residue modulo the stride in planes of their own; then
//   y[o, j] = sum over (c, t) of w[o, c, t] * copy[offset(c, t) + j]
// for a linear position j over the copy's rows: every operand is a contiguous run at a shift, and
// nothing is packed per tap. Columns between the output's width and the copy's are computed and
// dropped. Images that need no padding and no stride are read in place.
// The gradient of the input is the same sum over dy, once per residue modulo the stride.
#pragma once
#include "kernels/conv_lanes.h"

namespace mt::cpu::MT_ISA {

// tile[r][v*VL ..] = sum over k of a[k*R + r] * src[offsets[k] + v*VL ..]; of the last vector only
// `last` lanes are read.
template <class T>
using RowKernel = void(int64_t k, const T* a, const T* src, const int64_t* offsets, int last,
                       T* tile);

template <class T, int R, int NV>
void row_kernel(int64_t k, const T* a, const T* src, const int64_t* offsets, int last, T* tile) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  Vec acc[R][NV] = {};
  for (int64_t p = 0; p < k; p++) {
    const T* row = src + offsets[p];
    Vec x[NV];
#pragma GCC unroll 6
    for (int v = 0; v < NV; v++)
      x[v] = kMaskedLoads && v + 1 == NV ? load_lanes<T>(row + v * VL, last)
                                         : load_unaligned<Vec>(row + v * VL);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const Vec w = a[r] - Vec{};
#pragma GCC unroll 6
      for (int v = 0; v < NV; v++) acc[r][v] += w * x[v];
    }
    a += R;
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 6
    for (int v = 0; v < NV; v++) store_unaligned(tile + (r * NV + v) * VL, acc[r][v]);
}

// Few rows take wider tiles, so that enough sums are in flight.
template <class T>
constexpr int wide_vectors(int rows) {
  constexpr int most = Tile<T>::MR * Tile<T>::NV;
  return rows * 2 * Tile<T>::NV <= most ? 2 * Tile<T>::NV : Tile<T>::NV;
}
template <class T>
struct RowTile {
  alignas(64) T x[(Tile<T>::MR * Tile<T>::NV + 1) * Tile<T>::VL];
};

template <class T, int R, int N>
MT_INLINE RowKernel<T>* pick_row_kernel(int rows, int vectors) {
  if constexpr (R > 1) {
    if (rows < R) return pick_row_kernel<T, R - 1, wide_vectors<T>(R - 1)>(rows, vectors);
  }
  if constexpr (N > Tile<T>::NV) {
    if (vectors < N) return pick_row_kernel<T, R, Tile<T>::NV>(rows, vectors);
  } else if constexpr (N > 1) {
    if (vectors < N) return pick_row_kernel<T, R, N - 1>(rows, vectors);
  }
  return &row_kernel<T, R, N>;
}
template <class T>
RowKernel<T>* row_kernel_for(int rows, int vectors) {
  return pick_row_kernel<T, Tile<T>::MR, wide_vectors<T>(Tile<T>::MR)>(rows, vectors);
}

// `rows` channels of a tile to their places, for the columns [j, j + cols) of the band at b0.
template <class T>
MT_INLINE void put_tile(const RowSource& s, const RowPass& pass, const RowTarget<T>& target,
                        const int64_t* grid, int64_t b0, int64_t j, int64_t cols, int rows,
                        const T* tile, int64_t tile_row, T* y, const T* bias) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  int64_t q2 = j % s.ext[2], line = j / s.ext[2];
  for (int64_t at = 0; at < cols; line++, q2 = 0) {
    const int64_t run = min64(cols - at, s.ext[2] - q2), n = min64(cols - at, grid[2] - q2);
    int64_t q1 = s.band_dim == 0 ? line % s.ext[1] : line,
            q0 = s.band_dim == 0 ? line / s.ext[1] : 0;
    if (n > 0 && q1 < grid[1] && q0 < grid[0]) {
      (s.band_dim == 0 ? q0 : q1) += b0;
      T* to = y +
              ((q0 * pass.step[0] + pass.first[0]) * target.size[1] + q1 * pass.step[1] +
               pass.first[1]) *
                  target.size[2] +
              q2 * pass.step[2] + pass.first[2];
      const int64_t step = pass.step[2];
      for (int r = 0; r < rows; r++, to += target.channel_stride) {
        const T* from = tile + r * tile_row + at;
        const T b = bias ? bias[r] : T(0);
        int64_t i = 0;
        if (step == 1) {
          for (; i + VL <= n; i += VL) store_unaligned(to + i, load_unaligned<Vec>(from + i) + b);
          if (i < n) store_lanes<T>(to + i, load_unaligned<Vec>(from + i) + b, int(n - i));
        } else if (step == 2) {
          for (; i < n; i++) to[2 * i] = from[i] + b;
        } else {
          for (; i < n; i++) to[i * step] = from[i] + b;
        }
      }
    }
    at += run;
  }
}

// The tiles of `rows` channels over the band at b0.
template <class T>
void row_tiles(const RowSource& s, const RowPass& pass, const RowTarget<T>& target, int64_t b0,
               int rows, const T* a, const T* src, T* y, const T* bias, T* tile) {
  constexpr int VL = Tile<T>::VL;
  int64_t grid[3] = {pass.grid[0], pass.grid[1], pass.grid[2]};
  grid[s.band_dim] = min64(s.band, grid[s.band_dim] - b0);
  if (grid[0] <= 0 || grid[1] <= 0 || grid[2] <= 0) return;
  const int64_t lines = s.band_dim == 0 ? (grid[0] - 1) * s.ext[1] + grid[1] : grid[1];
  const int64_t length = (lines - 1) * s.ext[2] + grid[2];
  // Tiles of nearly equal width: 4 vectors are 2 + 2, not 3 + 1.
  const int64_t total = ceil_div(length, VL), most = wide_vectors<T>(rows);
  const int64_t tiles = ceil_div(total, total < most ? min64(most, Tile<T>::NV) : most);
  for (int64_t t = 0, v0 = 0; t < tiles;) {
    int64_t v1 = total * (t + 1) / tiles;
    // Between NV and the wide tile there are no kernels.
    if (v1 - v0 > Tile<T>::NV && v1 - v0 < most) v1 = v0 + Tile<T>::NV;
    if (v1 == total * (t + 1) / tiles) t++;
    const int64_t vectors = v1 - v0, j = v0 * VL, cols = min64(vectors * VL, length - j);
    row_kernel_for<T>(rows, int(vectors))(pass.k, a, src + j, pass.offsets,
                                          int(cols - (vectors - 1) * VL), tile);
    put_tile(s, pass, target, grid, b0, j, cols, rows, tile, vectors * VL, y, bias);
    v0 = v1;
  }
}

// lanes: tiles of conv_lanes.h. pack(pass, group, i0, rows, width, k0, kc, dst): dst[p*width + r] =
// weight of row i0 + r for offset k0 + p, r < rows <= width.
template <class T, class Pack>
void conv_rows(RowSource s, bool lanes, const RowPass* passes, int pass_count, int64_t batch,
               int64_t groups, const T* x, const RowTarget<T>& target, double flops,
               const Pack& pack) {
  // Panels are cut between units of channels.
  const int64_t unit = lanes ? Tile<T>::VL : 1;
  const int64_t m = target.channels, units = ceil_div(m, unit), height = units * unit;
  const int64_t panels = ceil_div(units, lanes ? kLaneVectors : Tile<T>::MR);
  auto row_of = [&](int64_t panel) { return units * panel / panels * unit; };
  int64_t depth = 0;
  for (int i = 0; i < pass_count; i++) {
    depth += passes[i].k;
    if (lanes) passes[i].reorder();
  }
  Workspace<T> weights(groups * height * depth);
  auto weights_of = [&](int pass, int64_t g, int64_t row) {
    int64_t at = 0;
    for (int i = 0; i < pass; i++) at += passes[i].k * height * groups;
    return weights.data + at + (g * height + row) * passes[pass].k;
  };
  // Blocks of k by all rows: both sides are then read and written in long runs.
  constexpr int64_t kBlock = 144;
  const int64_t blocks = ceil_div(depth, kBlock);
  parallel_for(groups * blocks, max64(1, kGrain / (kBlock * m)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t g = i / blocks;
      int64_t skip = i % blocks * kBlock, left = kBlock;
      for (int pass = 0; pass < pass_count && left > 0; pass++) {
        const int64_t k0 = skip, kc = min64(left, passes[pass].k - k0);
        skip = max64(0, skip - passes[pass].k);
        if (kc <= 0) continue;
        left -= kc;
        for (int64_t p = 0; p < panels; p++) {
          const int64_t r0 = row_of(p), width = row_of(p + 1) - r0;
          const int rows = int(min64(width, m - r0));
          T* to = weights_of(pass, g, r0);
          if (!lanes || passes[pass].tap_rows == 1) {
            pack(pass, g, r0, rows, int(width), k0, kc, to + k0 * width);
            continue;
          }
          T packed[kBlock * kLaneVectors * Tile<T>::VL];
          pack(pass, g, r0, rows, int(width), k0, kc, packed);
          for (int64_t q = 0; q < kc; q++)
            copy_strided(packed + q * width, 1, width, to + passes[pass].place(k0 + q) * width);
        }
      }
    }
  });

  // Tasks: chunks of images or bands that share a read of the weights, times parts of the channels.
  const int64_t bands = s.bands(), items = batch * bands;  // of a group
  const int64_t copy_size = s.in_place ? 0 : s.planes() * s.plane;
  const int64_t room = int64_t(l2_bytes() / 2 / sizeof(T));
  const int64_t chunk =
      depth * m <= 65536 ? 1 : max64(1, min64(items, room / max64(1, s.planes() * s.plane)));
  const int64_t chunks = groups * ceil_div(items, chunk);
  const double wanted = flops / 4e6 < 16 ? flops / 4e6 : 16;
  const int64_t parts = min64(panels, max64(1, int64_t(wanted) / chunks));
  const int64_t tasks = chunks * parts;
  const int64_t grain = max64(1, int64_t(double(tasks) * kConvThreadedFlops / 2 / (flops + 1)));
  auto copy_item = [&](int64_t g, int64_t item, T* dst) {
    const int64_t image = item / bands, b0 = item % bands * s.band;
    copy_source(s, x + image * s.image_stride + g * s.channels * s.in[0] * s.in[1] * s.in[2], b0,
                min64(s.band, s.grid[s.band_dim] - b0), dst);
  };
  // Several parts read the same copies, which are then made beforehand.
  Workspace<T> shared(parts > 1 ? groups * items * copy_size : 0);
  if (parts > 1 && !s.in_place) {
    parallel_for(groups * items, max64(1, kGrain / copy_size), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        copy_item(i / items, i % items, shared.data + i * copy_size);
    });
  }
  parallel_for(tasks, grain, [&](int64_t begin, int64_t end) {
    Workspace<T> own(parts > 1 ? 0 : chunk * copy_size);
    RowTile<T> tile;
    // Of a band of outputs, and what a tile is read beyond its end.
    const int64_t outputs = s.band * (s.band_dim == 0 ? s.grid[1] : 1) * s.grid[2];
    Workspace<T> sums(lanes ? (outputs + unit) * kLaneVectors * unit : 0);
    for (int64_t task = begin; task < end; task++) {
      const int64_t part = task % parts, g = task / parts / ceil_div(items, chunk);
      const int64_t i0 = task / parts % ceil_div(items, chunk) * chunk,
                    i1 = min64(items, i0 + chunk);
      const T* copies = parts > 1 ? shared.data + (g * items + i0) * copy_size : own.data;
      if (parts == 1 && !s.in_place)
        for (int64_t i = i0; i < i1; i++) copy_item(g, i, own.data + (i - i0) * copy_size);
      for (int pass = 0; pass < pass_count; pass++)
        for (int64_t p = panels * part / parts; p < panels * (part + 1) / parts; p++) {
          const int64_t r0 = row_of(p);
          const int rows = int(min64(row_of(p + 1), m) - r0);
          const T* a = weights_of(pass, g, r0);
          for (int64_t i = i0; i < i1; i++) {
            const int64_t image = i / bands, b0 = i % bands * s.band;
            const T* src = copies + (i - i0) * copy_size;
            if (s.in_place)
              src = x + image * s.image_stride + g * s.channels * s.plane +
                    b0 * s.move[s.band_dim] * s.band_stride();
            T* y = target.y + image * target.image_stride + (g * m + r0) * target.channel_stride;
            const T* bias = target.bias ? target.bias + g * m + r0 : nullptr;
            if (sizeof(T) == sizeof(float) && lanes) {
              if constexpr (sizeof(T) == sizeof(float))
                lane_tiles(s, passes[pass], target, b0, rows, a, src, y, bias, sums.data);
            } else {
              row_tiles(s, passes[pass], target, b0, rows, a, src, y, bias, tile.x);
            }
          }
        }
    }
  });
}

// split: the positions of each residue modulo the stride in planes of their own.
template <class T>
RowSource forward_source(const ConvParams& p, bool split) {
  RowSource s;
  s.channels = p.c / p.groups;
  s.image_stride = p.c * p.in_size();
  s.in_place = kMaskedLoads || !split;
  for (int d = 0; d < 3; d++) {
    s.in[d] = p.in[d], s.first[d] = -p.padding[d], s.grid[d] = p.out[d];
    s.step[d] = split ? p.stride[d] : 1, s.move[d] = split ? 1 : p.stride[d], s.phases[d] = 1;
    for (int64_t t = 0; t < p.kernel[d]; t++)
      s.phases[d] = max64(s.phases[d], t * p.dilation[d] % s.step[d] + 1);
    s.ext[d] = (p.out[d] - 1) * s.move[d] + 1 + (p.kernel[d] - 1) * p.dilation[d] / s.step[d];
    s.in_place = s.in_place && s.step[d] == 1 && p.padding[d] == 0 &&
                 (!split || s.ext[d] == p.in[d]) && s.ext[d] <= p.in[d];
  }
  if (!split && s.in_place)
    for (int d = 0; d < 3; d++) s.ext[d] = p.in[d];
  return s;
}

MT_INLINE void forward_offsets(const ConvParams& p, const RowSource& s, int64_t* offsets) {
  for (int64_t c = 0; c < s.channels; c++)
    for (int64_t t0 = 0; t0 < p.kernel[0]; t0++)
      for (int64_t t1 = 0; t1 < p.kernel[1]; t1++)
        for (int64_t t2 = 0; t2 < p.kernel[2]; t2++) {
          const int64_t t[3] = {t0, t1, t2};
          int64_t r[3], e[3];
          for (int d = 0; d < 3; d++) {
            r[d] = t[d] * p.dilation[d] % s.step[d];
            e[d] = t[d] * p.dilation[d] / s.step[d];
          }
          *offsets++ = s.offset(c, r, e);
        }
}

template <class T>
void conv_rows_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  RowSource s = forward_source<T>(p, true);
  const bool lanes = lanes_pay<T>(s, p.o / p.groups, s.channels * p.taps(), 1, p.out_size());
  if (lanes) s = forward_source<T>(p, false);
  const double flops = conv_flops(p);
  s.cut(flops, p.batch * p.groups);
  const int64_t k = s.channels * p.taps();
  Workspace<int64_t> offsets(k);
  forward_offsets(p, s, offsets.data);
  RowPass pass{k, offsets.data, {}, {1, 1, 1}, {0, 0, 0}};
  RowTarget<T> target{y, p.o * p.out_size(), p.out_size(), {}, p.o / p.groups, bias};
  for (int d = 0; d < 3; d++) pass.grid[d] = target.size[d] = p.out[d];
  if (p.kernel[0] == 1) {
    pass.tap_rows = p.kernel[1], pass.row_taps = p.kernel[2];
    pass.row_first = -p.padding[1], pass.row_step = p.dilation[1];
  }
  constexpr int MR = Tile<T>::MR, VL = Tile<T>::VL;
  conv_rows(s, lanes, &pass, 1, p.batch, p.groups, x, target, flops,
            [&](int, int64_t g, int64_t i0, int rows, int width, int64_t k0, int64_t kc, T* dst) {
              const T* from = w + (g * target.channels + i0) * k + k0;
              if (width == 2 * VL) return pack_transposed<T, 2 * VL>(from, k, rows, kc, dst);
              if (width == VL) return pack_transposed<T, VL>(from, k, rows, kc, dst);
              if (width == MR) return pack_transposed<T, MR>(from, k, rows, kc, dst);
              for (int r = 0; r < rows; r++)
                for (int64_t q = 0; q < kc; q++) dst[q * rows + r] = from[r * k + q];
            });
}

constexpr int kMostPasses = 64;  // residues of a position modulo the stride, all dims

template <class T>
void conv_rows_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias, T* dx) {
  RowSource s;
  s.channels = p.o / p.groups;
  s.image_stride = p.o * p.out_size();
  s.in_place = false;
  int64_t offset_count = 0;
  for (int d = 0; d < 3; d++) {
    int64_t lo = INT64_MAX, hi = INT64_MIN, grid = 0;
    for (int64_t r = 0; r < p.stride[d]; r++) {
      const Phase f(p, d, r);
      const int64_t a = f.source, b = f.source + (f.taps - 1) * f.source_step;
      grid = max64(grid, f.count);
      if (!f.taps || !f.count) continue;
      lo = min64(lo, min64(a, b)), hi = max64(hi, max64(a, b));
    }
    if (lo > hi) lo = hi = 0;  // no tap reaches any position
    s.in[d] = p.out[d], s.step[d] = s.move[d] = 1, s.first[d] = lo, s.phases[d] = 1;
    s.grid[d] = grid, s.ext[d] = grid + hi - lo;
  }
  const double flops = conv_flops(p);
  s.cut(flops, p.batch * p.groups);
  const int64_t c = p.c / p.groups, taps = p.taps();
  offset_count = s.channels * taps;
  Workspace<int64_t> offsets(offset_count);
  int64_t* next = offsets.data;
  RowPass passes[kMostPasses];
  PackFlipped<T> packs[kMostPasses];
  int count = 0;
  for (int64_t r0 = 0; r0 < p.stride[0]; r0++)
    for (int64_t r1 = 0; r1 < p.stride[1]; r1++)
      for (int64_t r2 = 0; r2 < p.stride[2]; r2++) {
        const Phase f[3] = {Phase(p, 0, r0), Phase(p, 1, r1), Phase(p, 2, r2)};
        if (!f[0].count || !f[1].count || !f[2].count) continue;
        RowPass& pass = passes[count];
        PackFlipped<T>& a = packs[count++];
        a = {w, c * taps, taps, {}, {}, {}, {}};
        for (int d = 0; d < 3; d++) {
          pass.grid[d] = f[d].count, pass.step[d] = p.stride[d], pass.first[d] = f[d].first;
          a.taps[d] = f[d].taps, a.first[d] = f[d].tap, a.step[d] = f[d].tap_step;
          a.kernel[d] = p.kernel[d];
        }
        pass.offsets = next;
        for (int64_t o = 0; o < s.channels; o++)
          for (int64_t t0 = 0; t0 < f[0].taps; t0++)
            for (int64_t t1 = 0; t1 < f[1].taps; t1++)
              for (int64_t t2 = 0; t2 < f[2].taps; t2++) {
                const int64_t t[3] = {t0, t1, t2}, r[3] = {0, 0, 0};
                int64_t e[3];
                for (int d = 0; d < 3; d++)
                  e[d] = f[d].source + t[d] * f[d].source_step - s.first[d];
                *next++ = s.offset(o, r, e);
              }
        pass.k = next - pass.offsets;
        pass.tap_rows = pass.row_taps = 1;
        if (f[0].taps == 1 && pass.k) {
          pass.tap_rows = f[1].taps, pass.row_taps = f[2].taps;
          pass.row_first = f[1].source, pass.row_step = f[1].source_step;
        }
      }
  RowTarget<T> target{dx, p.c * p.in_size(), p.in_size(), {}, c, bias};
  for (int d = 0; d < 3; d++) target.size[d] = p.in[d];
  const bool lanes = lanes_pay<T>(s, c, offset_count / max64(1, count), p.stride[2], p.in_size());
  conv_rows(
      s, lanes, passes, count, p.batch, p.groups, dy, target, flops,
      [&](int pass, int64_t g, int64_t i0, int rows, int width, int64_t k0, int64_t kc, T* dst) {
        PackFlipped<T> a = packs[pass];
        a.w += g * s.channels * c * taps;
        a.pack(k0, kc, i0, rows, width, dst);
      });
}

}  // namespace mt::cpu::MT_ISA
