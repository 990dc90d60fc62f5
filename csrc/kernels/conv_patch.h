// The matrix of image patches that turns a convolution into a matrix product, packed straight into
// the panels of gemm_driver.h: it never exists in memory as a whole.
#pragma once
#include "kernels/gemm_pack.h"
#include "kernels/interleave.h"
#include "ops/conv.h"

namespace mt::cpu::MT_ISA {

// to[i] = from[i * step] for i < n.
template <class T>
MT_INLINE void copy_strided(const T* from, int64_t step, int64_t n, T* to) {
  using Vec = GemmVec<T>;
  using Index = typename VectorOf<typename Int<sizeof(T)>::type>::type;
  constexpr int VL = Tile<T>::VL;
  int64_t i = 0;
  if (step == 1) {
    for (; i + VL <= n; i += VL) store_unaligned(to + i, load_unaligned<Vec>(from + i));
    if (i < n) store_lanes<T>(to + i, load_lanes<T>(from + i, int(n - i)), int(n - i));
  } else if (step == 2) {
    Index even;
    for (int v = 0; v < VL; v++) even[v] = 2 * v;
    for (; i + VL < n; i += VL)
      store_unaligned(to + i, __builtin_shuffle(load_unaligned<Vec>(from + 2 * i),
                                                load_unaligned<Vec>(from + 2 * i + VL), even));
    if (i < n) {
      const int64_t rest = 2 * (n - i) - 1;
      const Vec a = load_lanes<T>(from + 2 * i, int(min64(VL, rest)));
      const Vec b = rest > VL ? load_lanes<T>(from + 2 * i + VL, int(rest - VL)) : Vec{};
      store_lanes<T>(to + i, __builtin_shuffle(a, b, even), int(n - i));
    }
  } else {
    for (; i < n; i++) to[i] = from[i * step];
  }
}

// Rows: (channel, tap), taps in row-major order. Columns: (image, grid position), row-major.
// The element is src[image, channel, position] with position = g*step + first + t*tap_step in each
// dim, zero outside of the image.
template <class T>
struct Patches {
  const T* src;
  int64_t image_stride, channel_stride;
  int64_t in[3], grid[3], step[3], taps[3], first[3], tap_step[3];

  int64_t grid_size() const { return grid[0] * grid[1] * grid[2]; }
  int64_t tap_count() const { return taps[0] * taps[1] * taps[2]; }
};

// A piece of a grid row.
template <class T>
struct PatchRun {
  const T* image;
  int64_t at[3];  // position of its first element for tap 0
  int64_t length;
};

// dst[0..length) = a run of the patch matrix for a tap.
template <class T>
MT_INLINE void copy_run(const Patches<T>& m, const PatchRun<T>& run, int64_t channel,
                        const int64_t* tap, T* dst) {
  const int64_t d = run.at[0] + tap[0] * m.tap_step[0], h = run.at[1] + tap[1] * m.tap_step[1];
  const int64_t w = run.at[2] + tap[2] * m.tap_step[2], n = run.length, step = m.step[2];
  if (uint64_t(d) >= uint64_t(m.in[0]) || uint64_t(h) >= uint64_t(m.in[1])) {
    for (int64_t i = 0; i < n; i++) dst[i] = T(0);
    return;
  }
  const T* row = run.image + channel * m.channel_stride + (d * m.in[1] + h) * m.in[2];
  const int64_t lo = w >= 0 ? 0 : min64(n, ceil_div(-w, step));
  const int64_t hi = max64(lo, min64(n, m.in[2] > w ? (m.in[2] - 1 - w) / step + 1 : 0));
  for (int64_t i = 0; i < lo; i++) dst[i] = T(0);
  copy_strided(row + w + lo * step, step, hi - lo, dst + lo);
  for (int64_t i = hi; i < n; i++) dst[i] = T(0);
}

// Columns [j0, j0 + cols) as pieces of grid rows; returns how many.
template <class T>
MT_INLINE int cut_runs(const Patches<T>& m, int64_t j0, int64_t cols, PatchRun<T>* runs) {
  const int64_t size = m.grid_size();
  int64_t image = j0 / size, rest = j0 % size;
  int64_t g2 = rest % m.grid[2], g1 = rest / m.grid[2] % m.grid[1];
  int64_t g0 = rest / (m.grid[2] * m.grid[1]);
  int count = 0;
  while (cols > 0) {
    PatchRun<T>& run = runs[count++];
    run.length = min64(cols, m.grid[2] - g2);
    run.image = m.src + image * m.image_stride;
    run.at[0] = g0 * m.step[0] + m.first[0];
    run.at[1] = g1 * m.step[1] + m.first[1];
    run.at[2] = g2 * m.step[2] + m.first[2];
    cols -= run.length;
    g2 = 0;
    if (++g1 == m.grid[1]) {
      g1 = 0;
      if (++g0 == m.grid[0]) g0 = 0, image++;
    }
  }
  return count;
}

template <class T>
MT_INLINE void next_tap(const Patches<T>& m, int64_t* tap, int64_t* channel) {
  if (++tap[2] < m.taps[2]) return;
  tap[2] = 0;
  if (++tap[1] < m.taps[1]) return;
  tap[1] = 0;
  if (++tap[0] < m.taps[0]) return;
  tap[0] = 0;
  ++*channel;
}
template <class T>
MT_INLINE int64_t first_tap(const Patches<T>& m, int64_t row, int64_t* tap) {
  int64_t t = row % m.tap_count();
  tap[2] = t % m.taps[2];
  tap[1] = t / m.taps[2] % m.taps[1];
  tap[0] = t / (m.taps[2] * m.taps[1]);
  return row / m.tap_count();
}

// pack_b of a product whose k runs over (channel, tap).
template <class T>
struct PackPatches {
  Patches<T> m;

  void operator()(int64_t k0, int64_t kc, int64_t j0, int cols, T* dst) const {
    constexpr int NR = Tile<T>::NR;
    PatchRun<T> runs[NR];
    if (kc == 0) return;  // no taps
    const int count = cut_runs(m, j0, cols, runs);
    int64_t tap[3], channel = first_tap(m, k0, tap);
    for (int64_t p = 0; p < kc; p++) {
      T* to = dst + p * NR;
      for (int r = 0; r < count; r++) {
        copy_run(m, runs[r], channel, tap, to);
        to += runs[r].length;
      }
      next_tap(m, tap, &channel);
    }
  }
};

// pack_b of a product whose k runs over (image, grid position) and whose columns are
// (channel, tap). Rows of the patch matrix are gathered first, then transposed.
template <class T>
struct PackPatchesTransposed {
  Patches<T> m;

  void operator()(int64_t k0, int64_t kc, int64_t j0, int cols, T* dst) const {
    constexpr int NR = Tile<T>::NR;
    constexpr int64_t kStrip = 64;
    alignas(64) T rows[NR * kStrip];
    PatchRun<T> runs[kStrip];
    for (int64_t s = 0; s < kc; s += kStrip) {
      const int64_t length = min64(kStrip, kc - s);
      const int count = cut_runs(m, k0 + s, length, runs);
      int64_t tap[3], channel = first_tap(m, j0, tap);
      for (int j = 0; j < cols; j++) {
        T* to = rows + j * kStrip;
        for (int r = 0; r < count; r++) {
          copy_run(m, runs[r], channel, tap, to);
          to += runs[r].length;
        }
        next_tap(m, tap, &channel);
      }
      pack_transposed<T, NR>(rows, kStrip, cols, length, dst + s * NR);
    }
  }
};

// pack_a of a product whose k runs over (image, position): A(i, k) = src[image, i, position].
template <class T>
struct PackImages {
  const T* src;
  int64_t image_stride, size;

  void operator()(int64_t k0, int64_t kc, int64_t i0, int rows, T* dst) const {
    constexpr int MR = Tile<T>::MR;
    while (kc > 0) {
      const int64_t image = k0 / size, at = k0 % size, length = min64(kc, size - at);
      pack_transposed<T, MR>(src + image * image_stride + i0 * size + at, size, rows, length, dst);
      dst += length * MR;
      k0 += length;
      kc -= length;
    }
  }
};

// pack_a of the gradient of the input: A(c, (o, tap)) = w[o, c, taps of one phase].
template <class T>
struct PackFlipped {
  const T* w;
  int64_t o_stride, c_stride;
  int64_t taps[3], first[3], step[3], kernel[3];  // tap t is kernel element first + t*step

  void operator()(int64_t k0, int64_t kc, int64_t i0, int rows, T* dst) const {
    pack(k0, kc, i0, rows, Tile<T>::MR, dst);
  }

  // Panels of any width >= rows.
  MT_INLINE void pack(int64_t k0, int64_t kc, int64_t i0, int rows, int width, T* dst) const {
    const int64_t per_o = taps[0] * taps[1] * taps[2];
    if (per_o == 0) return;
    if (c_stride == 1 && width == Tile<T>::MR)
      return pack_contiguous<T, Tile<T>::MR>(w + k0 * o_stride + i0, o_stride, rows, kc, dst);
    int64_t o = k0 / per_o, t = k0 % per_o;
    for (int64_t p = 0; p < kc; p++) {
      const int64_t t2 = t % taps[2], t1 = t / taps[2] % taps[1], t0 = t / (taps[2] * taps[1]);
      const int64_t at =
          ((first[0] + t0 * step[0]) * kernel[1] + first[1] + t1 * step[1]) * kernel[2] + first[2] +
          t2 * step[2];
      const T* from = w + o * o_stride + i0 * c_stride + at;
      for (int r = 0; r < rows; r++) dst[p * width + r] = from[r * c_stride];
      for (int r = rows; r < width; r++) dst[p * width + r] = T(0);
      if (++t == per_o) t = 0, o++;
    }
  }
};

// Where a tile goes: row i is a channel, column j is (image, grid position), which lies at
// g*step + first of the output. The bias is added with the last block of k.
template <class T>
struct StoreImages {
  T* dst;
  int64_t image_stride, channel_stride;
  int64_t size[3], grid[3], step[3], first[3];
  const T* bias;
  bool dense;  // the grid is the whole output

  int64_t grid_size() const { return grid[0] * grid[1] * grid[2]; }

  MT_INLINE bool direct(int64_t i, int64_t j, int, int cols, bool first_block, bool, T** to,
                        int64_t* row, bool* add) const {
    const int64_t n = grid_size(), image = j / n, at = j - image * n;
    if (!dense || at + cols > n) return false;
    *to = dst + image * image_stride + i * channel_stride + at;
    *row = channel_stride;
    *add = !first_block;
    return true;
  }

  void finish(int64_t i0, int64_t j, int rows, int cols) const {
    if (!bias) return;
    const int64_t n = grid_size(), image = j / n;
    for (int r = 0; r < rows; r++) {
      T* to = dst + image * image_stride + (i0 + r) * channel_stride + (j - image * n);
      for (int q = 0; q < cols; q++) to[q] += bias[i0 + r];
    }
  }

  void merge(int64_t i0, int64_t j0, int rows, int cols, const T* tile, bool first_block,
             bool last) const {
    const int64_t n = grid_size();
    for (int q = 0; q < cols;) {
      // Columns up to the end of the image, or of a row of the grid.
      const int64_t image = (j0 + q) / n, at = (j0 + q) % n, g2 = dense ? at : at % grid[2];
      const int64_t run = min64(cols - q, (dense ? n : grid[2]) - g2), by = dense ? 1 : step[2];
      int64_t offset = image * image_stride + at;
      if (!dense) {
        const int64_t g1 = at / grid[2] % grid[1], g0 = at / (grid[2] * grid[1]);
        offset = image * image_stride +
                 ((g0 * step[0] + first[0]) * size[1] + g1 * step[1] + first[1]) * size[2] +
                 g2 * step[2] + first[2];
      }
      for (int r = 0; r < rows; r++) {
        T* to = dst + (i0 + r) * channel_stride + offset;
        const T* sum = tile + r * Tile<T>::NR + q;
        const T b = bias && last ? bias[i0 + r] : T(0);
        if (by == 1) {
          put_run(sum, b, run, !first_block, to);
        } else {
          for (int64_t i = 0; i < run; i++)
            to[i * by] = (first_block ? T(0) : to[i * by]) + sum[i] + b;
        }
      }
      q += int(run);
    }
  }

  // to[i] (+)= sum[i] + b
  static MT_INLINE void put_run(const T* sum, T b, int64_t n, bool add, T* to) {
    using Vec = GemmVec<T>;
    constexpr int VL = Tile<T>::VL;
    for (int64_t i = 0; i < n; i += VL) {
      const int lanes = int(min64(VL, n - i));
      Vec v = load_lanes<T>(sum + i, lanes) + b;
      if (add) v += load_lanes<T>(to + i, lanes);
      store_lanes<T>(to + i, v, lanes);
    }
  }
};

// A store functor of plain rows, for the gradient of the weight.
template <class T>
struct StoreRows {
  T* c;
  int64_t c_row;

  MT_INLINE bool direct(int64_t i, int64_t j, int, int, bool first, bool, T** to, int64_t* row,
                        bool* add) const {
    *to = c + i * c_row + j;
    *row = c_row;
    *add = !first;
    return true;
  }
  void merge(int64_t, int64_t, int, int, const T*, bool, bool) const {}
  MT_INLINE void finish(int64_t, int64_t, int, int) const {}
};

}  // namespace mt::cpu::MT_ISA
