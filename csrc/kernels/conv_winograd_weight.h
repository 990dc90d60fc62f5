// Gradient of a 3x3 weight by Winograd's F(2x2, 3x3), the transpose of the forward map:
//   dw[o, c] = G^T [ sum over tiles of (A dy A^T) * (B^T x B) ] G
// with 16 products of [o, tiles] by [tiles, c] for the places of a tile. Tiles come in blocks of
// fixed size whose sums are added in order. Long sums are dots along the tiles; where they are
// short and channels many, the blocked product of gemm_driver.h.
#pragma once
#include "kernels/conv_dots.h"
#include "kernels/conv_winograd.h"

namespace mt::cpu::MT_ISA {

template <class T>
struct WinogradWeight {
  static constexpr int VL = Tile<T>::VL, MO = DotTile<T>::MO, MK = DotTile<T>::MK;
  static constexpr int kSlot = (MO * MK + VL - 1) / VL * VL;  // sums of a tile of dots
  using Vec = GemmVec<T>;

  Winograd<T> x;   // reads the image
  Winograd<T> dy;  // reads the gradient: 2x2 tiles without padding

  // v[place*place_stride + t - t0] = A dy A^T of the tiles [t0, t1) of one channel.
  void transform_gradient(const T* data, int64_t channel, int64_t t0, int64_t t1, T* v,
                          int64_t place_stride, T* lines) const {
    const int64_t width = dy.line_width();
    for (int64_t t = t0; t < t1;) {
      const int64_t image = t / (dy.rows * dy.cols), row = t / dy.cols % dy.rows, x0 = t % dy.cols;
      const int64_t n = min64(t1 - t, dy.cols - x0);
      const T* plane = data + image * dy.image_stride + channel * dy.in[0] * dy.in[1];
      for (int i = 0; i < 2; i++)
        dy.split_row(plane, 2 * row + i, x0, n, lines + 2 * i * width, lines + (2 * i + 1) * width);
      for (int64_t j = 0; j < n; j += VL) {
        const int lanes = int(min64(VL, n - j));
        Vec m[4][2];
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
          const Vec a = load_unaligned<Vec>(lines + k * width + j);
          const Vec b = load_unaligned<Vec>(lines + (2 + k) * width + j);
          m[0][k] = a;
          m[1][k] = a + b;
          m[2][k] = a - b;
          m[3][k] = -b;
        }
        T* to = v + (t - t0) + j;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
          const Vec r[4] = {m[i][0], m[i][0] + m[i][1], m[i][0] - m[i][1], -m[i][1]};
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

  // w[t][i] = element t of G^T m G for n <= kLanes sums side by side; m[place] lies `place` apart.
  static constexpr int kLanes = 32;
  static void turn_back(const T* m, int64_t place, int n, T (*w)[kLanes]) {
#pragma GCC ivdep
    for (int i = 0; i < n; i++) {
      T s[3][4];
      for (int k = 0; k < 4; k++) {
        const T a = m[k * place + i], b = m[(4 + k) * place + i], c = m[(8 + k) * place + i];
        s[0][k] = a + T(0.5) * (b + c);
        s[1][k] = T(0.5) * (b - c);
        s[2][k] = T(0.5) * (b + c) + m[(12 + k) * place + i];
      }
      for (int r = 0; r < 3; r++) {
        w[3 * r][i] = s[r][0] + T(0.5) * (s[r][1] + s[r][2]);
        w[3 * r + 1][i] = T(0.5) * (s[r][1] - s[r][2]);
        w[3 * r + 2][i] = T(0.5) * (s[r][1] + s[r][2]) + s[r][3];
      }
    }
  }

  void run(const T* image, const T* gradient, T* dw) const {
    const int64_t c = x.c, o = dy.c, tiles = x.tiles();
    const int64_t wanted = (int64_t(1) << 21) / (kPlaces * (c + o)) / VL * VL;
    const int64_t block = min64(round_up(tiles, VL), max64(256, min64(1024, wanted)));
    const int64_t row = odd_lines<T>(block), v_place = odd_lines<T>(c * row);
    const int64_t g_place = odd_lines<T>(o * row);
    Workspace<T> v(kPlaces * v_place), g(kPlaces * g_place);
    const bool dots = min64(block, tiles) >= 400 || min64(c, o) < 64;
    const int64_t o_tiles = ceil_div(o, MO), c_tiles = ceil_div(c, MK);
    const int64_t size = dots ? o_tiles * c_tiles * kSlot : o * c;
    Workspace<T> sums(kPlaces * size);
    for (int64_t t0 = 0; t0 < tiles; t0 += block) {
      const int64_t t1 = min64(tiles, t0 + block), n = t1 - t0;
      parallel_for(c + o, max64(1, kGrain / (n * 32)), [&](int64_t begin, int64_t end) {
        const int64_t width = max64(x.line_width(), dy.line_width());
        Workspace<T> lines(8 * width);
        for (int64_t i = 0; i < 8 * width; i++) lines.data[i] = T(0);
        for (int64_t i = begin; i < end; i++) {
          if (i < c) {
            x.transform_input(image, i, t0, t1, v.data + i * row, v_place, lines.data);
          } else {
            transform_gradient(gradient, i - c, t0, t1, g.data + (i - c) * row, g_place,
                               lines.data);
          }
        }
      });
      if (dots) {
        add_dots(g.data, g_place, v.data, v_place, row, n, t0 == 0, sums.data, size);
      } else {
        parallel_for(kPlaces, 1, [&](int64_t begin, int64_t end) {
          for (int64_t place = begin; place < end; place++) {
            const PackStrided<T, Tile<T>::MR, T> a{g.data + place * g_place, row, 1};
            const PackStrided<T, Tile<T>::NR, T> b{v.data + place * v_place, row, 1};
            gemm_blocked<T>(o, c, n, a, b, AddRows{sums.data + place * size, c, t0 > 0}, true);
          }
        });
      }
    }
    parallel_for(o_tiles, 1, [&](int64_t begin, int64_t end) {
      T w[9][kLanes];
      for (int64_t ot = begin; ot < end; ot++) {
        const int64_t r0 = o * ot / o_tiles, r1 = o * (ot + 1) / o_tiles;
        if (!dots) {
          for (int64_t r = r0; r < r1; r++)
            for (int64_t q = 0; q < c; q += kLanes) {
              const int lanes = int(min64(kLanes, c - q));
              turn_back(sums.data + r * c + q, size, lanes, w);
              T* to = dw + (r * c + q) * 9;
              for (int i = 0; i < lanes; i++)
                for (int t = 0; t < 9; t++) to[i * 9 + t] = w[t][i];
            }
          continue;
        }
        for (int64_t ct = 0; ct < c_tiles; ct++) {
          turn_back(sums.data + (ot * c_tiles + ct) * kSlot, size, int((r1 - r0) * MK), w);
          const int64_t columns = min64(MK, c - ct * MK);
          for (int64_t r = 0; r < r1 - r0; r++)
            for (int64_t q = 0; q < columns; q++)
              for (int t = 0; t < 9; t++)
                dw[((r0 + r) * c + ct * MK + q) * 9 + t] = w[t][r * MK + q];
        }
      }
    });
  }

  struct AddRows {
    T* c;
    int64_t c_row;
    bool more;
    MT_INLINE bool direct(int64_t i, int64_t j, int, int, bool first, bool, T** to, int64_t* row,
                          bool* add) const {
      *to = c + i * c_row + j;
      *row = c_row;
      *add = more || !first;
      return true;
    }
    void merge(int64_t, int64_t, int, int, const T*, bool, bool) const {}
    MT_INLINE void finish(int64_t, int64_t, int, int) const {}
  };

  // Tiles of MO by MK dots, each place's data in L2 meanwhile.
  void add_dots(const T* g, int64_t g_place, const T* v, int64_t v_place, int64_t line, int64_t n,
                bool first, T* sums, int64_t size) const {
    const int64_t c = x.c, o = dy.c, o_tiles = ceil_div(o, MO), c_tiles = ceil_div(c, MK);
    const int64_t parts = max64(1, min64(o_tiles / 4, 4));
    parallel_for(kPlaces * parts, 1, [&](int64_t begin, int64_t end) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t place = task / parts, part = task % parts;
        const DotItem<T> item{g + place * g_place, v + place * v_place, n};
        for (int64_t ot = o_tiles * part / parts; ot < o_tiles * (part + 1) / parts; ot++) {
          const int64_t r0 = o * ot / o_tiles;
          const int rows = int(o * (ot + 1) / o_tiles - r0);
          int64_t g_rows[MO];
          for (int r = 0; r < MO; r++) g_rows[r] = (r0 + r) * line;
          for (int64_t ct = 0; ct < c_tiles; ct++) {
            int64_t offsets[MK];
            for (int q = 0; q < MK; q++) offsets[q] = min64(ct * MK + q, c - 1) * line;
            T out[MO * MK + VL];
            run_dot_kernel<T>(rows, &item, 1, g_rows, offsets, out);
            T* to = sums + place * size + (ot * c_tiles + ct) * kSlot;
            const int count = rows * MK;
            if (first) {
              for (int i = 0; i < count; i++) to[i] = out[i];
            } else {
              for (int i = 0; i < count; i++) to[i] += out[i];
            }
          }
        }
      }
    });
  }
};

template <class T>
void conv_winograd_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  const int64_t c = p.c / p.groups, o = p.o / p.groups;
  const int64_t rows = ceil_div(p.out[1], 2), cols = ceil_div(p.out[2], 2);
  for (int64_t g = 0; g < p.groups; g++) {
    WinogradWeight<T> run;
    run.x = {c,
             o,
             {p.in[1], p.in[2]},
             {p.out[1], p.out[2]},
             {p.padding[1], p.padding[2]},
             rows,
             cols,
             p.c * p.in_size(),
             p.o * p.out_size(),
             p.batch,
             nullptr,
             0,
             0,
             false};
    run.dy = {o,
              c,
              {p.out[1], p.out[2]},
              {p.in[1], p.in[2]},
              {0, 0},
              rows,
              cols,
              p.o * p.out_size(),
              p.c * p.in_size(),
              p.batch,
              nullptr,
              0,
              0,
              false};
    run.run(x + g * c * p.in_size(), dy + g * o * p.out_size(), dw + g * o * c * 9);
  }
}

}  // namespace mt::cpu::MT_ISA
