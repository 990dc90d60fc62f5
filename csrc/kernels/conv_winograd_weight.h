// Gradient of a 3x3 weight by minimal filtering, for strides 1 and 2:
//   dw[o, c] = G^T [ sum over tiles of (A dy A^T) * (B^T x B) ] G
// where a tile is 2x2 of dy and the 4x4 (stride 1) or 5x5 (stride 2) of x that it meets. Along one
// dim, with g0, g1 of dy and d0.. of x:
//   stride 1   [g0, g0+g1, g0-g1, -g1] * [d0-d2, d1+d2, d2-d1, d1-d3]: 4 products for 6
//   stride 2   [g0, g0+g1, g1, g0, g1] * [d0-d2, d2, d2-d4, d1, d3]: 5 products for 6
// so 16 or 25 products of [o, tiles] by [tiles, c], one per place of a transformed tile, replace
// 36. The transformed image has channels along the vector, dy tiles, so that a product reads both
// as they lie. Few channels: work is cut into slices of the tiles with sums of their own, added in
// order at the end; a slice transforms a block of tiles that stays in L2. Many channels: all
// threads transform blocks of tiles, then each multiplies some places and parts of o.
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

// Element 2i (or 2i + 1) of the two vectors as one run.
template <class T>
MT_INLINE GemmVec<T> every_second(GemmVec<T> a, GemmVec<T> b, int first) {
  using Index = typename VectorOf<typename IntegerOf<sizeof(T)>::type>::type;
  Index at;
  for (int v = 0; v < Tile<T>::VL; v++) at[v] = 2 * v + first;
  return __builtin_shuffle(a, b, at);
}

// The transforms of one dim. `needs` has a bit per element of x that place I is made of.
template <int kStride>
struct WeightForm;
template <>
struct WeightForm<1> {
  static constexpr int kIn = 4, kPlaces = 4;
  static constexpr int needs[] = {0b0101, 0b0110, 0b0110, 0b1010};
  template <int I, class V>
  static MT_INLINE V image(const V* d) {
    if constexpr (I == 0) return d[0] - d[2];
    if constexpr (I == 1) return d[1] + d[2];
    if constexpr (I == 2) return d[2] - d[1];
    return d[1] - d[3];
  }
  template <int I, class V>
  static MT_INLINE V gradient(V a, V b) {
    if constexpr (I == 0) return a;
    if constexpr (I == 1) return a + b;
    if constexpr (I == 2) return a - b;
    return -b;
  }
  template <class T>
  static MT_INLINE void back(const T* m, T* w) {
    const T half = T(0.5) * (m[1] + m[2]);
    w[0] = m[0] + half;
    w[1] = T(0.5) * (m[1] - m[2]);
    w[2] = half + m[3];
  }
  // d[k*row ..] = from[2*i + k] for a vector of i.
  template <class T>
  static MT_INLINE void gather(const T* from, T* d, int64_t row) {
    using Vec = GemmVec<T>;
    constexpr int VL = Tile<T>::VL;
#pragma GCC unroll 2
    for (int k = 0; k < 4; k += 2) {
      const Vec a = load_unaligned<Vec>(from + k), b = load_unaligned<Vec>(from + k + VL);
      store_unaligned(d + k * row, every_second<T>(a, b, 0));
      store_unaligned(d + (k + 1) * row, every_second<T>(a, b, 1));
    }
  }
};
template <>
struct WeightForm<2> {
  static constexpr int kIn = 5, kPlaces = 5;
  static constexpr int needs[] = {0b00101, 0b00100, 0b10100, 0b00010, 0b01000};
  template <int I, class V>
  static MT_INLINE V image(const V* d) {
    if constexpr (I == 0) return d[0] - d[2];
    if constexpr (I == 1) return d[2];
    if constexpr (I == 2) return d[2] - d[4];
    if constexpr (I == 3) return d[1];
    return d[3];
  }
  template <int I, class V>
  static MT_INLINE V gradient(V a, V b) {
    if constexpr (I == 1) return a + b;
    if constexpr (I == 0 || I == 3) return a;
    return b;
  }
  template <class T>
  static MT_INLINE void back(const T* m, T* w) {
    w[0] = m[0] + m[1];
    w[1] = m[3] + m[4];
    w[2] = m[1] - m[2];
  }
  template <class T>
  static MT_INLINE void gather(const T* from, T* d, int64_t row) {
    using Vec = GemmVec<T>;
    constexpr int VL = Tile<T>::VL;
    Vec a[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) a[i] = load_unaligned<Vec>(from + i * VL);
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
      const Vec low = every_second<T>(a[0], a[1], k), high = every_second<T>(a[2], a[3], k);
      store_unaligned(d + k * row, every_second<T>(low, high, 0));
      store_unaligned(d + (k + 2) * row, every_second<T>(low, high, 1));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) a[i] = load_unaligned<Vec>(from + 4 + i * VL);
    store_unaligned(d + 4 * row, every_second<T>(every_second<T>(a[0], a[1], 0),
                                                 every_second<T>(a[2], a[3], 0), 0));
  }
};

template <class T, int kStride>
struct WinogradWeight {
  using Form = WeightForm<kStride>;
  using Vec = GemmVec<T>;
  static constexpr int VL = Tile<T>::VL, MR = Tile<T>::MR;
  static constexpr int kIn = Form::kIn, kPlaces = Form::kPlaces, kStep = 2 * kStride;
  static constexpr int kAll = kPlaces * kPlaces;
  static constexpr int64_t kRoom = int64_t(1) << 17;  // elements of a task's sums, or of its tiles
  static constexpr int64_t kRow = 2 * VL;             // of gathered elements; the rest is slack
  static constexpr int64_t kLine = (kStep + 2) * VL + 8;  // elements of x under a vector of tiles

  int64_t c, o;  // of a group
  int64_t in[2], out[2], pad[2], rows, cols, batch;
  int64_t image_stride, gradient_stride;  // of a batch element
  const T *x, *dy;
  const T *x_end, *dy_end;  // of the tensors

  // Neighbours in a row of tiles, among the VL tiles of a vector.
  struct Run {
    int64_t image, row, x0, n, at;
  };
  int cut(int64_t t0, int64_t t1, Run* runs) const {
    int count = 0;
    for (int64_t t = t0; t < t1; count++) {
      const int64_t x0 = t % cols, n = min64(t1 - t, cols - x0);
      runs[count] = {t / (rows * cols), t / cols % rows, x0, n, t - t0};
      t += n;
    }
    return count;
  }

  // line[i] = from[start + i], zero outside of [0, width).
  static MT_INLINE void copy_line(const T* from, int64_t start, int64_t width, int64_t n, T* line) {
    const int64_t lo = max64(0, -start), hi = max64(lo, min64(n, width - start));
    for (int64_t i = 0; i < lo; i++) line[i] = T(0);
    copy_strided(from + start + lo, 1, hi - lo, line + lo);
    for (int64_t i = hi; i < n; i++) line[i] = T(0);
  }

  // r[(place, channel, tile)] of a vector of tiles of one channel, VL*VL elements apart by place.
  template <int I>
  static MT_INLINE void image_row(const T* d, T* r) {
    Vec m[kIn];
#pragma GCC unroll 5
    for (int k = 0; k < kIn; k++) {
      Vec column[kIn];
#pragma GCC unroll 5
      for (int i = 0; i < kIn; i++)
        if (Form::needs[I] >> i & 1) column[i] = load_unaligned<Vec>(d + (i * kIn + k) * kRow);
      m[k] = Form::template image<I>(column);
    }
    store_unaligned(r, Form::template image<0>(m));
    store_unaligned(r + VL * VL, Form::template image<1>(m));
    store_unaligned(r + 2 * VL * VL, Form::template image<2>(m));
    store_unaligned(r + 3 * VL * VL, Form::template image<3>(m));
    if constexpr (kPlaces > 4) store_unaligned(r + 4 * VL * VL, Form::template image<4>(m));
  }

  void image_tiles(const Run* runs, int count, int64_t channel, T* r) const {
    alignas(64) T d[kIn * kIn * kRow + VL], line[kLine];
    const T* plane = x + channel * in[0] * in[1];
    for (int q = 0; q < count; q++) {
      const Run& run = runs[q];
      const int64_t start = run.x0 * kStep - pad[1], n = kStep * (run.n - 1) + kIn;
      for (int i = 0; i < kIn; i++) {
        T* to = d + i * kIn * kRow + run.at;
        const int64_t row = run.row * kStep - pad[0] + i;
        if (uint64_t(row) >= uint64_t(in[0])) {
          for (int k = 0; k < kIn; k++) store_unaligned(to + k * kRow, Vec{});
          continue;
        }
        const T* from = plane + run.image * image_stride + row * in[1];
        if (start >= 0 && start + n <= in[1] && from + start + kLine <= x_end) {
          Form::gather(from + start, to, kRow);
        } else {
          copy_line(from, start, in[1], n, line);
          Form::gather(line, to, kRow);
        }
      }
    }
    constexpr int64_t row = kPlaces * VL * VL;
    image_row<0>(d, r);
    image_row<1>(d, r + row);
    image_row<2>(d, r + 2 * row);
    image_row<3>(d, r + 3 * row);
    if constexpr (kPlaces > 4) image_row<4>(d, r + 4 * row);
  }

  template <int I>
  static MT_INLINE void gradient_row(const T* d, T* g, int64_t place) {
    Vec m[2];
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++)
      m[k] = Form::template gradient<I>(load_unaligned<Vec>(d + k * kRow),
                                        load_unaligned<Vec>(d + (2 + k) * kRow));
    store_unaligned(g, Form::template gradient<0>(m[0], m[1]));
    store_unaligned(g + place, Form::template gradient<1>(m[0], m[1]));
    store_unaligned(g + 2 * place, Form::template gradient<2>(m[0], m[1]));
    store_unaligned(g + 3 * place, Form::template gradient<3>(m[0], m[1]));
    if constexpr (kPlaces > 4)
      store_unaligned(g + 4 * place, Form::template gradient<4>(m[0], m[1]));
  }

  // g[place*stride + tile] of a vector of tiles of one channel.
  void gradient_tiles(const Run* runs, int count, int64_t channel, T* g, int64_t place) const {
    alignas(64) T d[4 * kRow + VL], line[4 * VL];
    const T* plane = dy + channel * out[0] * out[1];
    for (int q = 0; q < count; q++) {
      const Run& run = runs[q];
      for (int i = 0; i < 2; i++) {
        T* to = d + 2 * i * kRow + run.at;
        const int64_t row = 2 * run.row + i, start = 2 * run.x0;
        if (row >= out[0]) {
          store_unaligned(to, Vec{});
          store_unaligned(to + kRow, Vec{});
          continue;
        }
        const T* from = plane + run.image * gradient_stride + row * out[1] + start;
        if (start + 2 * run.n > out[1] || from + 2 * VL > dy_end) {
          copy_line(from, 0, out[1] - start, 2 * run.n, line);
          from = line;
        }
        const Vec a = load_unaligned<Vec>(from), b = load_unaligned<Vec>(from + VL);
        store_unaligned(to, every_second<T>(a, b, 0));
        store_unaligned(to + kRow, every_second<T>(a, b, 1));
      }
    }
    gradient_row<0>(d, g, place);
    gradient_row<1>(d, g + kPlaces * place, place);
    gradient_row<2>(d, g + 2 * kPlaces * place, place);
    gradient_row<3>(d, g + 3 * kPlaces * place, place);
    if constexpr (kPlaces > 4) gradient_row<4>(d, g + 4 * kPlaces * place, place);
  }

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
  void image_block(const Run* runs, int count, int64_t c0, T* r, T* v, const Layout& at) const {
    const int channels = int(min64(VL, c - c0));
    for (int q = 0; q < channels; q++) image_tiles(runs, count, c0 + q, r + q * VL);
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
      Run runs[VL];
      for (int64_t t = 0; t < n; t += VL) {
        const int count = cut(t0 + t, min64(t0 + n, t0 + t + VL), runs);
        for (int64_t i = 0; i < o; i++)
          gradient_tiles(runs, count, i, g.data + i * at.g_row + t, at.g_place);
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
    const int64_t tiles = batch * rows * cols;
    const int64_t fit = max64(1, (int64_t(1) << 22) / (kAll * (c + o) * kDepth)) * kDepth;
    const int64_t block = min64(round_up(tiles, VL), fit);
    const Layout at(c, o, block);
    Workspace<T> v(kAll * at.v_place), g(kAll * at.g_place);
    for (int64_t t0 = 0; t0 < tiles; t0 += block) {
      const int64_t n = min64(block, tiles - t0), groups = ceil_div(c, VL) + ceil_div(o, VL);
      parallel_for(ceil_div(n, VL) * groups, 8, [&](int64_t begin, int64_t end) {
        Workspace<T> r(kAll * VL * VL);
        Run runs[VL];
        for (int64_t item = begin; item < end; item++) {
          const int64_t t = item / groups * VL, part = item % groups;
          const int count = cut(t0 + t, min64(t0 + n, t0 + t + VL), runs);
          if (part * VL < c) {
            image_block(runs, count, part * VL, r.data, v.data + t * at.v_row, at);
            continue;
          }
          const int64_t o0 = (part - ceil_div(c, VL)) * VL;
          for (int64_t i = o0; i < min64(o, o0 + VL); i++)
            gradient_tiles(runs, count, i, g.data + i * at.g_row + t, at.g_place);
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
      T m[kAll][kLanes], w[9][kLanes];
      for (int p = 0; p < kAll; p++) {
        const T* from = sums + p * place + q;
        for (int i = 0; i < n; i++) m[p][i] = from[i];
        for (int64_t s = 1; s < slices; s++)
          for (int i = 0; i < n; i++) m[p][i] += from[s * slice + i];
      }
#pragma GCC ivdep
      for (int i = 0; i < n; i++) {
        T half[kPlaces][3];
        for (int p = 0; p < kPlaces; p++) {
          T line[kPlaces];
          for (int k = 0; k < kPlaces; k++) line[k] = m[p * kPlaces + k][i];
          Form::back(line, half[p]);
        }
        for (int k = 0; k < 3; k++) {
          T line[kPlaces], tap[3];
          for (int p = 0; p < kPlaces; p++) line[p] = half[p][k];
          Form::back(line, tap);
          for (int t = 0; t < 3; t++) w[3 * t + k][i] = tap[t];
        }
      }
      for (int i = 0; i < n; i++)
        for (int t = 0; t < 9; t++) dw[(q + i) * 9 + t] = w[t][i];
    }
  }

  void run(T* dw) const {
    const int64_t tiles = batch * rows * cols, size = o * c;
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
        put_weights(sums.data + r * at.s_row, slices, slice_size, at.s_place, dw + r * c * 9);
    });
  }
};

template <class T, int kStride>
void winograd_weight_groups(const ConvParams& p, const T* dy, const T* x, T* dw) {
  WinogradWeight<T, kStride> run;
  run.c = p.c / p.groups, run.o = p.o / p.groups, run.batch = p.batch;
  for (int d = 0; d < 2; d++)
    run.in[d] = p.in[d + 1], run.out[d] = p.out[d + 1], run.pad[d] = p.padding[d + 1];
  run.rows = ceil_div(run.out[0], 2), run.cols = ceil_div(run.out[1], 2);
  run.image_stride = p.c * p.in_size(), run.gradient_stride = p.o * p.out_size();
  run.x_end = x + p.batch * run.image_stride, run.dy_end = dy + p.batch * run.gradient_stride;
  for (int64_t g = 0; g < p.groups; g++) {
    run.x = x + g * run.c * p.in_size();
    run.dy = dy + g * run.o * p.out_size();
    run.run(dw + g * run.o * run.c * 9);
  }
}

template <class T>
void conv_winograd_backward_weight(const ConvParams& p, const T* dy, const T* x, T* dw) {
  if (p.stride[1] == 2) return winograd_weight_groups<T, 2>(p, dy, x, dw);
  winograd_weight_groups<T, 1>(p, dy, x, dw);
}

}  // namespace mt::cpu::MT_ISA
