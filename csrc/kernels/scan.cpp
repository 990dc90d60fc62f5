// A vector's running result takes log2(lanes) shifted steps, after which only one operation per
// vector depends on the vector before. One long row is cut into pieces whose totals are formed
// first. Along another dim than the last a tile of columns advances row by row. Floats accumulate
// in float64. One read and one write per element.
#include "ops/scan.h"

#include "kernels/elementwise.h"
#include "kernels/lanes.h"
#include "kernels/scan_math.h"

namespace mt::cpu::MT_ISA {
namespace {

using fn::Combine;

constexpr int64_t kPieces = 64;      // of one long row, at most
constexpr int64_t kPiece = 1 << 14;  // elements, at least
constexpr int64_t kTile = 256;

template <class S>
struct Accumulator {
  using type = int64_t;
};
template <>
struct Accumulator<float> {
  using type = double;
};
template <>
struct Accumulator<double> {
  using type = double;
};
template <>
struct Accumulator<float16> {
  using type = double;
};
template <>
struct Accumulator<bfloat16> {
  using type = double;
};
template <class S>
struct Result {
  using type = int64_t;
};
template <>
struct Result<float> {
  using type = float;
};
template <>
struct Result<double> {
  using type = double;
};
template <>
struct Result<float16> {
  using type = float16;
};
template <>
struct Result<bfloat16> {
  using type = bfloat16;
};

template <class S, class A>
MT_INLINE lanes_t<A> load_wide(const S* p) {
  lanes_t<A> v{};
  for (int j = 0; j < Lanes<A>::count; j++) v[j] = A(load<S>(p[j]));
  return v;
}
template <>
MT_INLINE lanes_t<double> load_wide<float, double>(const float* p) {
  typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
  Half h;
  __builtin_memcpy(&h, p, sizeof h);
  return __builtin_convertvector(h, lanes_t<double>);
}
template <>
MT_INLINE lanes_t<double> load_wide<double, double>(const double* p) {
  return load_lanes(p);
}
template <>
MT_INLINE lanes_t<int64_t> load_wide<int64_t, int64_t>(const int64_t* p) {
  return load_lanes(p);
}

template <class D, class A>
MT_INLINE void store_narrow(D* p, lanes_t<A> v) {
  if constexpr (__is_same(D, A)) {
    store_lanes(p, v);
  } else if constexpr (__is_same(D, float)) {
    typedef float Half __attribute__((vector_size(kVectorBytes / 2)));
    const Half h = __builtin_convertvector(v, Half);
    __builtin_memcpy(p, &h, sizeof h);
  } else {
    for (int j = 0; j < Lanes<A>::count; j++) p[j] = store_as<D>(v[j]);
  }
}

// Lane j joined with the lanes before it (after it where `reverse`).
template <ScanOp op, bool reverse, class A>
MT_INLINE lanes_t<A> scan_lanes(lanes_t<A> v) {
  using V = lanes_t<A>;
  constexpr int L = Lanes<A>::count;
  const V identity = V{} + (op == ScanOp::sum ? A(0) : A(1));
#pragma GCC unroll 4
  for (int w = 1; w < L; w *= 2) {
    int_lanes_t<A> from{};
#pragma GCC unroll 8
    for (int j = 0; j < L; j++) {
      const int k = reverse ? j + w : j - w;
      from[j] = k >= 0 && k < L ? k : L + j;
    }
    const V shifted = __builtin_shuffle(v, identity, from);
    if constexpr (op == ScanOp::sum) v = v + shifted;
    else v = v * shifted;
  }
  return v;
}

// n elements from x, or the n elements before x + n in the other direction; `a` is what came
// before. R rows, n apart, at the same time, so that their chains of dependent sums overlap.
template <ScanOp op, bool reverse, int R, class S, class D, class A>
MT_INLINE void scan_run(const S* x, D* y, int64_t n, A a) {
  using C = Combine<op, A>;
  constexpr int64_t L = Lanes<A>::count;
  A last[R];
  for (int r = 0; r < R; r++) last[r] = a;
  int64_t i = 0;
  if constexpr (op != ScanOp::logsumexp && L > 1) {
    using V = lanes_t<A>;
    const int_lanes_t<A> end = int_lanes_t<A>{} + (reverse ? 0 : L - 1);
    V before[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; r++) before[r] = V{} + a;
    for (; i + L <= n; i += L) {
      const int64_t at = reverse ? n - i - L : i;
#pragma GCC unroll 4
      for (int r = 0; r < R; r++) {
        const V v = scan_lanes<op, reverse, A>(load_wide<S, A>(x + r * n + at));
        const V total = __builtin_shuffle(v, end);
        if constexpr (op == ScanOp::sum) {
          store_narrow<D, A>(y + r * n + at, before[r] + v);
          before[r] = before[r] + total;
        } else {
          store_narrow<D, A>(y + r * n + at, before[r] * v);
          before[r] = before[r] * total;
        }
      }
    }
    for (int r = 0; r < R; r++) last[r] = before[r][0];
  }
  for (int r = 0; r < R; r++)
    for (int64_t j = i; j < n; j++) {
      const int64_t at = r * n + (reverse ? n - 1 - j : j);
      last[r] = C::join(last[r], A(load<S>(x[at])));
      y[at] = store_as<D>(last[r]);
    }
}

template <ScanOp op, bool reverse, class S, class D, class A>
void scan_rows(const S* x, D* y, int64_t outer, int64_t n) {
  using C = Combine<op, A>;
  if (outer >= 8 || n < 2 * kPiece) {
    parallel_for(outer, ceil_div(ceil_div(kGrain, n), 4) * 4, [&](int64_t begin, int64_t end) {
      int64_t r = begin;
      for (; r + 4 <= end; r += 4) scan_run<op, reverse, 4>(x + r * n, y + r * n, n, C::identity());
      for (; r < end; r++) scan_run<op, reverse, 1>(x + r * n, y + r * n, n, C::identity());
    });
    return;
  }
  int64_t length = ceil_div(n, kPieces);
  if (length < kPiece) length = kPiece;
  const int64_t count = ceil_div(n, length);
  // Piece p in the direction of the scan; the last one may be shorter.
  auto place = [&](int64_t p, int64_t* size) {
    const int64_t begin = p * length, end = begin + length < n ? begin + length : n;
    *size = end - begin;
    return reverse ? n - end : begin;
  };
  for (int64_t row = 0; row < outer; row++) {
    A start[kPieces + 1];
    start[0] = C::identity();
    parallel_for(count - 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        int64_t size;
        const S* from = x + row * n + place(p, &size);
        A lanes[16];
        for (int64_t c = 0; c < 16; c++) lanes[c] = C::identity();
        int64_t i = 0;
        for (; i + 16 <= size; i += 16)
          for (int64_t c = 0; c < 16; c++) lanes[c] = C::join(lanes[c], A(load<S>(from[i + c])));
        for (; i < size; i++) lanes[0] = C::join(lanes[0], A(load<S>(from[i])));
        for (int64_t c = 1; c < 16; c++) lanes[0] = C::join(lanes[0], lanes[c]);
        start[p + 1] = lanes[0];
      }
    });
    for (int64_t p = 1; p < count; p++) start[p] = C::join(start[p - 1], start[p]);
    parallel_for(count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        int64_t size;
        const int64_t at = row * n + place(p, &size);
        scan_run<op, reverse, 1>(x + at, y + at, size, start[p]);
      }
    });
  }
}

template <ScanOp op, class S, class D, class A>
void scan_columns(bool reverse, const S* x, D* y, int64_t outer, int64_t n, int64_t inner) {
  using C = Combine<op, A>;
  const int64_t width = inner < kTile ? inner : kTile, tiles = ceil_div(inner, width);
  parallel_for(outer * tiles, ceil_div(kGrain, n * width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int64_t c = t % tiles * width, w = inner - c < width ? inner - c : width;
      A acc[kTile];
      for (int64_t j = 0; j < w; j++) acc[j] = C::identity();
      for (int64_t i = 0; i < n; i++) {
        const int64_t at = (t / tiles * n + (reverse ? n - 1 - i : i)) * inner + c;
        const S* row = x + at;
        D* out = y + at;
#pragma GCC ivdep
        for (int64_t j = 0; j < w; j++) {
          acc[j] = C::join(acc[j], A(load<S>(row[j])));
          out[j] = store_as<D>(acc[j]);
        }
      }
    }
  });
}

template <ScanOp op, class S>
void scan_typed(bool reverse, const void* x, void* y, int64_t outer, int64_t n, int64_t inner) {
  using D = typename Result<S>::type;
  using A = typename Accumulator<S>::type;
  const S* from = static_cast<const S*>(x);
  D* to = static_cast<D*>(y);
  if (inner == 1 && reverse) scan_rows<op, true, S, D, A>(from, to, outer, n);
  else if (inner == 1) scan_rows<op, false, S, D, A>(from, to, outer, n);
  else scan_columns<op, S, D, A>(reverse, from, to, outer, n, inner);
}

template <bool largest, class S>
void extremum_typed(const void* x, void* values, int64_t* indices, int64_t outer, int64_t n,
                    int64_t inner) {
  using T = compute_t<S>;
  const S* from = static_cast<const S*>(x);
  S* to = static_cast<S*>(values);
  if (inner == 1) {
    parallel_for(outer, ceil_div(kGrain, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        T best = load<S>(from[r * n]);
        int64_t place = 0;
        for (int64_t i = 0; i < n; i++) {
          const T v = load<S>(from[r * n + i]);
          if (v != v || (largest ? v >= best : v <= best)) {
            best = v;
            place = i;
          }
          to[r * n + i] = store_as<S>(best);
          indices[r * n + i] = place;
        }
      }
    });
    return;
  }
  const int64_t width = inner < kTile ? inner : kTile, tiles = ceil_div(inner, width);
  parallel_for(outer * tiles, ceil_div(kGrain, n * width), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int64_t c = t % tiles * width, w = inner - c < width ? inner - c : width;
      T best[kTile];
      int64_t place[kTile];
      for (int64_t j = 0; j < w; j++) best[j] = load<S>(from[t / tiles * n * inner + c + j]);
      for (int64_t j = 0; j < w; j++) place[j] = 0;
      for (int64_t i = 0; i < n; i++) {
        const int64_t at = (t / tiles * n + i) * inner + c;
#pragma GCC ivdep
        for (int64_t j = 0; j < w; j++) {
          const T v = load<S>(from[at + j]), b = best[j];
          const bool take = v != v || (largest ? v >= b : v <= b);
          best[j] = take ? v : b;
          place[j] = take ? i : place[j];
          to[at + j] = store_as<S>(best[j]);
          indices[at + j] = place[j];
        }
      }
    }
  });
}

}  // namespace

void scan(ScanOp op, bool reverse, DType dtype, const void* x, void* y, int64_t outer, int64_t n,
          int64_t inner) {
#define MT_RUN_(name) \
  if (op == ScanOp::name) return scan_typed<ScanOp::name, scalar_t>(reverse, x, y, outer, n, inner);
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_(sum) MT_RUN_(prod) MT_RUN_(logsumexp))
  if (dtype == DType::Int64) {
    using scalar_t = int64_t;
    MT_RUN_(sum)
    MT_RUN_(prod)
  }
#undef MT_RUN_
}

void scan_extremum(bool largest, DType dtype, const void* x, void* values, int64_t* indices,
                   int64_t outer, int64_t n, int64_t inner) {
#define MT_RUN_                                                                            \
  if (largest) return extremum_typed<true, scalar_t>(x, values, indices, outer, n, inner); \
  return extremum_typed<false, scalar_t>(x, values, indices, outer, n, inner);
  MT_SWITCH_INT(dtype, MT_RUN_)
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_)
#undef MT_RUN_
}

}  // namespace mt::cpu::MT_ISA
