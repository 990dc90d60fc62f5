// Softmax along the last dim: a row at a time, which stays in the first-level cache between its
// maximum, exponentials and scaling. Along another dim: a tile of columns whose n rows stay in the
// second level. One read of x and one write of y; about 20 flops per element for the exponential.
#include "ops/softmax.h"

#include "kernels/elementwise.h"
#include "kernels/exp_down.h"
#include "kernels/lanes.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kMaxTile = 256;        // columns
constexpr int64_t kTileBytes = 1 << 18;  // of x in one tile

template <class T>
MT_INLINE T infinity() {
  return T(__builtin_inf());
}

// The n < L last elements, filled up with -inf, which adds nothing.
template <class T>
MT_INLINE lanes_t<T> load_tail(const T* x, int64_t n) {
  lanes_t<T> v = lanes_t<T>{} - infinity<T>();
  __builtin_memcpy(&v, x, size_t(n) * sizeof(T));
  return v;
}

template <class T>
MT_INLINE void store_tail(T* y, lanes_t<T> v, int64_t n) {
  T part[Lanes<T>::count];
  __builtin_memcpy(part, &v, sizeof part);
  for (int64_t j = 0; j < n; j++) y[j] = part[j];
}

template <class T>
MT_INLINE T row_max(const T* x, int64_t n) {
  constexpr int64_t L = Lanes<T>::count;
  using V = lanes_t<T>;
  const auto larger = [](V a, V b) { return a > b ? a : b; };
  V a0 = V{} - infinity<T>(), a1 = a0, a2 = a0, a3 = a0;
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    a0 = larger(load_lanes(x + i), a0);
    a1 = larger(load_lanes(x + i + L), a1);
    a2 = larger(load_lanes(x + i + 2 * L), a2);
    a3 = larger(load_lanes(x + i + 3 * L), a3);
  }
  for (; i + L <= n; i += L) a0 = larger(load_lanes(x + i), a0);
  if (i < n) a1 = larger(load_tail(x + i, n - i), a1);
  return fold_lanes<T>(larger(larger(a0, a1), larger(a2, a3)), larger);
}

// Sum of exp(x - top), which is stored in y where `keep`.
template <bool keep, class T>
MT_INLINE T row_exp(const T* x, T* y, int64_t n, T top) {
  constexpr int64_t L = Lanes<T>::count;
  using V = lanes_t<T>;
  V s0{}, s1{};
  int64_t i = 0;
  for (; i + 2 * L <= n; i += 2 * L) {
    const V e0 = exp_down(load_lanes(x + i) - top), e1 = exp_down(load_lanes(x + i + L) - top);
    if constexpr (keep) {
      store_lanes(y + i, e0);
      store_lanes(y + i + L, e1);
    }
    s0 += e0;
    s1 += e1;
  }
  if (i + L <= n) {
    const V e = exp_down(load_lanes(x + i) - top);
    if constexpr (keep) store_lanes(y + i, e);
    s0 += e;
    i += L;
  }
  if (i < n) {
    const V e = exp_down(load_tail(x + i, n - i) - top);
    if constexpr (keep) store_tail(y + i, e, n - i);
    s1 += e;
  }
  return fold_lanes<T>(s0 + s1, [](V a, V b) { return a + b; });
}

// Where every element is -inf, or one is inf, x - max is NaN and so is the result, as it should be.
template <bool log, class T>
MT_INLINE void softmax_row(const T* x, T* y, int64_t n) {
  const T top = row_max(x, n);
  const T sum = row_exp<!log>(x, y, n, top);
  if constexpr (log) {
    const T log_sum = fn::log(sum);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = x[i] - top - log_sum;
  } else {
    const T scale = T(1) / sum;
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] *= scale;
  }
}

int64_t tile_width(int64_t n, int64_t inner, int64_t size) {
  int64_t w = kTileBytes / (n * size) / 16 * 16;
  w = w < 32 ? 32 : w > kMaxTile ? kMaxTile : w;
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
      const T e = exp_down(row[j] - top[j]);
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
        softmax_row<log>(x + r * n, y + r * n, n);
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
  constexpr int64_t L = Lanes<T>::count;
  using V = lanes_t<T>;
  V a0{}, a1{};
  T dot = 0;
  const auto term = [](auto g, auto v) { return log ? g : g * v; };
  int64_t j = 0;
  for (; j + 2 * L <= n; j += 2 * L) {
    a0 += term(load_lanes(dy + j), load_lanes(y + j));
    a1 += term(load_lanes(dy + j + L), load_lanes(y + j + L));
  }
  for (; j < n; j++) dot += term(dy[j], y[j]);
  dot += fold_lanes<T>(a0 + a1, [](V u, V v) { return u + v; });
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) dx[i] = log ? dy[i] - exp_down(y[i]) * dot : y[i] * (dy[i] - dot);
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
      out[j] = log ? g[j] - exp_down(v[j]) * dot[j] : v[j] * (g[j] - dot[j]);
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
