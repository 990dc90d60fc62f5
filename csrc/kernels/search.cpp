// Binary search: log2(n) steps per value, values in parallel. Counts are kept by one thread, since
// their order of addition decides the bits of weighted ones.
#include "ops/search.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class S>
MT_INLINE int64_t place_of(const S* row, const int64_t* order, int64_t n, S value, bool right) {
  const auto v = load<S>(value);
  int64_t low = 0, high = n;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const auto b = load<S>(row[order ? order[middle] : middle]);
    // Written so that NaN, as a value, belongs behind everything.
    const bool after = right ? !(b > v) : !(b >= v);
    low = after ? middle + 1 : low;
    high = after ? high : middle;
  }
  return low;
}

}  // namespace

void searchsorted(DType dtype, const void* boundaries, const int64_t* order, const void* x,
                  int64_t* y, int64_t rows, int64_t n, int64_t m, bool shared, bool right) {
  auto run = [&](auto kind) {
    using S = decltype(kind);
    parallel_for(rows * m, kGrain / 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t row = shared ? 0 : i / m * n;
        y[i] = place_of(static_cast<const S*>(boundaries) + row, order ? order + row : nullptr, n,
                        static_cast<const S*>(x)[i], right);
      }
    });
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

void bincount(const int64_t* x, const double* weights, void* counts, int64_t n) {
  if (weights) {
    double* sums = static_cast<double*>(counts);
    for (int64_t i = 0; i < n; i++) sums[x[i]] += weights[i];
  } else {
    int64_t* numbers = static_cast<int64_t*>(counts);
    for (int64_t i = 0; i < n; i++) numbers[x[i]]++;
  }
}

void histc(DType dtype, const void* x, int64_t* counts, int64_t n, int64_t bins, double low,
           double high) {
  MT_SWITCH_FLOAT(dtype, {
    const scalar_t* p = static_cast<const scalar_t*>(x);
    const scalar_t first = scalar_t(low), last = scalar_t(high);
    for (int64_t i = 0; i < n; i++) {
      if (!(p[i] >= first && p[i] <= last)) continue;
      int64_t bin = int64_t((p[i] - first) / (last - first) * scalar_t(bins));
      counts[bin < bins ? bin : bins - 1]++;
    }
  })
}

}  // namespace mt::cpu::MT_ISA
