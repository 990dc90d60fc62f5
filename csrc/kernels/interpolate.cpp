// Resampling along one dim by a table of places and weights. Along the last dim a row is gathered,
// along others up to four rows at a time are combined. One read of x and one write of y per dim,
// taps * 2 flops per element of y.
#include "ops/interpolate.h"

#include "core/parallel.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <bool sparse, class T>
MT_INLINE T term(T w, T x) {
  return sparse && w == T(0) ? T(0) : w * x;
}

template <bool sparse, class T>
void gather_row(const T* __restrict x, T* __restrict y, int64_t out, int64_t taps,
                const int32_t* __restrict at, const T* __restrict w) {
  if (taps == 1) {
#pragma GCC ivdep
    for (int64_t q = 0; q < out; q++) y[q] = term<sparse>(w[q], x[at[q]]);
    return;
  }
#pragma GCC ivdep
  for (int64_t q = 0; q < out; q++)
    y[q] = term<sparse>(w[q], x[at[q]]) + term<sparse>(w[out + q], x[at[out + q]]);
  for (int64_t k = 2; k < taps; k++) {
    const int32_t* __restrict place = at + k * out;
    const T* __restrict weight = w + k * out;
#pragma GCC ivdep
    for (int64_t q = 0; q < out; q++) y[q] += term<sparse>(weight[q], x[place[q]]);
  }
}

// y = w0 * r0 + w1 * r1 ..., or y += that, for n <= 4 rows.
template <int n, bool add, class T>
MT_INLINE void combine(const T* const* rows, const T* w, T* __restrict y, int64_t inner) {
  const T *a = rows[0], *b = rows[1], *c = rows[2], *d = rows[3];
  const T wa = w[0], wb = w[1], wc = w[2], wd = w[3];
#pragma GCC ivdep
  for (int64_t i = 0; i < inner; i++) {
    T sum = wa * a[i];
    if constexpr (n > 1) sum += wb * b[i];
    if constexpr (n > 2) sum += wc * c[i];
    if constexpr (n > 3) sum += wd * d[i];
    y[i] = add ? y[i] + sum : sum;
  }
}

template <bool add, class T>
MT_INLINE void combine_up_to_4(int n, const T* const* rows, const T* w, T* y, int64_t inner) {
  if (n == 1) combine<1, add>(rows, w, y, inner);
  if (n == 2) combine<2, add>(rows, w, y, inner);
  if (n == 3) combine<3, add>(rows, w, y, inner);
  if (n == 4) combine<4, add>(rows, w, y, inner);
}

template <class T>
void combine_rows(const T* x, T* y, int64_t inner, int64_t taps, int64_t out, const int32_t* at,
                  const T* w, bool sparse) {
  const T* rows[4] = {x, x, x, x};
  T weights[4] = {};
  int n = 0;
  bool add = false;
  for (int64_t k = 0; k < taps; k++) {
    if (w[k * out] != T(0) || (!sparse && taps <= 2)) {
      rows[n] = x + at[k * out] * inner;
      weights[n++] = w[k * out];
    }
    if (n < 4 && k + 1 < taps) continue;
    if (add) combine_up_to_4<true>(n, rows, weights, y, inner);
    else combine_up_to_4<false>(n, rows, weights, y, inner);
    add = add || n > 0;
    n = 0;
  }
  if (!add)
    for (int64_t i = 0; i < inner; i++) y[i] = T(0);
}

template <class T>
void run(const T* x, T* y, int64_t outer, int64_t in, int64_t inner, int64_t out, int64_t taps,
         const int32_t* at, const T* w, bool sparse) {
  if (inner == 1) {
    const int64_t grain = kGrain / (out * taps);
    parallel_for(outer, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
      for (int64_t a = begin; a < end; a++) {
        if (sparse) gather_row<true>(x + a * in, y + a * out, out, taps, at, w);
        else gather_row<false>(x + a * in, y + a * out, out, taps, at, w);
      }
    });
    return;
  }
  const int64_t grain = kGrain / (inner * taps);
  parallel_for(outer * out, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t a = i / out, q = i % out;
      combine_rows(x + a * in * inner, y + i * inner, inner, taps, out, at + q, w + q, sparse);
    }
  });
}

}  // namespace

void resample(DType dtype, const void* x, void* y, int64_t outer, int64_t in, int64_t inner,
              int64_t out, int64_t taps, const int32_t* at, const void* w, bool sparse) {
  MT_SWITCH_FLOAT(dtype, run(static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), outer, in,
                             inner, out, taps, at, static_cast<const scalar_t*>(w), sparse))
}

}  // namespace mt::cpu::MT_ISA
