// Grid sampling: y[c, q] = sum over the taps near grid[q] of weight * x[c, tap].
// A place in [-1, 1] becomes a coordinate, is brought inside (border, reflection), and has 1, 2 or
// 4 taps per dim with weights; taps outside of the image read as zero. Backward sends weight * dy
// to the taps, and the slopes of the weights times dy * x to the grid. The work is split over
// images.
#include "ops/vision.h"

#include <cmath>

#include "core/parallel.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
struct Coordinate {
  T at, slope;  // in elements, and its derivative to the grid's value
};

template <class T>
Coordinate<T> clip(Coordinate<T> c, int64_t size) {
  if (c.at <= T(0)) return {T(0), T(0)};
  if (c.at >= T(size - 1)) return {T(size - 1), T(0)};
  return c.at == c.at ? c : Coordinate<T>{T(0), T(0)};
}

// Reflected at the edges `low / 2` and `high / 2` until inside.
template <class T>
Coordinate<T> reflect(Coordinate<T> c, int64_t low, int64_t high) {
  if (low == high) return {T(0), T(0)};
  const T start = T(low) / T(2), span = T(high - low) / T(2);
  T x = c.at - start, sign = T(1);
  if (x < T(0)) x = -x, sign = T(-1);
  const T extra = std::fmod(x, span);
  const int64_t flips = int64_t(std::floor(x / span));
  if (flips % 2 == 0) return {extra + start, c.slope * sign};
  return {span - extra + start, -c.slope * sign};
}

template <class T>
Coordinate<T> pad(const GridParams& p, Coordinate<T> c, int64_t size) {
  if (p.padding == GridPadding::border) return clip(c, size);
  if (p.padding == GridPadding::reflection) {
    c = p.align_corners ? reflect(c, int64_t(0), 2 * (size - 1))
                        : reflect(c, int64_t(-1), 2 * size - 1);
    return clip(c, size);
  }
  return c;
}

template <class T>
Coordinate<T> coordinate(const GridParams& p, T place, int64_t size) {
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
int64_t to_index(T x) {
  return x > T(-1e15) && x < T(1e15) ? int64_t(x) : int64_t(-1000);
}

template <class T>
Taps<T> taps_of(const GridParams& p, T place, int64_t size) {
  Taps<T> t = {};
  Coordinate<T> c = coordinate(p, place, size);
  if (p.mode == GridMode::bicubic) {
    const T low = std::floor(c.at), f = c.at - low, a = T(-0.75);
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
    t.at[0] = inside(to_index(std::nearbyint(c.at)), size);
    t.w[0] = T(1);
    return t;
  }
  const T low = std::floor(c.at), f = c.at - low;
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

  Place(const GridParams& p, const T* grid) {
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

template <class T>
void forward(const GridParams& p, const T* x, const T* grid, T* y) {
  const int64_t size = p.out_size(), grain = kGrain / (16 * (p.c > 0 ? p.c : 1));
  parallel_for(p.batch * size, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t image = i / size, q = i % size;
      const Place<T> place(p, grid + i * p.nd);
      int64_t offset[64];
      T weight[64];
      int count = 0;
      place.each(p, [&](int64_t at, int a, int b, int c) {
        offset[count] = at;
        weight[count++] = place.d[0].w[a] * place.d[1].w[b] * place.d[2].w[c];
      });
      const T* from = x + image * p.c * p.in_size();
      T* to = y + image * p.c * size + q;
      for (int64_t c = 0; c < p.c; c++, from += p.in_size(), to += size) {
        T sum = T(0);
        for (int k = 0; k < count; k++) sum += weight[k] * from[offset[k]];
        *to = sum;
      }
    }
  });
}

template <class T>
void backward(const GridParams& p, const T* dy, const T* x, const T* grid, T* dx, T* dgrid) {
  const int64_t size = p.out_size();
  parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; image++) {
      T* to = dx ? dx + image * p.c * p.in_size() : nullptr;
      for (int64_t i = 0; to && i < p.c * p.in_size(); i++) to[i] = T(0);
      const T* from = x + image * p.c * p.in_size();
      for (int64_t q = 0; q < size; q++) {
        const Place<T> place(p, grid + (image * size + q) * p.nd);
        const T* g = dy + image * p.c * size + q;
        T slope[3] = {};
        place.each(p, [&](int64_t at, int a, int b, int c) {
          const T w0 = place.d[0].w[a], w1 = place.d[1].w[b], w2 = place.d[2].w[c];
          const T w = w0 * w1 * w2;
          T dot = T(0);
          for (int64_t n = 0; n < p.c; n++) {
            const T v = g[n * size];
            if (to) to[n * p.in_size() + at] += w * v;
            if (dgrid) dot += v * from[n * p.in_size() + at];
          }
          slope[0] += place.d[0].dw[a] * w1 * w2 * dot;
          slope[1] += w0 * place.d[1].dw[b] * w2 * dot;
          slope[2] += w0 * w1 * place.d[2].dw[c] * dot;
        });
        if (dgrid)
          for (int k = 0; k < p.nd; k++) dgrid[(image * size + q) * p.nd + k] = slope[2 - k];
      }
    }
  });
}

}  // namespace

void grid_sample_forward(DType dtype, const GridParams& p, const void* x, const void* grid,
                         void* y) {
  MT_SWITCH_FLOAT(dtype, forward(p, static_cast<const scalar_t*>(x),
                                 static_cast<const scalar_t*>(grid), static_cast<scalar_t*>(y)))
}

void grid_sample_backward(DType dtype, const GridParams& p, const void* dy, const void* x,
                          const void* grid, void* dx, void* dgrid) {
  MT_SWITCH_FLOAT(dtype,
                  backward(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(x),
                           static_cast<const scalar_t*>(grid), static_cast<scalar_t*>(dx),
                           static_cast<scalar_t*>(dgrid)))
}

}  // namespace mt::cpu::MT_ISA
