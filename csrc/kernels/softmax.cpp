// Softmax along the last dim: a row at a time, which stays in the first-level cache between its
// maximum, exponentials and scaling. Along another dim: a tile of columns whose n rows stay in the
// second level. One read of x and one write of y; about 20 flops per element for the exponential.
#include "ops/softmax.h"

#include "kernels/elementwise.h"
#include "kernels/lanes.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kShort = 256;          // rows up to this length go through a padded buffer
constexpr int64_t kPad = 16;             // a multiple of every vector's length
constexpr int64_t kMaxTile = 256;        // columns
constexpr int64_t kTileBytes = 1 << 18;  // of x in one tile

template <class T>
MT_INLINE T infinity() {
  return T(__builtin_inf());
}

template <class T>
MT_INLINE T row_max(const T* x, int64_t n) {
  constexpr int64_t L = Lanes<T>::count;
  using V = lanes_t<T>;
  const auto larger = [](auto a, auto b) { return a > b ? a : b; };
  T best = -infinity<T>();
  int64_t i = 0;
  if (n >= L) {
    V a0 = V{} + best, a1 = a0, a2 = a0, a3 = a0;
    for (; i + 4 * L <= n; i += 4 * L) {
      a0 = larger(load_lanes(x + i), a0);
      a1 = larger(load_lanes(x + i + L), a1);
      a2 = larger(load_lanes(x + i + 2 * L), a2);
      a3 = larger(load_lanes(x + i + 3 * L), a3);
    }
    for (; i + L <= n; i += L) a0 = larger(load_lanes(x + i), a0);
    best = fold_lanes<T>(larger(larger(a0, a1), larger(a2, a3)), larger);
  }
  for (; i < n; i++) best = larger(x[i], best);
  return best;
}

// The sum of f(i) over vectors and numbers: f(i, V) and f(i, T) load at i.
template <class T, class F>
MT_INLINE T row_sum(int64_t n, const F& f) {
  constexpr int64_t L = Lanes<T>::count;
  using V = lanes_t<T>;
  T total = 0;
  int64_t i = 0;
  if (n >= L) {
    V a0{}, a1{}, a2{}, a3{};
    for (; i + 4 * L <= n; i += 4 * L) {
      a0 += f(i, V{});
      a1 += f(i + L, V{});
      a2 += f(i + 2 * L, V{});
      a3 += f(i + 3 * L, V{});
    }
    for (; i + L <= n; i += L) a0 += f(i, V{});
    total = fold_lanes<T>((a0 + a1) + (a2 + a3), [](T a, T b) { return a + b; });
  }
  for (; i < n; i++) total += f(i, T(0));
  return total;
}

template <class T>
MT_INLINE T load_like(const T* p, T) {
  return *p;
}
template <class T>
MT_INLINE lanes_t<T> load_like(const T* p, lanes_t<T>) {
  return load_lanes(p);
}

template <class T>
MT_INLINE T sum_of(const T* p, int64_t n) {
  return row_sum<T>(n, [p](int64_t i, auto kind) { return load_like<T>(p + i, kind); });
}

// Where every element is -inf, or one is inf, x - max is NaN and so is the result, as it should be.
template <bool log, class T>
MT_INLINE void softmax_row(const T* x, T* y, int64_t n) {
  const T top = row_max(x, n);
  if constexpr (log) {
    T sum = 0, block[1024];
    for (int64_t i = 0; i < n; i += 1024) {
      const int64_t m = n - i < 1024 ? n - i : 1024;
#pragma GCC ivdep
      for (int64_t j = 0; j < m; j++) block[j] = fn::exp(x[i + j] - top);
      sum += sum_of(block, m);
    }
    const T log_sum = fn::log(sum);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - top - log_sum;
  } else {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = fn::exp(x[i] - top);
    const T scale = T(1) / sum_of(y, n);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] *= scale;
  }
}

// Vectors only: the row is padded with -inf, which adds nothing.
template <bool log, class T>
MT_INLINE void softmax_short_row(const T* x, T* y, int64_t n) {
  T a[kShort], e[kShort];
  const int64_t full = (n + kPad - 1) / kPad * kPad;
  for (int64_t i = full - kPad; i < full; i++) a[i] = -infinity<T>();
  __builtin_memcpy(a, x, size_t(n) * sizeof(T));
  T top = row_max(a, full);
  for (int64_t i = 0; i < full; i += kPad)
#pragma GCC ivdep
    for (int64_t j = i; j < i + kPad; j++) e[j] = fn::exp(a[j] - top);
  const T sum = sum_of(e, full);
  const T scale = T(1) / sum, log_sum = log ? fn::log(sum) : T(0);
  for (int64_t i = 0; i < full; i += kPad)
#pragma GCC ivdep
    for (int64_t j = i; j < i + kPad; j++) e[j] = log ? a[j] - top - log_sum : e[j] * scale;
  __builtin_memcpy(y, e, size_t(n) * sizeof(T));
}

int64_t tile_width(int64_t n, int64_t inner, int64_t size) {
  int64_t w = kTileBytes / (n * size) / kPad * kPad;
  w = w < 2 * kPad ? 2 * kPad : w > kMaxTile ? kMaxTile : w;
  return w < inner ? w : inner;
}

template <bool log, class T>
MT_INLINE void softmax_tile(const T* x, T* y, int64_t n, int64_t inner, int64_t w) {
  T top[kMaxTile], sum[kMaxTile];
  for (int64_t j = 0; j < w; j++) top[j] = -infinity<T>();
  for (int64_t j = 0; j < w; j++) sum[j] = 0;
  for (int64_t i = 0; i < n; i++) {
    const T* row = x + i * inner;
#pragma GCC ivdep
    for (int64_t j = 0; j < w; j++) top[j] = row[j] > top[j] ? row[j] : top[j];
  }
  for (int64_t i = 0; i < n; i++) {
    const T* row = x + i * inner;
    T* out = y + i * inner;
#pragma GCC ivdep
    for (int64_t j = 0; j < w; j++) {
      const T e = fn::exp(row[j] - top[j]);
      if constexpr (!log) out[j] = e;
      sum[j] += e;
    }
  }
  for (int64_t j = 0; j < w; j++) sum[j] = log ? fn::log(sum[j]) : T(1) / sum[j];
  for (int64_t i = 0; i < n; i++) {
    const T* row = x + i * inner;
    T* out = y + i * inner;
#pragma GCC ivdep
    for (int64_t j = 0; j < w; j++) out[j] = log ? row[j] - top[j] - sum[j] : out[j] * sum[j];
  }
}

template <bool log, class T>
void forward(const T* x, T* y, int64_t outer, int64_t n, int64_t inner) {
  if (inner == 1) {
    parallel_for(outer, ceil_div(kGrain / 4, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        if (n <= kShort) softmax_short_row<log>(x + r * n, y + r * n, n);
        else softmax_row<log>(x + r * n, y + r * n, n);
      }
    });
    return;
  }
  const int64_t tile = tile_width(n, inner, sizeof(T)), tiles = ceil_div(inner, tile);
  parallel_for(outer * tiles, ceil_div(kGrain / 4, n * tile), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int64_t c = t % tiles * tile, at = t / tiles * n * inner + c;
      softmax_tile<log>(x + at, y + at, n, inner, inner - c < tile ? inner - c : tile);
    }
  });
}

template <bool log, class T>
MT_INLINE void backward_row(const T* dy, const T* y, T* dx, int64_t n) {
  const T dot = row_sum<T>(n, [=](int64_t i, auto kind) {
    if constexpr (log) return load_like<T>(dy + i, kind);
    return load_like<T>(dy + i, kind) * load_like<T>(y + i, kind);
  });
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = log ? dy[i] - fn::exp(y[i]) * dot : y[i] * (dy[i] - dot);
}

template <bool log, class T>
MT_INLINE void backward_tile(const T* dy, const T* y, T* dx, int64_t n, int64_t inner, int64_t w) {
  T dot[kMaxTile];
  for (int64_t j = 0; j < w; j++) dot[j] = 0;
  for (int64_t i = 0; i < n; i++) {
    const T *g = dy + i * inner, *v = y + i * inner;
#pragma GCC ivdep
    for (int64_t j = 0; j < w; j++) dot[j] += log ? g[j] : g[j] * v[j];
  }
  for (int64_t i = 0; i < n; i++) {
    const T *g = dy + i * inner, *v = y + i * inner;
    T* out = dx + i * inner;
#pragma GCC ivdep
    for (int64_t j = 0; j < w; j++)
      out[j] = log ? g[j] - fn::exp(v[j]) * dot[j] : v[j] * (g[j] - dot[j]);
  }
}

template <bool log, class T>
void backward(const T* dy, const T* y, T* dx, int64_t outer, int64_t n, int64_t inner) {
  if (inner == 1) {
    parallel_for(outer, ceil_div(kGrain / 2, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) backward_row<log>(dy + r * n, y + r * n, dx + r * n, n);
    });
    return;
  }
  const int64_t tile = tile_width(n, inner, sizeof(T)), tiles = ceil_div(inner, tile);
  parallel_for(outer * tiles, ceil_div(kGrain / 2, n * tile), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int64_t c = t % tiles * tile, at = t / tiles * n * inner + c;
      backward_tile<log>(dy + at, y + at, dx + at, n, inner, inner - c < tile ? inner - c : tile);
    }
  });
}

}  // namespace

void softmax_forward(bool log, DType dtype, const void* x, void* y, int64_t outer, int64_t n,
                     int64_t inner) {
  MT_SWITCH_FLOAT(dtype, {
    const auto* xp = static_cast<const scalar_t*>(x);
    auto* yp = static_cast<scalar_t*>(y);
    return log ? forward<true>(xp, yp, outer, n, inner) : forward<false>(xp, yp, outer, n, inner);
  })
}

void softmax_backward(bool log, DType dtype, const void* dy, const void* y, void* dx, int64_t outer,
                      int64_t n, int64_t inner) {
  MT_SWITCH_FLOAT(dtype, {
    const auto* g = static_cast<const scalar_t*>(dy);
    const auto* v = static_cast<const scalar_t*>(y);
    auto* out = static_cast<scalar_t*>(dx);
    return log ? backward<true>(g, v, out, outer, n, inner)
               : backward<false>(g, v, out, outer, n, inner);
  })
}

}  // namespace mt::cpu::MT_ISA
