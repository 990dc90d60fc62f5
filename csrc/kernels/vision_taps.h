// Where a place of a grid lies in an image: the taps per dim, their weights and the weights'
// slopes.
#pragma once
#include "kernels/fn.h"
#include "ops/vision.h"

namespace MT_FN {

template <class T>
struct Coordinate {
  T at, slope;  // in elements, and its derivative to the grid's value
};

template <class T>
MT_INLINE Coordinate<T> clip(Coordinate<T> c, int64_t size) {
  if (c.at <= T(0)) return {T(0), T(0)};
  if (c.at >= T(size - 1)) return {T(size - 1), T(0)};
  return c.at == c.at ? c : Coordinate<T>{T(0), T(0)};
}

// Reflected at the edges `low / 2` and `high / 2` until inside.
template <class T>
MT_INLINE Coordinate<T> reflect(Coordinate<T> c, int64_t low, int64_t high) {
  if (low == high) return {T(0), T(0)};
  const T start = T(low) / T(2), span = T(high - low) / T(2);
  T x = c.at - start, sign = T(1);
  if (x < T(0)) x = -x, sign = T(-1);
  const T extra = fmod(x, span);
  const int64_t flips = int64_t(floor(x / span));
  if (flips % 2 == 0) return {extra + start, c.slope * sign};
  return {span - extra + start, -c.slope * sign};
}

template <class T>
MT_INLINE Coordinate<T> pad(const GridParams& p, Coordinate<T> c, int64_t size) {
  if (p.padding == GridPadding::border) return clip(c, size);
  if (p.padding == GridPadding::reflection) {
    c = p.align_corners ? reflect(c, int64_t(0), 2 * (size - 1))
                        : reflect(c, int64_t(-1), 2 * size - 1);
    return clip(c, size);
  }
  return c;
}

template <class T>
MT_INLINE Coordinate<T> coordinate(const GridParams& p, T place, int64_t size) {
  if (p.align_corners) return {(place + T(1)) / T(2) * T(size - 1), T(size - 1) / T(2)};
  return {((place + T(1)) * T(size) - T(1)) / T(2), T(size) / T(2)};
}

// Taps of one dim: indices (negative: outside), weights and the weights' derivatives.
template <class T>
struct Taps {
  int count;
  int64_t at[4];
  T w[4], dw[4];
};

MT_INLINE int64_t inside(int64_t i, int64_t size) { return i >= 0 && i < size ? i : -1; }

// Values that no image can hold become an index outside.
template <class T>
MT_INLINE int64_t to_index(T x) {
  return x > T(-1e15) && x < T(1e15) ? int64_t(x) : int64_t(-1000);
}

template <class T>
MT_INLINE Taps<T> taps_of(const GridParams& p, T place, int64_t size) {
  Taps<T> t = {};
  Coordinate<T> c = coordinate(p, place, size);
  if (p.mode == GridMode::bicubic) {
    const T low = floor(c.at), f = c.at - low, a = T(-0.75);
    t.count = 4;
    const T x[4] = {f + T(1), f, T(1) - f, T(2) - f}, sign[4] = {T(1), T(1), T(-1), T(-1)};
    for (int k = 0; k < 4; k++) {
      const T v = x[k];
      const bool far = k == 0 || k == 3;
      t.w[k] =
          far ? ((a * v - 5 * a) * v + 8 * a) * v - 4 * a : ((a + 2) * v - (a + 3)) * v * v + 1;
      const T slope = far ? (3 * a * v - 10 * a) * v + 8 * a : (3 * (a + 2) * v - 2 * (a + 3)) * v;
      t.dw[k] = slope * sign[k] * c.slope;
      // Every tap is brought inside by itself.
      const Coordinate<T> tap = pad(p, Coordinate<T>{low - T(1) + T(k), T(1)}, size);
      t.at[k] = inside(to_index(tap.at), size);
    }
    return t;
  }
  c = pad(p, c, size);
  if (p.mode == GridMode::nearest) {
    t.count = 1;
    t.at[0] = inside(to_index(nearbyint(c.at)), size);
    t.w[0] = T(1);
    return t;
  }
  const T low = floor(c.at), f = c.at - low;
  t.count = 2;
  t.at[0] = inside(to_index(low), size);
  t.at[1] = inside(to_index(low + T(1)), size);
  t.w[0] = T(1) - f, t.w[1] = f;
  t.dw[0] = -c.slope, t.dw[1] = c.slope;
  return t;
}

// The taps of one output in all dims; a dim that the grid lacks has one tap.
template <class T>
struct Place {
  Taps<T> d[3];

  MT_INLINE Place(const GridParams& p, const T* grid) {
    for (int i = 0; i < 3; i++) {
      const int from_last = 2 - i;
      if (from_last < p.nd) {
        d[i] = taps_of(p, grid[from_last], p.in[i]);
      } else {
        d[i] = {1, {0, 0, 0, 0}, {T(1), 0, 0, 0}, {0, 0, 0, 0}};
      }
    }
  }
  // f(offset in the plane, tap numbers) for the taps inside.
  template <class F>
  MT_INLINE void each(const GridParams& p, const F& f) const {
    for (int a = 0; a < d[0].count; a++) {
      if (d[0].at[a] < 0) continue;
      for (int b = 0; b < d[1].count; b++) {
        if (d[1].at[b] < 0) continue;
        for (int c = 0; c < d[2].count; c++) {
          if (d[2].at[c] < 0) continue;
          f((d[0].at[a] * p.in[1] + d[1].at[b]) * p.in[2] + d[2].at[c], a, b, c);
        }
      }
    }
  }
};

}  // namespace MT_FN
