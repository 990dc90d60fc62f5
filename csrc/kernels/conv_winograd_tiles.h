// Minimal filtering of 3x3 convolutions of stride 1 and 2, and of 4x4 ones of stride 2: the
// transforms of tiles, one dim at a time, and the reading of tiles from an image. Lavin and Gray,
// "Fast algorithms for convolutional neural networks"; the forms of stride 2 split the taps into
// even (0, 2) and odd (1) ones:
//   forward          y0, y1 from d0..d4:  V = [d0-d2, d2, d2-d4, d1, d3], U = [w0, w0+w2, w2, w1],
//                    M = V * U[0, 1, 2, 3, 3],  y0 = M0+M1+M3, y1 = M1-M2+M4
//   input gradient   four of dx from g0..g2:  V = [g0-g1, g1, g1-g2, g], U = [w2, w0+w2, w0, w1];
//                    from an even position, g = g2 and dx = M0+M1, M3, M1-M2, M4 for
//                    M = V[0, 1, 2, 1, 3] * U[0, 1, 2, 3, 3]; from an odd one (odd padding), g = g0
//                    and dx = M3, M0+M1, M4, M1-M2 for M = V[0, 1, 2, 3, 1] * U[0, 1, 2, 3, 3]
//   weight gradient  V = [d0-d2, d2, d2-d4, d1, d3] * [g0, g0+g1, g1, g0, g1] = M,
//                    dw = M0+M1, M3+M4, M1-M2
// 5 products instead of 6 along a dim, 25 instead of 36 in two; stride 1 needs 16 instead of 36.
// Four taps of stride 2 are two odd and two even ones, with three products each for two outputs:
// 6 instead of 8 along a dim, 36 instead of 64 in two.
#pragma once
#include "kernels/conv_rows.h"

namespace mt::cpu::MT_ISA {

// A form reads kIn elements per tile at steps of kStep and makes kV values of them.
struct ImageForm1 {
  static constexpr int kIn = 4, kStep = 2, kV = 4;
  template <int I, class V>
  static MT_INLINE V value(const V* d) {
    if constexpr (I == 0) return d[0] - d[2];
    if constexpr (I == 1) return d[1] + d[2];
    if constexpr (I == 2) return d[2] - d[1];
    return d[1] - d[3];
  }
};
struct ImageForm2 {
  static constexpr int kIn = 5, kStep = 4, kV = 5;
  template <int I, class V>
  static MT_INLINE V value(const V* d) {
    if constexpr (I == 0) return d[0] - d[2];
    if constexpr (I == 1) return d[2];
    if constexpr (I == 2) return d[2] - d[4];
    if constexpr (I == 3) return d[1];
    return d[3];
  }
};
struct ImageForm4 {
  static constexpr int kIn = 6, kStep = 4, kV = 6;
  template <int I, class V>
  static MT_INLINE V value(const V* d) {
    constexpr int odd = I / 3;
    if constexpr (I % 3 == 0) return d[odd] - d[2 + odd];
    if constexpr (I % 3 == 1) return d[2 + odd];
    return d[2 + odd] - d[4 + odd];
  }
};
// dy where the gradient of the input is wanted, stride 2.
template <bool kOdd>
struct SourceForm2 {
  static constexpr int kIn = 3, kStep = 2, kV = 4;
  template <int I, class V>
  static MT_INLINE V value(const V* d) {
    if constexpr (I == 0) return d[0] - d[1];
    if constexpr (I == 1) return d[1];
    if constexpr (I == 2) return d[1] - d[2];
    return d[kOdd ? 0 : 2];
  }
};
// The same for four taps and odd padding.
struct SourceForm4 {
  static constexpr int kIn = 4, kStep = 2, kV = 5;
  template <int I, class V>
  static MT_INLINE V value(const V* d) {
    if constexpr (I % 2 == 0) return d[I / 2] - d[I / 2 + 1];
    return d[I / 2 + 1];
  }
};
// dy where the gradient of the weight is wanted.
struct GradientForm1 {
  static constexpr int kIn = 2, kStep = 2, kV = 4;
  template <int I, class V>
  static MT_INLINE V value(const V* g) {
    if constexpr (I == 0) return g[0];
    if constexpr (I == 1) return g[0] + g[1];
    if constexpr (I == 2) return g[0] - g[1];
    return -g[1];
  }
};
struct GradientForm2 {
  static constexpr int kIn = 2, kStep = 2, kV = 5;
  template <int I, class V>
  static MT_INLINE V value(const V* g) {
    if constexpr (I == 1) return g[0] + g[1];
    if constexpr (I == 0 || I == 3) return g[0];
    return g[1];
  }
};

struct GradientForm4 {
  static constexpr int kIn = 2, kStep = 2, kV = 6;
  template <int I, class V>
  static MT_INLINE V value(const V* g) {
    if constexpr (I % 3 == 0) return g[0];
    if constexpr (I % 3 == 1) return g[0] + g[1];
    return g[1];
  }
};

#if defined(__AVX512F__)
template <bool kLong>
struct BitsOf {
  using type = uint64_t;
};
template <>
struct BitsOf<true> {
  __extension__ typedef unsigned __int128 type;
};
// Lanes whose bit is set; the others are zero, and their memory is not read.
template <class T>
MT_INLINE GemmVec<T> load_masked(const T* p, unsigned bits) {
  if constexpr (sizeof(T) == 4) {
    return (GemmVec<T>)_mm512_maskz_loadu_ps(__mmask16(bits), p);
  } else {
    return (GemmVec<T>)_mm512_maskz_loadu_pd(__mmask8(bits), p);
  }
}
#endif

// Neighbours in a row of tiles, among the tiles of a vector.
struct TileRun {
  int64_t image, row, x0, n, at;
};

// The tiles of a batch of images: tile t is (image, row, column), element (i, j) of it lies at
// kStep * (row, column) - pad + (i, j), zero outside of the image.
template <class T, class Form>
struct TileReader {
  using Vec = GemmVec<T>;
  static constexpr int VL = Tile<T>::VL, kIn = Form::kIn, kStep = Form::kStep, kV = Form::kV;
  static constexpr int64_t kRow = 2 * VL;           // of gathered elements; the upper half is slack
  static constexpr int64_t kLine = kStep * VL + 4;  // elements under a vector of tiles

  int64_t in[2], pad[2], rows, cols, image_stride;
  const T *x, *end;  // the first channel; the end of the tensor

  // The tiles [t0, t1), at most VL.
  int cut(int64_t t0, int64_t t1, TileRun* runs) const {
    int count = 0;
    for (int64_t t = t0; t < t1; count++) {
      const int64_t x0 = t % cols, n = min64(t1 - t, cols - x0);
      runs[count] = {t / (rows * cols), t / cols % rows, x0, n, t - t0};
      t += n;
    }
    return count;
  }

  // d[k*kRow ..] = elements kStep*i + k for a vector of i.
  // `at` loads a vector from element i on.
  template <class Load>
  static MT_INLINE void gather(const Load& at, T* d) {
    if constexpr (kStep == 2) {
      const Vec a = at(0), b = at(VL);
      store_unaligned(d, every_second<T>(a, b, 0));
      store_unaligned(d + kRow, every_second<T>(a, b, 1));
      if constexpr (kIn > 2) {
        const Vec c = at(2), e = at(2 + VL);
        store_unaligned(d + 2 * kRow, every_second<T>(c, e, 0));
        if constexpr (kIn > 3) store_unaligned(d + 3 * kRow, every_second<T>(c, e, 1));
      }
    } else {
      const Vec a[4] = {at(0), at(VL), at(2 * VL), at(3 * VL)};
#pragma GCC unroll 2
      for (int k = 0; k < 2; k++) {
        const Vec low = every_second<T>(a[0], a[1], k), high = every_second<T>(a[2], a[3], k);
        store_unaligned(d + k * kRow, every_second<T>(low, high, 0));
        store_unaligned(d + (k + 2) * kRow, every_second<T>(low, high, 1));
      }
#pragma GCC unroll 2
      for (int k = 0; k < kIn - 4; k++) {
        const Vec low = every_second<T>(at(4), at(4 + VL), k);
        const Vec high = every_second<T>(at(4 + 2 * VL), at(4 + 3 * VL), k);
        store_unaligned(d + (4 + k) * kRow, every_second<T>(low, high, 0));
      }
    }
  }

  // The elements [start, start + n) of a row of `width`, zero outside of it.
  MT_INLINE void gather_row(const T* from, int64_t start, int64_t width, int64_t n, T* d) const {
    const int64_t lo = min64(n, max64(0, -start)), hi = max64(lo, min64(n, width - start));
#if defined(__AVX512F__)
    // Masked loads read nothing outside of the row.
    using Bits = typename BitsOf<(kLine > 64)>::type;
    const Bits all = ~Bits(0),
               mask = (all << lo) & ~(hi < int64_t(8 * sizeof(Bits)) ? all << hi : 0);
    from += start;
    gather([&](int64_t i) { return load_masked<T>(from + i, unsigned(mask >> i)); }, d);
#else
    alignas(64) T line[kLine];
    if (lo == 0 && hi == n && end - from >= start + kLine) {
      from += start;
    } else {
      for (int64_t i = 0; i < lo; i++) line[i] = T(0);
      copy_strided(from + start + lo, 1, hi - lo, line + lo);
      for (int64_t i = hi; i < n; i++) line[i] = T(0);
      from = line;
    }
    gather([&](int64_t i) { return load_unaligned<Vec>(from + i); }, d);
#endif
  }

  template <int I>
  static MT_INLINE void transform_row(const T* d, T* to, int64_t place) {
    Vec m[kIn];
#pragma GCC unroll 6
    for (int k = 0; k < kIn; k++) {
      Vec column[kIn];
#pragma GCC unroll 6
      for (int i = 0; i < kIn; i++) column[i] = load_unaligned<Vec>(d + (i * kIn + k) * kRow);
      m[k] = Form::template value<I>(column);
    }
    to += I * kV * place;
    store_unaligned(to, Form::template value<0>(m));
    store_unaligned(to + place, Form::template value<1>(m));
    store_unaligned(to + 2 * place, Form::template value<2>(m));
    store_unaligned(to + 3 * place, Form::template value<3>(m));
    if constexpr (kV > 4) store_unaligned(to + 4 * place, Form::template value<4>(m));
    if constexpr (kV > 5) store_unaligned(to + 5 * place, Form::template value<5>(m));
  }

  // to[p*place ..] = place p of a vector of tiles of one channel.
  void transform(const TileRun* runs, int count, int64_t channel, T* to, int64_t place) const {
    alignas(64) T d[kIn * kIn * kRow + VL];
    const T* plane = x + channel * in[0] * in[1];
    for (int q = 0; q < count; q++) {
      const TileRun& run = runs[q];
      const int64_t start = run.x0 * kStep - pad[1], n = kStep * (run.n - 1) + kIn;
      const T* from = plane + run.image * image_stride + (run.row * kStep - pad[0]) * in[1];
      for (int i = 0; i < kIn; i++, from += in[1]) {
        T* row = d + i * kIn * kRow + run.at;
        if (uint64_t(run.row * kStep - pad[0] + i) >= uint64_t(in[0])) {
          for (int k = 0; k < kIn; k++) store_unaligned(row + k * kRow, Vec{});
        } else {
          gather_row(from, start, in[1], n, row);
        }
      }
    }
    transform_row<0>(d, to, place);
    transform_row<1>(d, to, place);
    transform_row<2>(d, to, place);
    transform_row<3>(d, to, place);
    if constexpr (kV > 4) transform_row<4>(d, to, place);
    if constexpr (kV > 5) transform_row<5>(d, to, place);
  }
};

// The forms that apply, where there are enough channels that the products outweigh the transforms:
// 1 and 2 for 3x3 of that stride, 4 for 4x4 of stride 2 and odd padding, else 0.
MT_INLINE int winograd_form(const ConvParams& p) {
  const int64_t k = p.kernel[1], s = p.stride[1];
  if (!(k == 3 && (s == 1 || s == 2)) && !(k == 4 && s == 2)) return 0;
  for (int d = 1; d < 3; d++) {
    if (p.kernel[d] != k || p.stride[d] != s || p.dilation[d] != 1 || p.padding[d] >= k) return 0;
    if (k == 4 && p.padding[d] % 2 == 0) return 0;
  }
  if (p.kernel[0] != 1 || p.in[0] != 1 || p.out[0] != 1 || p.padding[0] != 0) return 0;
  if (p.c / p.groups < 16 || p.o / p.groups < 16 || p.out[1] < 4 || p.out[2] < 4) return 0;
  return k == 4 ? 4 : int(s);
}

// Along one dim: product m is v[v_of[m]] * u[u_of[m]], of kU values made from kTaps taps; kOut
// outputs come from the kM sums of products.
struct Filter1 {
  using Image = ImageForm1;
  static constexpr int kTaps = 3, kU = 4, kM = 4, kOut = 2;
  static constexpr int v_of[] = {0, 1, 2, 3}, u_of[] = {0, 1, 2, 3};
  template <class T>
  static MT_INLINE void weights(const T* w, T* u) {
    u[0] = w[0];
    u[1] = T(0.5) * (w[0] + w[1] + w[2]);
    u[2] = T(0.5) * (w[0] - w[1] + w[2]);
    u[3] = w[2];
  }
  template <class V>
  static MT_INLINE void outputs(const V* m, V* y) {
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
  }
};
struct Filter2 {
  using Image = ImageForm2;
  static constexpr int kTaps = 3, kU = 4, kM = 5, kOut = 2;
  static constexpr int v_of[] = {0, 1, 2, 3, 4}, u_of[] = {0, 1, 2, 3, 3};
  template <class T>
  static MT_INLINE void weights(const T* w, T* u) {
    u[0] = w[0], u[1] = w[0] + w[2], u[2] = w[2], u[3] = w[1];
  }
  template <class V>
  static MT_INLINE void outputs(const V* m, V* y) {
    y[0] = m[0] + m[1] + m[3];
    y[1] = m[1] - m[2] + m[4];
  }
};
template <bool kOdd>
struct FilterInput2 {
  using Image = SourceForm2<kOdd>;
  static constexpr int kTaps = 3, kU = 4, kM = 5, kOut = 4;
  static constexpr int v_of[] = {0, 1, 2, kOdd ? 3 : 1, kOdd ? 1 : 3}, u_of[] = {0, 1, 2, 3, 3};
  template <class T>
  static MT_INLINE void weights(const T* w, T* u) {
    u[0] = w[2], u[1] = w[0] + w[2], u[2] = w[0], u[3] = w[1];
  }
  template <class V>
  static MT_INLINE void outputs(const V* m, V* y) {
    y[kOdd] = m[0] + m[1], y[!kOdd] = m[3], y[2 + kOdd] = m[1] - m[2], y[2 + !kOdd] = m[4];
  }
};

struct Filter4 {
  using Image = ImageForm4;
  static constexpr int kTaps = 4, kU = 6, kM = 6, kOut = 2;
  static constexpr int v_of[] = {0, 1, 2, 3, 4, 5}, u_of[] = {0, 1, 2, 3, 4, 5};
  template <class T>
  static MT_INLINE void weights(const T* w, T* u) {
    u[0] = w[0], u[1] = w[0] + w[2], u[2] = w[2];
    u[3] = w[1], u[4] = w[1] + w[3], u[5] = w[3];
  }
  template <class V>
  static MT_INLINE void outputs(const V* m, V* y) {
    y[0] = (m[0] + m[1]) + (m[3] + m[4]);
    y[1] = (m[1] - m[2]) + (m[4] - m[5]);
  }
};
struct FilterInput4 {
  using Image = SourceForm4;
  static constexpr int kTaps = 4, kU = 6, kM = 6, kOut = 4;
  static constexpr int v_of[] = {0, 1, 2, 2, 3, 4}, u_of[] = {0, 1, 2, 3, 4, 5};
  template <class T>
  static MT_INLINE void weights(const T* w, T* u) {
    u[0] = w[3], u[1] = w[1] + w[3], u[2] = w[1];
    u[3] = w[2], u[4] = w[0] + w[2], u[5] = w[0];
  }
  template <class V>
  static MT_INLINE void outputs(const V* m, V* y) {
    y[0] = m[0] + m[1], y[1] = m[3] + m[4], y[2] = m[1] - m[2], y[3] = m[4] - m[5];
  }
};

}  // namespace mt::cpu::MT_ISA
