// max and min over any dims; argmax and argmin along one. A row's extremum is found in four
// vectors, its place by a second look at the block of the row, still in the cache, that improved on
// the best so far. One read of x.
#include "ops/extremum.h"

#include "kernels/lanes.h"
#include "kernels/reduce.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
constexpr T lowest() {
  if constexpr (__is_same(T, float)) return -__builtin_inff();
  if constexpr (__is_same(T, double)) return -__builtin_inf();
  if constexpr (T(-1) > T(0)) return T(0);
  return T(1ull << (sizeof(T) * 8 - 1));
}
template <class T>
constexpr T highest() {
  if constexpr (__is_same(T, float)) return __builtin_inff();
  if constexpr (__is_same(T, double)) return __builtin_inf();
  return T(~uint64_t(lowest<T>()));
}

// The better of the two; x where it is NaN. Numbers or vectors. Two plain selections, since GCC
// does not vectorise a selection by a joined condition.
template <bool largest, class X>
MT_INLINE X better(X best, X x) {
  X r = best;
  if constexpr (largest) r = x > best ? x : best;
  else r = x < best ? x : best;
  return x != x ? x : r;
}

template <bool largest, class T>
constexpr T worst() {
  return largest ? lowest<T>() : highest<T>();
}

template <bool largest, class T>
MT_INLINE T best_of(const T* p, int64_t n, T start) {
  if constexpr (__is_same(T, float) || __is_same(T, double)) {
    constexpr int64_t L = Lanes<T>::count;
    using V = lanes_t<T>;
    int64_t i = 0;
    T best = start;
    if (n >= L) {
      V a0 = V{} + start, a1 = a0, a2 = a0, a3 = a0;
      for (; i + 4 * L <= n; i += 4 * L) {
        a0 = better<largest>(a0, load_lanes(p + i));
        a1 = better<largest>(a1, load_lanes(p + i + L));
        a2 = better<largest>(a2, load_lanes(p + i + 2 * L));
        a3 = better<largest>(a3, load_lanes(p + i + 3 * L));
      }
      for (; i + L <= n; i += L) a0 = better<largest>(a0, load_lanes(p + i));
      if (i < n) a1 = better<largest>(a1, load_lanes(p + n - L));  // some elements once more
      i = n;
      a0 = better<largest>(better<largest>(a0, a1), better<largest>(a2, a3));
      best = fold_lanes<T>(a0, [](V a, V b) { return better<largest>(a, b); });
    }
    for (; i < n; i++) best = better<largest>(best, p[i]);
    return best;
  } else {
    T best = start;
    for (int64_t i = 0; i < n; i++)
      best = largest ? (p[i] > best ? p[i] : best) : (p[i] < best ? p[i] : best);
    return best;
  }
}

template <bool largest, class Stored>
struct Extremum {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = T;
  using Total = T;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  Total start() const { return worst<largest, T>(); }
  Lane lane() const { return worst<largest, T>(); }
  MT_INLINE Lane map(S x, Param) const { return load<S>(x); }
  MT_INLINE Lane join(Lane a, Lane b) const { return better<largest>(a, b); }
  MT_INLINE Total add(Total a, Lane b) const { return join(a, b); }
  Total combine(Total a, Total b) const { return join(a, b); }
  MT_INLINE void row(Total& total, const S* p, int64_t n, Param) const {
    if constexpr (__is_same(S, T)) {
      total = best_of<largest>(p, n, total);
    } else {
      for (int64_t i = 0; i < n; i += 1024) {
        const int64_t m = n - i < 1024 ? n - i : 1024;
        T block[1024];
#pragma GCC ivdep
        for (int64_t j = 0; j < m; j++) block[j] = load<S>(p[i + j]);
        total = best_of<largest>(block, m, total);
      }
    }
  }
  void store(char* y, Total t) const { *reinterpret_cast<S*>(y) = store_as<S>(t); }
};

template <class T>
struct Found {
  T value;
  int64_t index;
};

// Whether x comes before the best found so far.
template <bool largest, class T>
MT_INLINE bool improves(T x, T best) {
  if (best != best) return false;
  return x != x || (largest ? x > best : x < best);
}

// The place of the first of n elements that is `best`, or NaN as it is; one of them is.
template <class T>
MT_INLINE int64_t first_equal(const T* p, int64_t n, T best) {
  if constexpr (__is_same(T, float) || __is_same(T, double)) {
    constexpr int64_t L = Lanes<T>::count;
    if (n >= L) {
      using I = typename Int<sizeof(T)>::type;
      lanes_t<I> lane, first = lanes_t<I>{} + I(n);
      for (int j = 0; j < L; j++) lane[j] = j;
      const bool nan = best != best;
      auto look = [&](int64_t at) {
        const lanes_t<T> v = load_lanes(p + at);
        const lanes_t<I> here = lane + I(at), hit = nan ? v != v : v == best;
        first = (hit != 0) & (here < first) ? here : first;
      };
      int64_t j = 0;
      for (; j + L <= n; j += L) look(j);
      if (j < n) look(n - L);
      using V = lanes_t<I>;
      return fold_lanes<I>(first, [](V a, V b) { return a < b ? a : b; });
    }
  }
  int64_t j = 0;
  while (!(p[j] == best || (p[j] != p[j] && best != best))) j++;
  return j;
}

template <bool largest, class S>
MT_NOINLINE Found<compute_t<S>> find_in_row(const S* p, int64_t begin, int64_t end) {
  using T = compute_t<S>;
  constexpr int64_t B = 2048;
  Found<T> found{load<S>(p[begin]), begin};
  for (int64_t i = begin; i < end; i += B) {
    const int64_t m = end - i < B ? end - i : B;
    T converted[__is_same(S, T) ? 1 : B];
    const T* block;
    if constexpr (__is_same(S, T)) {
      block = p + i;
    } else {
#pragma GCC ivdep
      for (int64_t j = 0; j < m; j++) converted[j] = load<S>(p[i + j]);
      block = converted;
    }
    const T best = best_of<largest>(block, m, worst<largest, T>());
    if (!improves<largest>(best, found.value)) continue;
    // 64 at a time without leaving early, which vectorises; then the place among them.
    int64_t j = 0;
    for (; j + 64 <= m; j += 64) {
      int hit = 0;
      for (int64_t k = 0; k < 64; k++)
        hit |= (block[j + k] == best) | ((block[j + k] != block[j + k]) & (best != best));
      if (hit) break;
    }
    j += first_equal(block + j, m - j < 64 ? m - j : 64, best);
    found = {best, i + j};
  }
  return found;
}

template <bool largest, class S>
MT_INLINE void arg_rows(const S* x, S* values, int64_t* indices, int64_t outer, int64_t n) {
  using T = compute_t<S>;
  auto store = [&](int64_t r, const Found<T>& found) {
    if (values) values[r] = store_as<S>(found.value);
    indices[r] = found.index;
  };
  if (outer >= 8 || n < 2 * kSplitChunk) {
    parallel_for(outer, ceil_div(kGrain, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) store(r, find_in_row<largest>(x + r * n, 0, n));
    });
    return;
  }
  int64_t chunk = ceil_div(n, kMaxSplits);
  chunk = chunk < kSplitChunk ? kSplitChunk : chunk;
  const int64_t splits = ceil_div(n, chunk);
  for (int64_t r = 0; r < outer; r++) {
    Found<T> found[kMaxSplits] = {};
    parallel_for(splits, 1, [&](int64_t s0, int64_t s1) {
      for (int64_t s = s0; s < s1; s++)
        found[s] =
            find_in_row<largest>(x + r * n, s * chunk, s + 1 == splits ? n : (s + 1) * chunk);
    });
    for (int64_t s = 1; s < splits; s++)
      if (improves<largest>(found[s].value, found[0].value)) found[0] = found[s];
    store(r, found[0]);
  }
}

// A tile of columns keeps its best values and their rows; n < 2^31.
template <bool largest, class S>
MT_INLINE void arg_columns(const S* x, S* values, int64_t* indices, int64_t outer, int64_t n,
                           int64_t inner) {
  using T = compute_t<S>;
  constexpr int64_t W = 256;
  const int64_t tiles = ceil_div(inner, W);
  parallel_for(
      outer * tiles, ceil_div(kGrain, n * (inner < W ? inner : W)), [&](int64_t t0, int64_t t1) {
        for (int64_t t = t0; t < t1; t++) {
          const int64_t o = t / tiles, c = t % tiles * W, w = inner - c < W ? inner - c : W;
          const S* p = x + o * n * inner + c;
          T best[W];
          int32_t place[W];
          for (int64_t j = 0; j < w; j++) best[j] = load<S>(p[j]);
          for (int64_t j = 0; j < w; j++) place[j] = 0;
          for (int64_t i = 1; i < n; i++) {
            const S* row = p + i * inner;
#pragma GCC ivdep
            for (int64_t j = 0; j < w; j++) {
              const T v = load<S>(row[j]), b = best[j];
              const int32_t before = place[j], here = int32_t(i);
              int32_t improved = before, first_nan = b == b ? here : before;
              T value = b;
              if constexpr (largest) {
                value = v > b ? v : b;
                improved = v > b ? here : before;
              } else {
                value = v < b ? v : b;
                improved = v < b ? here : before;
              }
              best[j] = v != v ? v : value;
              place[j] = v != v ? first_nan : improved;
            }
          }
          for (int64_t j = 0; j < w; j++) indices[o * inner + c + j] = place[j];
          if (values)
            for (int64_t j = 0; j < w; j++) values[o * inner + c + j] = store_as<S>(best[j]);
        }
      });
}

template <bool largest, class S>
void arg_typed(const void* x, void* values, int64_t* indices, int64_t outer, int64_t n,
               int64_t inner) {
  if (inner == 1)
    arg_rows<largest>(static_cast<const S*>(x), static_cast<S*>(values), indices, outer, n);
  else
    arg_columns<largest>(static_cast<const S*>(x), static_cast<S*>(values), indices, outer, n,
                         inner);
}

}  // namespace

void extremum(bool largest, DType dtype, const ElementIter& kept, const ElementIter& reduced) {
  MT_SWITCH_INT(dtype, {
    if (largest) return reduce(Extremum<true, scalar_t>{}, kept, reduced);
    return reduce(Extremum<false, scalar_t>{}, kept, reduced);
  })
  MT_SWITCH_FLOAT_HALF(dtype, {
    if (largest) return reduce(Extremum<true, scalar_t>{}, kept, reduced);
    return reduce(Extremum<false, scalar_t>{}, kept, reduced);
  })
}

void arg_extremum(bool largest, DType dtype, const void* x, void* values, int64_t* indices,
                  int64_t outer, int64_t n, int64_t inner) {
#define MT_RUN_                                                                       \
  if (largest) return arg_typed<true, scalar_t>(x, values, indices, outer, n, inner); \
  return arg_typed<false, scalar_t>(x, values, indices, outer, n, inner);
  MT_SWITCH_INT(dtype, MT_RUN_)
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_)
#undef MT_RUN_
}

}  // namespace mt::cpu::MT_ISA
