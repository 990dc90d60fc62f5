// Binary search: log2(n) steps per value, values in parallel. Counts are kept by one thread, since
// their order of addition decides the bits of weighted ones.
#include "ops/search.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kBatch = 16;

// The places of kBatch values in a row, step by step together, so that their loads overlap and, in
// vectors, are gathered.
template <bool right, bool ordered, class I, class S>
MT_INLINE void places(const S* row, const int64_t* order, int64_t n, const S* values, int64_t* y,
                      int64_t m) {
  using T = compute_t<S>;
  T v[kBatch];
  I low[kBatch];
  for (int64_t k = 0; k < kBatch; k++) v[k] = load<S>(values[k < m ? k : 0]);
  for (int64_t k = 0; k < kBatch; k++) low[k] = 0;
  // Written so that NaN, as a value, belongs behind everything.
  auto after = [](T b, T value) { return right ? !(b > value) : !(b >= value); };
  for (int64_t left = n; left > 0;) {
    const I half = I(left - left / 2);
#pragma GCC unroll 1
    for (int64_t k = 0; k < kBatch; k++) {
      const I at = low[k] + half - 1;
      const T b = load<S>(row[ordered ? order[at] : at]);
      low[k] = after(b, v[k]) ? low[k] + half : low[k];
    }
    left -= half;
  }
  for (int64_t k = 0; k < m; k++) y[k] = low[k];
}

}  // namespace

void searchsorted(DType dtype, const void* boundaries, const int64_t* order, const void* x,
                  int64_t* y, int64_t rows, int64_t n, int64_t m, bool shared, bool right) {
  auto run = [&](auto kind) {
    using S = decltype(kind);
    const int64_t batches = ceil_div(m, kBatch);
    parallel_for(rows * batches, kGrain / 16 / kBatch, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t r = i / batches, at = i % batches * kBatch;
        const int64_t row = shared ? 0 : r * n, count = m - at < kBatch ? m - at : kBatch;
        const S* b = static_cast<const S*>(boundaries) + row;
        const S* v = static_cast<const S*>(x) + r * m + at;
        const int64_t* o = order ? order + row : nullptr;
        int64_t* to = y + r * m + at;
        // Places as wide as the values make the loop one of whole vectors.
        if (o && right) places<true, true, int64_t>(b, o, n, v, to, count);
        else if (o) places<false, true, int64_t>(b, o, n, v, to, count);
        else if (sizeof(S) <= 4 && n < 0x7fffffff && right)
          places<true, false, int32_t>(b, o, n, v, to, count);
        else if (sizeof(S) <= 4 && n < 0x7fffffff)
          places<false, false, int32_t>(b, o, n, v, to, count);
        else if (right) places<true, false, int64_t>(b, o, n, v, to, count);
        else places<false, false, int64_t>(b, o, n, v, to, count);
      }
    });
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

void bincount(const int64_t* x, const double* weights, void* counts, int64_t n, int64_t bins) {
  if (weights) {
    double* sums = static_cast<double*>(counts);
    for (int64_t i = 0; i < n; i++) sums[x[i]] += weights[i];
  } else {
    int64_t* numbers = static_cast<int64_t*>(counts);
    // Four tables, so that equal neighbours do not wait for each other.
    constexpr int64_t kTable = 1024, kBlock = int64_t(1) << 30;
    for (int64_t begin = 0; bins <= kTable && n >= kTable; begin += kBlock) {
      uint32_t table[4][kTable] = {};
      const int64_t left = n - begin, m = left < kBlock ? left : kBlock;
      for (int64_t i = 0; i < m; i++) table[i & 3][x[begin + i]]++;
      for (int64_t b = 0; b < bins; b++)
        numbers[b] += int64_t(table[0][b]) + table[1][b] + table[2][b] + table[3][b];
      if (left <= kBlock) return;
    }
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
