// The order of slices by merges of ever longer runs, then one walk over it.
#include "ops/unique.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class S>
struct Slices {
  const S* x;
  int64_t m;
  bool equal(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < m; j++)
      if (load<S>(x[a * m + j]) != load<S>(x[b * m + j])) return false;
    return true;
  }
  // NaN is larger than everything.
  bool less(int64_t a, int64_t b) const {
    for (int64_t j = 0; j < m; j++) {
      const auto u = load<S>(x[a * m + j]), v = load<S>(x[b * m + j]);
      if (u != v) return u < v || (v != v && u == u);
    }
    return false;
  }
};

template <class S>
void merge_sort(const Slices<S>& s, int64_t n, int64_t* order, int64_t* work) {
  int64_t *from = order, *to = work;
  for (int64_t i = 0; i < n; i++) from[i] = i;
  for (int64_t width = 1; width < n; width *= 2) {
    parallel_for(ceil_div(n, 2 * width), ceil_div(kGrain, 8 * width), [&](int64_t p0, int64_t p1) {
      for (int64_t p = p0; p < p1; p++) {
        const int64_t start = 2 * width * p;
        const int64_t middle = start + width < n ? start + width : n;
        const int64_t end = start + 2 * width < n ? start + 2 * width : n;
        int64_t a = start, b = middle;
        for (int64_t i = start; i < end; i++) {
          const bool right = a == middle || (b < end && s.less(from[b], from[a]));
          to[i] = right ? from[b++] : from[a++];
        }
      }
    });
    int64_t* other = from;
    from = to;
    to = other;
  }
  if (from != order) __builtin_memcpy(order, from, size_t(n) * sizeof(int64_t));
}

}  // namespace

void unique_order(DType dtype, const void* x, int64_t n, int64_t m, int64_t* order, int64_t* work) {
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    merge_sort(Slices<S>{static_cast<const S*>(x), m}, n, order, work);
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

void unique_groups(DType dtype, const void* x, const int64_t* order, int64_t n, int64_t m,
                   int64_t* group) {
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    const Slices<S> s{static_cast<const S*>(x), m};
    int64_t groups = 0;
    for (int64_t i = 0; i < n; i++) {
      if (i > 0 && !s.equal(order ? order[i - 1] : i - 1, order ? order[i] : i)) groups++;
      group[i] = groups;
    }
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

void unique_fill(const int64_t* order, const int64_t* group, int64_t n, int64_t, int64_t* first,
                 int64_t* inverse, int64_t* counts) {
  for (int64_t i = 0, start = 0; i < n; i++) {
    const int64_t at = order ? order[i] : i, g = group[i];
    inverse[at] = g;
    if (i == 0 || group[i - 1] != g) {
      first[g] = at;
      start = i;
    }
    counts[g] = i + 1 - start;
  }
}

}  // namespace mt::cpu::MT_ISA
