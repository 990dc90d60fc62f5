// Running results are a chain of dependent operations, so several chains advance together: along
// the last dim kChains rows (or pieces of one long row, whose totals are formed first), along
// another dim a tile of columns. float32 accumulates in float64. One read and one write per
// element.
#include "ops/scan.h"

#include "kernels/elementwise.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kChains = 8;
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
  using type = float;
};
template <>
struct Accumulator<bfloat16> {
  using type = float;
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

template <ScanOp op, class A>
struct Combine {
  static MT_INLINE A identity() {
    if constexpr (op == ScanOp::sum) return A(0);
    if constexpr (op == ScanOp::prod) return A(1);
    return A(-__builtin_inf());
  }
  static MT_INLINE A join(A a, A x) {
    if constexpr (op == ScanOp::sum) {
      if constexpr (__is_same(A, int64_t)) return A(uint64_t(a) + uint64_t(x));
      return a + x;
    } else if constexpr (op == ScanOp::prod) {
      if constexpr (__is_same(A, int64_t)) return A(uint64_t(a) * uint64_t(x));
      return a * x;
    } else {
      const A hi = a > x ? a : x, lo = a > x ? x : a;
      if (a != a || x != x) return a + x;
      if (hi - lo != hi - lo) return hi;  // both the same infinity, or lo is -inf
      return hi + fn::log1p(fn::exp(lo - hi));
    }
  }
};

// Chains c < count run over n elements each, `step` apart, from x[c] to y[c], starting from acc[c].
template <ScanOp op, class S, class D, class A>
MT_INLINE void run_chains(const S* const* x, D* const* y, A* acc, int64_t count, int64_t n,
                          int64_t step) {
  using C = Combine<op, A>;
  if (count == kChains) {
    A a[kChains];
    for (int64_t c = 0; c < kChains; c++) a[c] = acc[c];
    for (int64_t i = 0; i < n; i++) {
      for (int64_t c = 0; c < kChains; c++) {
        a[c] = C::join(a[c], A(load<S>(x[c][i * step])));
        y[c][i * step] = store_as<D>(a[c]);
      }
    }
    return;
  }
  for (int64_t c = 0; c < count; c++) {
    A a = acc[c];
    for (int64_t i = 0; i < n; i++) {
      a = C::join(a, A(load<S>(x[c][i * step])));
      y[c][i * step] = store_as<D>(a);
    }
  }
}

template <ScanOp op, class S, class D, class A>
void scan_rows(bool reverse, const S* x, D* y, int64_t outer, int64_t n) {
  using C = Combine<op, A>;
  const int64_t step = reverse ? -1 : 1, first = reverse ? n - 1 : 0;
  const bool pieces = outer < kChains && n >= 2 * kPiece;
  if (!pieces) {
    const int64_t groups = ceil_div(outer, kChains);
    parallel_for(groups, ceil_div(kGrain, n * kChains), [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; g++) {
        const int64_t row = g * kChains, count = outer - row < kChains ? outer - row : kChains;
        const S* from[kChains];
        D* to[kChains];
        A acc[kChains];
        for (int64_t c = 0; c < count; c++) {
          from[c] = x + (row + c) * n + first;
          to[c] = y + (row + c) * n + first;
          acc[c] = C::identity();
        }
        run_chains<op>(from, to, acc, count, n, step);
      }
    });
    return;
  }
  int64_t length = ceil_div(n, kPieces);
  if (length < kPiece) length = kPiece;
  const int64_t count = ceil_div(n, length), groups = ceil_div(count, kChains);
  for (int64_t row = 0; row < outer; row++) {
    const S* xr = x + row * n + first;
    D* yr = y + row * n + first;
    A start[kPieces + 1];
    start[0] = C::identity();
    parallel_for(count - 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        A lanes[kChains];
        for (int64_t c = 0; c < kChains; c++) lanes[c] = C::identity();
        const S* from = xr + p * length * step;
        int64_t i = 0;
        for (; i + kChains <= length; i += kChains)
          for (int64_t c = 0; c < kChains; c++)
            lanes[c] = C::join(lanes[c], A(load<S>(from[(i + c) * step])));
        for (; i < length; i++) lanes[0] = C::join(lanes[0], A(load<S>(from[i * step])));
        for (int64_t c = 1; c < kChains; c++) lanes[0] = C::join(lanes[0], lanes[c]);
        start[p + 1] = lanes[0];
      }
    });
    for (int64_t p = 1; p < count; p++) start[p] = C::join(start[p - 1], start[p]);
    parallel_for(groups, 1, [&](int64_t begin, int64_t end) {
      for (int64_t g = begin; g < end; g++) {
        const int64_t p = g * kChains, chains = count - p < kChains ? count - p : kChains;
        const bool ragged = p + chains == count;  // the last piece may be shorter
        const S* from[kChains];
        D* to[kChains];
        for (int64_t c = 0; c < chains; c++) {
          from[c] = xr + (p + c) * length * step;
          to[c] = yr + (p + c) * length * step;
        }
        const int64_t full = ragged ? chains - 1 : chains;
        run_chains<op>(from, to, start + p, full, length, step);
        if (ragged)
          run_chains<op>(from + full, to + full, start + p + full, 1, n - (count - 1) * length,
                         step);
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
  if (inner == 1) scan_rows<op, S, D, A>(reverse, from, to, outer, n);
  else scan_columns<op, S, D, A>(reverse, from, to, outer, n, inner);
}

template <bool largest, class S>
void extremum_typed(const void* x, void* values, int64_t* indices, int64_t outer, int64_t n,
                    int64_t inner) {
  using T = compute_t<S>;
  const S* from = static_cast<const S*>(x);
  S* to = static_cast<S*>(values);
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
