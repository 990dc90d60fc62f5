// 3x3 and 4x4 convolution by minimal filtering (conv_winograd_tiles.h):
//   y tile = A^T [ sum over c of (G w G^T) * (B^T d B) ] A,   d the tile of the input
// For each of the 16 (stride 1), 25 (stride 2) or 36 (4x4) places of a transformed tile this is a
// matrix product over channels, with the tiles of many places of the image as columns. The gradient
// of the input is the same with the weight turned round, or for stride 2 a form of its own.
// Rounding errors stay within about twice those of the direct sum; an infinity may come out as NaN.
//
// Many tiles: weights are transformed once, each task transforms a block of tiles that stays in L2.
// Few tiles under many channels: tiles are transformed once, each task transforms its weights.
#pragma once
#include "kernels/conv_winograd_tiles.h"

namespace mt::cpu::MT_ISA {

template <class T, class Filter>
struct Winograd {
  static constexpr int VL = Tile<T>::VL, MR = Tile<T>::MR, NR = Tile<T>::NR;
  static constexpr int kSlot = MR * NR;  // a tile of one place
  static constexpr int kTaps = Filter::kTaps, kArea = kTaps * kTaps;
  static constexpr int kU = Filter::kU, kM = Filter::kM, kOut = Filter::kOut;
  static constexpr int kV = Filter::Image::kV;
  static constexpr int kPlacesV = kV * kV, kPlacesU = kU * kU, kPlaces = kM * kM;
  using Vec = GemmVec<T>;

  int64_t c, o;  // channels read and written, of a group
  TileReader<T, typename Filter::Image> image;
  int64_t out[2];  // tile (i, j) writes from kOut * (i, j) on
  int64_t out_image_stride, batch;
  const T* w;
  int64_t w_out, w_in;  // strides of the weight along the channels written and read
  bool turned;          // the taps in reverse order

  int64_t tiles() const { return batch * image.rows * image.cols; }
  int64_t panels() const { return ceil_div(o, MR); }
  int64_t panel_row(int64_t p) const { return o * p / panels(); }

  // Distances of the places of a panel's weights, of panels, and of the places of `slots` sums.
  int64_t u_place() const { return odd_lines<T>(c * MR); }
  int64_t u_panel() const { return kPlacesU * u_place(); }
  static int64_t m_place(int64_t slots) { return odd_lines<T>(slots * kSlot); }

  // u[place*u_place + channel*count + r] for the channels written [r0, r0 + count).
  void transform_weights(int64_t r0, int count, T* u) const {
    constexpr int64_t kBlock = 16;
    T packed[kBlock * kArea * MR + 16];
    for (int64_t c0 = 0; c0 < c; c0 += kBlock) {
      const int64_t n = min64(kBlock, c - c0);
      const T* from = w + r0 * w_out + c0 * w_in;
      if (w_in == kArea) {
        pack_transposed<T, MR>(from, w_out, count, n * kArea, packed);
      } else {
        for (int64_t i = 0; i < n; i++)
          pack_transposed<T, MR>(from + i * w_in, w_out, count, kArea, packed + i * kArea * MR);
      }
      for (int64_t i = 0; i < n; i++) {
        const T* g = packed + i * kArea * MR;
        T* to = u + (c0 + i) * count;
        if (count == MR) {
          transform_taps<MR>(g, MR, to, u_place());
        } else {
          transform_taps<0>(g, count, to, u_place());
        }
      }
    }
  }

  // G g G^T for `count` lanes of the taps.
  template <int kCount>
  MT_INLINE void transform_taps(const T* g, int count, T* to, int64_t place) const {
    const int n = kCount ? kCount : count;
    const int first = turned ? kArea - 1 : 0, step = turned ? -MR : MR;
    const T* tap = g + first * MR;
#pragma GCC ivdep
    for (int r = 0; r < n; r++) {
      T m[kTaps][kU];
      for (int j = 0; j < kTaps; j++) {
        T column[kTaps];
        for (int i = 0; i < kTaps; i++) column[i] = tap[(kTaps * i + j) * step + r];
        Filter::weights(column, m[j]);
      }
      for (int i = 0; i < kU; i++) {
        T row[kTaps], u[kU];
        for (int j = 0; j < kTaps; j++) row[j] = m[j][i];
        Filter::weights(row, u);
        for (int k = 0; k < kU; k++) to[(kU * i + k) * place + r] = u[k];
      }
    }
  }

  // v[place*place_stride + channel*row + t - t0] of the tiles [t0, t1), for `count` channels.
  void transform_input(int64_t channel, int64_t count, int64_t t0, int64_t t1, T* v, int64_t row,
                       int64_t place_stride) const {
    TileRun runs[VL];
    for (int64_t t = t0; t < t1; t += VL) {
      const int n = image.cut(t, min64(t1, t + VL), runs);
      for (int64_t i = 0; i < count; i++)
        image.transform(runs, n, channel + i, v + i * row + t - t0, place_stride);
    }
  }

  // A^T m A of `vectors` * VL tiles of one channel; m[place] lies `place` elements apart.
  // kOut rows of kOut*VL*vectors outputs, kOut*NR apart.
  MT_INLINE void transform_output(const T* m, int64_t place, int64_t vectors, T bias,
                                  T* lines) const {
    for (int64_t v = 0; v < vectors; v++) {
      const T* from = m + v * VL;
      Vec s[kOut][kM];
#pragma GCC unroll 6
      for (int i = 0; i < kM; i++) {
        Vec row[kM], y[kOut];
#pragma GCC unroll 6
        for (int k = 0; k < kM; k++) row[k] = load_unaligned<Vec>(from + (kM * i + k) * place);
        Filter::outputs(row, y);
#pragma GCC unroll 4
        for (int k = 0; k < kOut; k++) s[k][i] = y[k];
      }
      Vec y[kOut][kOut];  // column, row
#pragma GCC unroll 4
      for (int k = 0; k < kOut; k++) Filter::outputs(s[k], y[k]);
#pragma GCC unroll 4
      for (int r = 0; r < kOut; r++) {
        T* to = lines + r * kOut * NR + v * kOut * VL;
        if constexpr (kOut == 2) {
          const Vec a = y[0][r] + bias, b = y[1][r] + bias;
          store_unaligned(to, zip_half<T>(a, b, 0));
          store_unaligned(to + VL, zip_half<T>(a, b, 1));
        } else {
          const Vec a = y[0][r] + bias, b = y[1][r] + bias, c = y[2][r] + bias, d = y[3][r] + bias;
#pragma GCC unroll 2
          for (int half = 0; half < 2; half++) {
            const Vec even = zip_half<T>(a, c, half), odd = zip_half<T>(b, d, half);
            store_unaligned(to + 2 * half * VL, zip_half<T>(even, odd, 0));
            store_unaligned(to + (2 * half + 1) * VL, zip_half<T>(even, odd, 1));
          }
        }
      }
    }
  }

  MT_INLINE void put_row(const T* from, int64_t n, T* to) const {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store_unaligned(to + i, load_unaligned<Vec>(from + i));
    if (i < n) store_lanes<T>(to + i, load_unaligned<Vec>(from + i), int(n - i));
  }

  // The tiles [t0, t0 + n) of a channel from rows of outputs to their places.
  MT_INLINE void put_tiles(T* plane, int64_t t0, int64_t n, const T* lines) const {
    for (int64_t t = t0; t < t0 + n;) {
      const int64_t x0 = t % image.cols, run = min64(t0 + n - t, image.cols - x0);
      const int64_t tile_row = t / image.cols, row = tile_row % image.rows * kOut;
      const int64_t width = min64(kOut * run, out[1] - x0 * kOut);
      const T* from = lines + kOut * (t - t0);
      T* to = plane + tile_row / image.rows * out_image_stride + row * out[1] + x0 * kOut;
      for (int i = 0; i < kOut && row + i < out[0]; i++, from += kOut * NR, to += out[1])
        put_row(from, width, to);
      t += run;
    }
  }

  // y of the panels [p0, p1) at the tiles [t0, t1). u: panel p0; v: tile t0, rows at the offsets,
  // places v_place apart. m: room for the sums, kPlaces * m_place(slots).
  void multiply(int64_t p0, int64_t p1, int64_t t0, int64_t t1, const T* u, const T* v,
                int64_t v_place, const int64_t* offsets, T* m, T* y, const T* bias) const {
    const int64_t total = ceil_div(t1 - t0, VL), parts = ceil_div(total, Tile<T>::NV);
    const int64_t slots = (p1 - p0) * parts, m_step = m_place(slots);
    for (int place = 0; place < kPlaces; place++) {
      const int i = place / kM, k = place % kM;
      const int u_at = Filter::u_of[i] * kU + Filter::u_of[k];
      const T* from = v + (Filter::v_of[i] * kV + Filter::v_of[k]) * v_place;
      for (int64_t p = p0; p < p1; p++) {
        const T* panel = u + (p - p0) * u_panel() + u_at * u_place();
        const int count = int(panel_row(p + 1) - panel_row(p));
        for (int64_t i = 0; i < parts; i++) {
          const int64_t v0 = total * i / parts, v1 = total * (i + 1) / parts;
          const int last = int(min64(VL, t1 - t0 - (v1 - 1) * VL));
          row_kernel_for<T>(count, int(v1 - v0))(
              c, panel, from + v0 * VL, offsets, last,
              m + place * m_step + ((p - p0) * parts + i) * kSlot);
        }
      }
    }
    alignas(64) T lines[kOut * kOut * NR + VL];
    for (int64_t p = p0; p < p1; p++) {
      const int64_t r0 = panel_row(p), count = panel_row(p + 1) - r0;
      for (int64_t i = 0; i < parts; i++) {
        const int64_t v0 = total * i / parts, v1 = total * (i + 1) / parts;
        const int64_t n = min64(v1 * VL, t1 - t0) - v0 * VL;
        for (int64_t r = 0; r < count; r++) {
          transform_output(m + ((p - p0) * parts + i) * kSlot + r * (v1 - v0) * VL, m_step, v1 - v0,
                           bias ? bias[r0 + r] : T(0), lines);
          put_tiles(y + (r0 + r) * out[0] * out[1], t0 + v0 * VL, n, lines);
        }
      }
    }
  }
};

template <class T, class Filter>
void winograd_run(const Winograd<T, Filter>& g, T* y, const T* bias) {
  using Run = Winograd<T, Filter>;
  constexpr int64_t NR = Tile<T>::NR, MR = Tile<T>::MR, VL = Tile<T>::VL;
  const int64_t tiles = g.tiles(), panels = g.panels();
  const int64_t room = int64_t(l2_bytes() / 2 / sizeof(T));
  Workspace<int64_t> offsets(g.c);
  const double flops = 2.0 * Run::kPlaces * double(g.c) * double(g.o) * double(tiles);
  if (tiles >= g.o) {
    Workspace<T> u(panels * g.u_panel());
    const int64_t block = max64(NR, min64(4 * NR, room / (Run::kPlacesV * g.c) / NR * NR));
    for (int64_t i = 0; i < g.c; i++) offsets.data[i] = i * block;
    parallel_for(panels, max64(1, kGrain / (g.c * MR * 16)), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const int64_t r0 = g.panel_row(p);
        g.transform_weights(r0, int(g.panel_row(p + 1) - r0), u.data + p * g.u_panel());
      }
    });
    const int64_t blocks = ceil_div(tiles, block), place = odd_lines<T>(g.c * block);
    const int64_t grain = max64(1, int64_t(double(blocks) * kConvThreadedFlops / 2 / (flops + 1)));
    parallel_for(blocks, grain, [&](int64_t begin, int64_t end) {
      Workspace<T> v(Run::kPlacesV * place), m(Run::kPlaces * g.m_place(1));
      for (int64_t b = begin; b < end; b++) {
        const int64_t t0 = b * block, t1 = min64(tiles, t0 + block);
        g.transform_input(0, g.c, t0, t1, v.data, block, place);
        for (int64_t p = 0; p < panels; p++)
          for (int64_t t = t0; t < t1; t += NR)
            g.multiply(p, p + 1, t, min64(t1, t + NR), u.data + p * g.u_panel(), v.data + t - t0,
                       place, offsets.data, m.data, y, bias);
      }
    });
    return;
  }
  const int64_t row = round_up(tiles, VL), place = odd_lines<T>(g.c * row);
  Workspace<T> v(Run::kPlacesV * place);
  for (int64_t i = 0; i < g.c; i++) offsets.data[i] = i * row;
  parallel_for(g.c, max64(1, kGrain / (tiles * 64)), [&](int64_t begin, int64_t end) {
    g.transform_input(begin, end - begin, 0, tiles, v.data + begin * row, row, place);
  });
  // Panels that share a read of a place of v, and tiles at a time.
  const int64_t group = max64(1, min64(4, room / (Run::kPlacesU * g.c * MR))), block = 4 * NR;
  const int64_t groups = ceil_div(panels, group);
  const int64_t grain = max64(1, int64_t(double(groups) * kConvThreadedFlops / 2 / (flops + 1)));
  parallel_for(groups, grain, [&](int64_t begin, int64_t end) {
    Workspace<T> u(group * g.u_panel()), m(Run::kPlaces * g.m_place(group * 4));
    for (int64_t q = begin; q < end; q++) {
      const int64_t p0 = q * group, p1 = min64(panels, p0 + group);
      for (int64_t p = p0; p < p1; p++) {
        const int64_t r = g.panel_row(p);
        g.transform_weights(r, int(g.panel_row(p + 1) - r), u.data + (p - p0) * g.u_panel());
      }
      for (int64_t t = 0; t < tiles; t += block)
        g.multiply(p0, p1, t, min64(tiles, t + block), u.data, v.data + t, place, offsets.data,
                   m.data, y, bias);
    }
  });
}

template <class T, class Filter>
void winograd_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  const int64_t c = p.c / p.groups, o = p.o / p.groups;
  Winograd<T, Filter> run;
  run.c = c, run.o = o, run.batch = p.batch, run.w_out = c * run.kArea, run.w_in = run.kArea,
  run.turned = false;
  run.out_image_stride = p.o * p.out_size();
  for (int d = 0; d < 2; d++) run.out[d] = p.out[d + 1];
  for (int64_t g = 0; g < p.groups; g++) {
    run.image = {{p.in[1], p.in[2]},
                 {p.padding[1], p.padding[2]},
                 ceil_div(p.out[1], 2),
                 ceil_div(p.out[2], 2),
                 p.c * p.in_size(),
                 x + g * c * p.in_size(),
                 x + p.batch * p.c * p.in_size()};
    run.w = w + g * o * c * run.kArea;
    winograd_run(run, y + g * o * p.out_size(), bias ? bias + g * o : nullptr);
  }
}

template <class T>
void conv_winograd_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  const int form = winograd_form(p);
  if (form == 4) return winograd_forward<T, Filter4>(p, x, w, bias, y);
  if (form == 2) return winograd_forward<T, Filter2>(p, x, w, bias, y);
  winograd_forward<T, Filter1>(p, x, w, bias, y);
}

template <class T, class Filter>
void winograd_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias, T* dx) {
  const int64_t c = p.c / p.groups, o = p.o / p.groups;
  constexpr int kTaps = Filter::kTaps;
  const bool strided = p.stride[1] == 2;
  Winograd<T, Filter> run;
  run.c = o, run.o = c, run.batch = p.batch, run.w_out = run.kArea, run.w_in = c * run.kArea;
  run.turned = !strided;
  run.out_image_stride = p.c * p.in_size();
  int64_t pad[2], tiles[2];
  for (int d = 0; d < 2; d++) {
    run.out[d] = p.in[d + 1];
    const int64_t padding = p.padding[d + 1];
    pad[d] = kTaps == 4 ? 1 - padding / 2 : strided ? (padding != 1) - padding / 2 : 2 - padding;
    tiles[d] = ceil_div(p.in[d + 1], Filter::kOut);
  }
  for (int64_t g = 0; g < p.groups; g++) {
    run.image = {{p.out[1], p.out[2]},
                 {pad[0], pad[1]},
                 tiles[0],
                 tiles[1],
                 p.o * p.out_size(),
                 dy + g * o * p.out_size(),
                 dy + p.batch * p.o * p.out_size()};
    run.w = w + g * o * c * run.kArea;
    winograd_run(run, dx + g * c * p.in_size(), bias ? bias + g * c : nullptr);
  }
}

template <class T>
void conv_winograd_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias,
                                  T* dx) {
  const int form = winograd_form(p);
  if (form == 4) return winograd_backward_input<T, FilterInput4>(p, dy, w, bias, dx);
  if (form == 2 && p.padding[1] == 1)
    return winograd_backward_input<T, FilterInput2<true>>(p, dy, w, bias, dx);
  if (p.stride[1] == 2) return winograd_backward_input<T, FilterInput2<false>>(p, dy, w, bias, dx);
  winograd_backward_input<T, Filter1>(p, dy, w, bias, dx);
}

}  // namespace mt::cpu::MT_ISA
