// 3x3 convolution of stride 1 by Winograd's F(2x2, 3x3): 16 multiplications where 36 are usual.
//   y tile (2x2) = A^T [ sum over c of (G w G^T) * (B^T d B) ] A,   d the 4x4 tile of the input
// For each of the 16 places of a transformed tile this is a matrix product over channels, with the
// tiles of many places of the image as columns. The gradient of the input is the same with the
// weight turned round. Lavin and Gray, "Fast algorithms for convolutional neural networks".
// Rounding errors stay within about twice those of the direct sum; an infinity may come out as NaN.
//
// Many tiles: weights are transformed once, each task transforms a block of tiles that stays in L2.
// Few tiles under many channels: tiles are transformed once, each task transforms its weights.
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

constexpr int kPlaces = 16;

template <class T>
struct Winograd {
  static constexpr int VL = Tile<T>::VL, MR = Tile<T>::MR, NR = Tile<T>::NR;
  static constexpr int kSlot = MR * NR;  // a tile of one place
  using Vec = GemmVec<T>;

  int64_t c, o;                   // channels read and written, of a group
  int64_t in[2], out[2], pad[2];  // sizes, padding before the first element
  int64_t rows, cols;             // tiles of an image
  int64_t image_stride, out_image_stride;
  int64_t batch;
  const T* w;
  int64_t w_out, w_in;  // strides of the weight along the channels written and read
  bool turned;          // the taps in reverse order

  int64_t tiles() const { return batch * rows * cols; }
  int64_t panels() const { return ceil_div(o, MR); }
  int64_t panel_row(int64_t p) const { return o * p / panels(); }

  // Distances of the places of a panel's weights, of panels, and of the places of `slots` sums.
  int64_t u_place() const { return odd_lines<T>(c * MR); }
  int64_t u_panel() const { return kPlaces * u_place(); }
  static int64_t m_place(int64_t slots) { return odd_lines<T>(slots * kSlot); }

  // u[place*u_place + channel*count + r] for the channels written [r0, r0 + count).
  void transform_weights(int64_t r0, int count, T* u) const {
    constexpr int64_t kBlock = 16;
    T packed[kBlock * 9 * MR + 16];
    for (int64_t c0 = 0; c0 < c; c0 += kBlock) {
      const int64_t n = min64(kBlock, c - c0);
      const T* from = w + r0 * w_out + c0 * w_in;
      if (w_in == 9) {
        pack_transposed<T, MR>(from, w_out, count, n * 9, packed);
      } else {
        for (int64_t i = 0; i < n; i++)
          pack_transposed<T, MR>(from + i * w_in, w_out, count, 9, packed + i * 9 * MR);
      }
      for (int64_t i = 0; i < n; i++) {
        const T* g = packed + i * 9 * MR;
        T* to = u + (c0 + i) * count;
        if (count == MR) {
          transform_taps<MR>(g, MR, to, u_place());
        } else {
          transform_taps<0>(g, count, to, u_place());
        }
      }
    }
  }

  // G g G^T for `count` lanes of nine taps.
  template <int kCount>
  MT_INLINE void transform_taps(const T* g, int count, T* to, int64_t place) const {
    const int n = kCount ? kCount : count;
    const int first = turned ? 8 : 0, step = turned ? -MR : MR;
    const T* tap = g + first * MR;
#pragma GCC ivdep
    for (int r = 0; r < n; r++) {
      T m[4][3];
      for (int j = 0; j < 3; j++) {
        const T a = tap[j * step + r], b = tap[(3 + j) * step + r], d = tap[(6 + j) * step + r];
        m[0][j] = a;
        m[1][j] = T(0.5) * (a + b + d);
        m[2][j] = T(0.5) * (a - b + d);
        m[3][j] = d;
      }
      for (int i = 0; i < 4; i++) {
        to[(4 * i + 0) * place + r] = m[i][0];
        to[(4 * i + 1) * place + r] = T(0.5) * (m[i][0] + m[i][1] + m[i][2]);
        to[(4 * i + 2) * place + r] = T(0.5) * (m[i][0] - m[i][1] + m[i][2]);
        to[(4 * i + 3) * place + r] = m[i][2];
      }
    }
  }

  // Even and odd columns of a padded row, from column 2*x0 on, n + 1 of each.
  void split_row(const T* plane, int64_t row, int64_t x0, int64_t n, T* even, T* odd) const {
    if (uint64_t(row) >= uint64_t(in[0])) {
      for (int64_t i = 0; i <= n; i++) even[i] = odd[i] = T(0);
      return;
    }
    const int64_t start = 2 * x0 - pad[1];  // column of even[0]
    const T* from = plane + row * in[1];
    const int64_t lo = start >= 0 ? 0 : min64(n + 1, (1 - start) / 2);
    const int64_t hi = max64(lo, min64(n + 1, (in[1] - start) / 2));
    auto edge = [&](int64_t i) {
      const int64_t a = start + 2 * i, b = a + 1;
      even[i] = uint64_t(a) < uint64_t(in[1]) ? from[a] : T(0);
      odd[i] = uint64_t(b) < uint64_t(in[1]) ? from[b] : T(0);
    };
    for (int64_t i = 0; i < lo; i++) edge(i);
    const T* at = from + start;
#pragma GCC ivdep
    for (int64_t i = lo; i < hi; i++) {
      even[i] = at[2 * i];
      odd[i] = at[2 * i + 1];
    }
    for (int64_t i = hi; i <= n; i++) edge(i);
  }

  // v[place*place_stride + t - t0] = B^T d B of the tiles [t0, t1) of one channel.
  void transform_input(const T* x, int64_t channel, int64_t t0, int64_t t1, T* v,
                       int64_t place_stride, T* lines) const {
    const int64_t width = line_width();
    for (int64_t t = t0; t < t1;) {
      const int64_t image = t / (rows * cols), row = t / cols % rows, x0 = t % cols;
      const int64_t n = min64(t1 - t, cols - x0);
      const T* plane = x + image * image_stride + channel * in[0] * in[1];
      T* line[8];
      for (int i = 0; i < 8; i++) line[i] = lines + i * width;
      for (int i = 0; i < 4; i++)
        split_row(plane, 2 * row - pad[0] + i, x0, n, line[2 * i], line[2 * i + 1]);
      for (int64_t j = 0; j < n; j += VL) {
        const int lanes = int(min64(VL, n - j));
        Vec m[4][4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) {
          Vec d[4];
#pragma GCC unroll 4
          for (int i = 0; i < 4; i++)
            d[i] = load_unaligned<Vec>(line[2 * i + (k & 1)] + j + (k >> 1));
          m[0][k] = d[0] - d[2];
          m[1][k] = d[1] + d[2];
          m[2][k] = d[2] - d[1];
          m[3][k] = d[1] - d[3];
        }
        T* to = v + (t - t0) + j;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
          const Vec r[4] = {m[i][0] - m[i][2], m[i][1] + m[i][2], m[i][2] - m[i][1],
                            m[i][1] - m[i][3]};
#pragma GCC unroll 4
          for (int k = 0; k < 4; k++) {
            T* place = to + (4 * i + k) * place_stride;
            if (lanes == VL) {
              store_unaligned(place, r[k]);
            } else {
              store_lanes<T>(place, r[k], lanes);
            }
          }
        }
      }
      t += n;
    }
  }
  int64_t line_width() const { return round_up(cols + 2 + VL, 16); }

  // A^T m A of `vectors` * VL tiles of one channel; m[place] lies `place` elements apart.
  // Two rows of 2*VL*vectors outputs.
  MT_INLINE void transform_output(const T* m, int64_t place, int64_t vectors, T bias, T* top,
                                  T* bottom) const {
    using Index = typename VectorOf<typename IntegerOf<sizeof(T)>::type>::type;
    Index low, high;
    for (int i = 0; i < VL; i++) {
      low[i] = (i & 1) * VL + i / 2;
      high[i] = low[i] + VL / 2;
    }
    for (int64_t v = 0; v < vectors; v++) {
      const T* from = m + v * VL;
      Vec s[4][2];
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        const Vec a = load_unaligned<Vec>(from + (4 * i + 0) * place);
        const Vec b = load_unaligned<Vec>(from + (4 * i + 1) * place);
        const Vec c = load_unaligned<Vec>(from + (4 * i + 2) * place);
        const Vec d = load_unaligned<Vec>(from + (4 * i + 3) * place);
        s[i][0] = a + b + c;
        s[i][1] = b - c - d;
      }
      const Vec y00 = s[0][0] + s[1][0] + s[2][0] + bias, y01 = s[0][1] + s[1][1] + s[2][1] + bias;
      const Vec y10 = s[1][0] - s[2][0] - s[3][0] + bias, y11 = s[1][1] - s[2][1] - s[3][1] + bias;
      store_unaligned(top + 2 * v * VL, __builtin_shuffle(y00, y01, low));
      store_unaligned(top + (2 * v + 1) * VL, __builtin_shuffle(y00, y01, high));
      store_unaligned(bottom + 2 * v * VL, __builtin_shuffle(y10, y11, low));
      store_unaligned(bottom + (2 * v + 1) * VL, __builtin_shuffle(y10, y11, high));
    }
  }

  MT_INLINE void put_row(const T* from, int64_t n, T* to) const {
    int64_t i = 0;
    for (; i + VL <= n; i += VL) store_unaligned(to + i, load_unaligned<Vec>(from + i));
    if (i < n) store_lanes<T>(to + i, load_unaligned<Vec>(from + i), int(n - i));
  }

  // The tiles [t0, t0 + n) of a channel from two rows of outputs to their places.
  MT_INLINE void put_tiles(T* plane, int64_t t0, int64_t n, const T* top, const T* bottom) const {
    for (int64_t t = t0; t < t0 + n;) {
      const int64_t image = t / (rows * cols), row = t / cols % rows, x0 = t % cols;
      const int64_t run = min64(t0 + n - t, cols - x0);
      const int64_t width = min64(2 * run, out[1] - 2 * x0);
      T* to = plane + image * out_image_stride + 2 * row * out[1] + 2 * x0;
      put_row(top + 2 * (t - t0), width, to);
      if (2 * row + 1 < out[0]) put_row(bottom + 2 * (t - t0), width, to + out[1]);
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
      for (int64_t p = p0; p < p1; p++) {
        const T* panel = u + (p - p0) * u_panel() + place * u_place();
        const int count = int(panel_row(p + 1) - panel_row(p));
        for (int64_t i = 0; i < parts; i++) {
          const int64_t v0 = total * i / parts, v1 = total * (i + 1) / parts;
          const int last = int(min64(VL, t1 - t0 - (v1 - 1) * VL));
          row_kernel_for<T>(count, int(v1 - v0))(
              c, panel, v + place * v_place + v0 * VL, offsets, last,
              m + place * m_step + ((p - p0) * parts + i) * kSlot);
        }
      }
    }
    T top[2 * NR + VL], bottom[2 * NR + VL];
    for (int64_t p = p0; p < p1; p++) {
      const int64_t r0 = panel_row(p), count = panel_row(p + 1) - r0;
      for (int64_t i = 0; i < parts; i++) {
        const int64_t v0 = total * i / parts, v1 = total * (i + 1) / parts;
        const int64_t n = min64(v1 * VL, t1 - t0) - v0 * VL;
        for (int64_t r = 0; r < count; r++) {
          transform_output(m + ((p - p0) * parts + i) * kSlot + r * (v1 - v0) * VL, m_step, v1 - v0,
                           bias ? bias[r0 + r] : T(0), top, bottom);
          put_tiles(y + (r0 + r) * out[0] * out[1], t0 + v0 * VL, n, top, bottom);
        }
      }
    }
  }
};

template <class T>
void winograd_run(const Winograd<T>& g, const T* x, T* y, const T* bias) {
  constexpr int64_t NR = Tile<T>::NR, MR = Tile<T>::MR;
  const int64_t tiles = g.tiles(), panels = g.panels();
  const int64_t room = int64_t(l2_bytes() / 2 / sizeof(T));
  Workspace<int64_t> offsets(g.c);
  const double flops = 2.0 * kPlaces * double(g.c) * double(g.o) * double(tiles);
  if (tiles >= g.o) {
    Workspace<T> u(panels * g.u_panel());
    const int64_t block = max64(NR, min64(4 * NR, room / (kPlaces * g.c) / NR * NR));
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
      Workspace<T> v(kPlaces * place), m(kPlaces * g.m_place(1));
      Workspace<T> lines(8 * g.line_width());
      for (int64_t i = 0; i < 8 * g.line_width(); i++) lines.data[i] = T(0);
      for (int64_t b = begin; b < end; b++) {
        const int64_t t0 = b * block, t1 = min64(tiles, t0 + block);
        for (int64_t i = 0; i < g.c; i++)
          g.transform_input(x, i, t0, t1, v.data + i * block, place, lines.data);
        for (int64_t p = 0; p < panels; p++)
          for (int64_t t = t0; t < t1; t += NR)
            g.multiply(p, p + 1, t, min64(t1, t + NR), u.data + p * g.u_panel(), v.data + t - t0,
                       place, offsets.data, m.data, y, bias);
      }
    });
    return;
  }
  const int64_t row = round_up(tiles, Tile<T>::VL), place = odd_lines<T>(g.c * row);
  Workspace<T> v(kPlaces * place);
  for (int64_t i = 0; i < g.c; i++) offsets.data[i] = i * row;
  parallel_for(g.c, max64(1, kGrain / (tiles * 64)), [&](int64_t begin, int64_t end) {
    Workspace<T> lines(8 * g.line_width());
    for (int64_t i = 0; i < 8 * g.line_width(); i++) lines.data[i] = T(0);
    for (int64_t i = begin; i < end; i++)
      g.transform_input(x, i, 0, tiles, v.data + i * row, place, lines.data);
  });
  // Panels that share a read of a place of v, and tiles at a time.
  const int64_t group = max64(1, min64(4, room / (kPlaces * g.c * MR))), block = 4 * NR;
  const int64_t groups = ceil_div(panels, group);
  const int64_t grain = max64(1, int64_t(double(groups) * kConvThreadedFlops / 2 / (flops + 1)));
  parallel_for(groups, grain, [&](int64_t begin, int64_t end) {
    Workspace<T> u(group * g.u_panel()), m(kPlaces * g.m_place(group * 4));
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

// 3x3, enough channels that the products outweigh the transforms.
MT_INLINE bool suits_winograd(const ConvParams& p, int64_t stride = 1) {
  for (int d = 1; d < 3; d++)
    if (p.kernel[d] != 3 || p.stride[d] != stride || p.dilation[d] != 1 || p.padding[d] > 2)
      return false;
  if (p.kernel[0] != 1 || p.in[0] != 1 || p.out[0] != 1 || p.padding[0] != 0) return false;
  return p.c / p.groups >= 16 && p.o / p.groups >= 16 && p.out[1] >= 4 && p.out[2] >= 4;
}

template <class T>
void conv_winograd_forward(const ConvParams& p, const T* x, const T* w, const T* bias, T* y) {
  const int64_t c = p.c / p.groups, o = p.o / p.groups;
  for (int64_t g = 0; g < p.groups; g++) {
    Winograd<T> run{c,
                    o,
                    {p.in[1], p.in[2]},
                    {p.out[1], p.out[2]},
                    {p.padding[1], p.padding[2]},
                    ceil_div(p.out[1], 2),
                    ceil_div(p.out[2], 2),
                    p.c * p.in_size(),
                    p.o * p.out_size(),
                    p.batch,
                    w + g * o * c * 9,
                    c * 9,
                    9,
                    false};
    winograd_run(run, x + g * c * p.in_size(), y + g * o * p.out_size(),
                 bias ? bias + g * o : nullptr);
  }
}

template <class T>
void conv_winograd_backward_input(const ConvParams& p, const T* dy, const T* w, const T* bias,
                                  T* dx) {
  const int64_t c = p.c / p.groups, o = p.o / p.groups;
  for (int64_t g = 0; g < p.groups; g++) {
    Winograd<T> run{o,
                    c,
                    {p.out[1], p.out[2]},
                    {p.in[1], p.in[2]},
                    {2 - p.padding[1], 2 - p.padding[2]},
                    ceil_div(p.in[1], 2),
                    ceil_div(p.in[2], 2),
                    p.o * p.out_size(),
                    p.c * p.in_size(),
                    p.batch,
                    w + g * o * c * 9,
                    9,
                    c * 9,
                    true};
    winograd_run(run, dy + g * o * p.out_size(), dx + g * c * p.in_size(),
                 bias ? bias + g * c : nullptr);
  }
}

}  // namespace mt::cpu::MT_ISA
