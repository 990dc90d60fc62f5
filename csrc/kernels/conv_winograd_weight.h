// Gradient of a 3x3 or 4x4 weight by minimal filtering, for the forms of conv_winograd_tiles.h:
//   dw[o, c] = G^T [ sum over tiles of (A dy A^T) * (B^T x B) ] G
// where a tile is 2x2 of dy and the 4x4 (stride 1), 5x5 or 6x6 (stride 2) of x that it meets. Along
// one dim, with g0, g1 of dy and d0.. of x:
//   stride 1   [g0, g0+g1, g0-g1, -g1] * [d0-d2, d1+d2, d2-d1, d1-d3]: 4 products for 6
//   stride 2   [g0, g0+g1, g1, g0, g1] * [d0-d2, d2, d2-d4, d1, d3]: 5 products for 6
// so 16 or 25 products of [o, tiles] by [tiles, c], one per place of a transformed tile, replace
// 36. The transformed image has channels along the vector, dy tiles, so that a product reads both
// as they lie. Few channels: work is cut into slices of the tiles with sums of their own, added in
// order at the end; a slice transforms a block of tiles that stays in L2. Many channels: all
// threads transform blocks of tiles, then each multiplies some places and parts of o.
#pragma once
#include "kernels/conv_winograd_tiles.h"

namespace mt::cpu::MT_ISA {

// dw of one dim from the sums of the places.
template <int kForm, class T>
MT_INLINE void weight_taps(const T* m, T* w) {
  if constexpr (kForm == 1) {
    const T half = T(0.5) * (m[1] + m[2]);
    w[0] = m[0] + half;
    w[1] = T(0.5) * (m[1] - m[2]);
    w[2] = half + m[3];
  } else {
    w[0] = m[0] + m[1];
    w[1] = m[3] + m[4];
    w[2] = m[1] - m[2];
    if constexpr (kForm == 4) w[3] = m[4] - m[5];
  }
}

template <int kForm>
struct WeightForms {
  using Image = ImageForm1;
  using Gradient = GradientForm1;
};
template <>
struct WeightForms<2> {
  using Image = ImageForm2;
  using Gradient = GradientForm2;
};

template <>
struct WeightForms<4> {
  using Image = ImageForm4;
  using Gradient = GradientForm4;
};

template <class T, int kForm>
struct WinogradWeight {
  static constexpr int VL = Tile<T>::VL, MR = Tile<T>::MR;
  static constexpr int kPlaces = WeightForms<kForm>::Image::kV, kAll = kPlaces * kPlaces;
  static constexpr int kTaps = kForm == 4 ? 4 : 3, kArea = kTaps * kTaps;
  static constexpr int64_t kRoom = int64_t(1) << 17;  // elements of a task's sums, or of its tiles

  int64_t c, o, tiles;  // of a group
  TileReader<T, typename WeightForms<kForm>::Image> image;
  TileReader<T, typename WeightForms<kForm>::Gradient> gradient;

  // to[t*row + channel] = from[channel*VL + t]
  static MT_INLINE void turn(const T* from, T* to, int64_t row) {
    constexpr int S = kSide<T>;
#pragma GCC unroll 2
    for (int i = 0; i < VL; i += S)
#pragma GCC unroll 2
      for (int j = 0; j < VL; j += S) {
        BlockVec<T> b[S];
#pragma GCC unroll 8
        for (int q = 0; q < S; q++) b[q] = load_unaligned<BlockVec<T>>(from + (i + q) * VL + j);
        Transpose<T>::run(b);
#pragma GCC unroll 8
        for (int q = 0; q < S; q++) store_unaligned(to + (j + q) * row + i, b[q]);
      }
  }

  struct Layout {
    int64_t v_row, v_place, g_row, g_place, s_row, s_place;
    Layout(int64_t c, int64_t o, int64_t block) {
      v_row = odd_lines<T>(round_up(c, VL)), v_place = odd_lines<T>(block * v_row);
      g_row = odd_lines<T>(block), g_place = odd_lines<T>(o * g_row);
      s_row = odd_lines<T>(c), s_place = o * s_row;
    }
  };

  // A vector of tiles of the channels [c0, c0 + VL) of the image, to v at its first tile.
  void image_block(const TileRun* runs, int count, int64_t c0, T* r, T* v, const Layout& at) const {
    const int channels = int(min64(VL, c - c0));
    for (int q = 0; q < channels; q++) image.transform(runs, count, c0 + q, r + q * VL, VL * VL);
    for (int place = 0; place < kAll; place++)
      turn(r + place * VL * VL, v + place * at.v_place + c0, at.v_row);
  }

  // sums[o0..o1, 0..c) of a place += g @ v over n tiles.
  void multiply(const Layout& at, int64_t o0, int64_t o1, int64_t n, const T* g, const T* v,
                T* sums, bool add) const {
    const int64_t vectors = ceil_div(c, VL), parts = ceil_div(vectors, Tile<T>::NV);
    for (int64_t i = 0; i < parts; i++) {
      const int64_t v0 = vectors * i / parts, v1 = vectors * (i + 1) / parts;
      const int last = int(min64(VL, c - (v1 - 1) * VL));
      for (int64_t r = o0; r < o1; r += MR)
        micro_kernel_for<T, false>(int(min64(MR, o1 - r)), int(v1 - v0))(
            n, g + r * at.g_row, at.g_row, 1, v + v0 * VL, at.v_row, sums + r * at.s_row + v0 * VL,
            at.s_row, add, last);
    }
  }

  // Few channels: the sums of the tiles [begin, end), whose blocks stay in L2.
  void run_slice(const Layout& at, int64_t begin, int64_t end, int64_t block, T* sums) const {
    Workspace<T> v(kAll * at.v_place), g(kAll * at.g_place), r(kAll * VL * VL);
    if (begin >= end)
      for (int64_t i = 0; i < kAll * at.s_place; i++) sums[i] = T(0);
    for (int64_t t0 = begin; t0 < end; t0 += block) {
      const int64_t n = min64(block, end - t0);
      TileRun runs[VL];
      for (int64_t t = 0; t < n; t += VL) {
        const int count = image.cut(t0 + t, min64(t0 + n, t0 + t + VL), runs);
        for (int64_t i = 0; i < o; i++)
          gradient.transform(runs, count, i, g.data + i * at.g_row + t, at.g_place);
        for (int64_t c0 = 0; c0 < c; c0 += VL)
          image_block(runs, count, c0, r.data, v.data + t * at.v_row, at);
      }
      for (int place = 0; place < kAll; place++)
        multiply(at, 0, o, n, g.data + place * at.g_place, v.data + place * at.v_place,
                 sums + place * at.s_place, t0 > begin);
    }
  }

  // Many channels: all threads transform a block of tiles, then multiply place by place.
  void run_shared(T* sums) const {
    constexpr int64_t kDepth = 128;
    const int64_t fit = max64(1, (int64_t(1) << 22) / (kAll * (c + o) * kDepth)) * kDepth;
    const int64_t block = min64(round_up(tiles, VL), fit);
    const Layout at(c, o, block);
    Workspace<T> v(kAll * at.v_place), g(kAll * at.g_place);
    for (int64_t t0 = 0; t0 < tiles; t0 += block) {
      const int64_t n = min64(block, tiles - t0), groups = ceil_div(c, VL) + ceil_div(o, VL);
      parallel_for(ceil_div(n, VL) * groups, 8, [&](int64_t begin, int64_t end) {
        Workspace<T> r(kAll * VL * VL);
        TileRun runs[VL];
        for (int64_t item = begin; item < end; item++) {
          const int64_t t = item / groups * VL, part = item % groups;
          const int count = image.cut(t0 + t, min64(t0 + n, t0 + t + VL), runs);
          if (part * VL < c) {
            image_block(runs, count, part * VL, r.data, v.data + t * at.v_row, at);
            continue;
          }
          const int64_t o0 = (part - ceil_div(c, VL)) * VL;
          for (int64_t i = o0; i < min64(o, o0 + VL); i++)
            gradient.transform(runs, count, i, g.data + i * at.g_row + t, at.g_place);
        }
      });
      const int64_t parts = ceil_div(o, 128);
      parallel_for(kAll * parts, 1, [&](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; task++) {
          const int64_t place = task / parts, part = task % parts;
          for (int64_t k = 0; k < n; k += kDepth)
            multiply(at, o * part / parts, o * (part + 1) / parts, min64(kDepth, n - k),
                     g.data + place * at.g_place + k, v.data + place * at.v_place + k * at.v_row,
                     sums + place * at.s_place, t0 + k > 0);
        }
      });
    }
  }

  // dw[r, 0..c) from the sums of the slices.
  void put_weights(const T* sums, int64_t slices, int64_t slice, int64_t place, T* dw) const {
    constexpr int64_t kLanes = 32;
    for (int64_t q = 0; q < c; q += kLanes) {
      const int n = int(min64(kLanes, c - q));
      T m[kAll][kLanes], w[kArea][kLanes];
      for (int p = 0; p < kAll; p++) {
        const T* from = sums + p * place + q;
        for (int i = 0; i < n; i++) m[p][i] = from[i];
        for (int64_t s = 1; s < slices; s++)
          for (int i = 0; i < n; i++) m[p][i] += from[s * slice + i];
      }
#pragma GCC ivdep
      for (int i = 0; i < n; i++) {
        T half[kPlaces][kTaps];
        for (int p = 0; p < kPlaces; p++) {
          T line[kPlaces];
          for (int k = 0; k < kPlaces; k++) line[k] = m[p * kPlaces + k][i];
          weight_taps<kForm>(line, half[p]);
        }
        for (int k = 0; k < kTaps; k++) {
          T line[kPlaces], tap[kTaps];
          for (int p = 0; p < kPlaces; p++) line[p] = half[p][k];
          weight_taps<kForm>(line, tap);
          for (int t = 0; t < kTaps; t++) w[kTaps * t + k][i] = tap[t];
        }
      }
      for (int i = 0; i < n; i++)
        for (int t = 0; t < kArea; t++) dw[(q + i) * kArea + t] = w[t][i];
    }
  }

  void run(T* dw) const {
    const int64_t size = o * c;
    const double flops = 2.0 * kAll * double(size) * double(tiles);
    const bool shared = kAll * size > kRoom;
    const int64_t wanted = int64_t(flops / 4e6 < 16 ? flops / 4e6 : 16);
    const int64_t slices = shared ? 1 : max64(1, min64(wanted, tiles / (4 * VL)));
    const int64_t fit = kRoom / ((c + o) * kAll) / 16 * 16;
    const int64_t block = min64(round_up(ceil_div(tiles, slices), 16), max64(16, min64(128, fit)));
    const Layout at(c, o, block);
    const int64_t slice_size = kAll * at.s_place;
    Workspace<T> sums(slices * slice_size);
    if (shared) {
      run_shared(sums.data);
    } else {
      const int64_t blocks = ceil_div(tiles, block);
      const int64_t grain =
          max64(1, int64_t(double(slices) * kConvThreadedFlops / 2 / (flops + 1)));
      parallel_for(slices, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++)
          run_slice(at, blocks * i / slices * block,
                    min64(tiles, blocks * (i + 1) / slices * block), block,
                    sums.data + i * slice_size);
      });
    }
    parallel_for(o, max64(1, kGrain / (c * kAll)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        put_weights(sums.data + r * at.s_row, slices, slice_size, at.s_place, dw + r * c * kArea);
    });
  }
};

template <class T, int kForm>
void winograd_weight_groups(const ConvParams& p, const T* dy, const T* x, T* dw) {
  WinogradWeight<T, kForm> run;
  const int64_t c = p.c / p.groups, o = p.o / p.groups;
  const int64_t rows = ceil_div(p.out[1], 2), cols = ceil_div(p.out[2], 2);
  const T *x_end = x + p.batch * p.c * p.in_size(), *dy_end = dy + p.batch * p.o * p.out_size();
  run.c = c, run.o = o, run.tiles = p.batch * rows * cols;
  for (int64_t g = 0; g < p.groups; g++) {
    run.image = {{p.in[1], p.in[2]}, {p.padding[1], p.padding[2]}, rows, cols,
                 p.c * p.in_size(),  x + g * c * p.in_size(),      x_end};
    run.gradient = {{p.out[1], p.out[2]},      {0, 0}, rows, cols, p.o * p.out_size(),
                    dy + g * o * p.out_size(), dy_end};
    run.run(dw + g * o * c * run.kArea);
  }
}

template <class T>
void conv_winograd_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  const int form = winograd_form(p);
  if (form == 4) return winograd_weight_groups<T, 4>(p, dy, x, dw);
  if (form == 2) return winograd_weight_groups<T, 2>(p, dy, x, dw);
  winograd_weight_groups<T, 1>(p, dy, x, dw);
}

}  // namespace mt::cpu::MT_ISA
