// Resampling along one dim by a table of places and weights, and its transpose.
// Along the last dim a row is gathered, along others whole rows are combined. One read of x and one
// write of y per dim.
#include "ops/interpolate.h"

#include "core/parallel.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void gather_row(const T* __restrict x, T* __restrict y, int64_t out, int64_t taps,
                const int32_t* __restrict at, const T* __restrict w) {
  if (taps == 1) {
#pragma GCC ivdep
    for (int64_t q = 0; q < out; q++) y[q] = w[q] * x[at[q]];
  } else if (taps == 2) {
#pragma GCC ivdep
    for (int64_t q = 0; q < out; q++)
      y[q] = w[2 * q] * x[at[2 * q]] + w[2 * q + 1] * x[at[2 * q + 1]];
  } else {
    for (int64_t q = 0; q < out; q++) {
      T sum = T(0);
      for (int64_t k = 0; k < taps; k++) sum += w[q * taps + k] * x[at[q * taps + k]];
      y[q] = sum;
    }
  }
}

template <class T>
void combine_rows(const T* x, T* __restrict y, int64_t inner, int64_t taps, const int32_t* at,
                  const T* w) {
  const T* __restrict a = x + at[0] * inner;
  const T wa = w[0];
  if (taps == 2) {
    const T* __restrict b = x + at[1] * inner;
    const T wb = w[1];
#pragma GCC ivdep
    for (int64_t i = 0; i < inner; i++) y[i] = wa * a[i] + wb * b[i];
    return;
  }
#pragma GCC ivdep
  for (int64_t i = 0; i < inner; i++) y[i] = wa * a[i];
  for (int64_t k = 1; k < taps; k++) {
    if (w[k] == T(0)) continue;
    const T* __restrict b = x + at[k] * inner;
    const T wb = w[k];
#pragma GCC ivdep
    for (int64_t i = 0; i < inner; i++) y[i] += wb * b[i];
  }
}

template <class T>
void forward(const T* x, T* y, int64_t outer, int64_t in, int64_t inner, int64_t out, int64_t taps,
             const int32_t* at, const T* w) {
  if (inner == 1) {
    const int64_t grain = kGrain / (out * taps);
    parallel_for(outer, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
      for (int64_t a = begin; a < end; a++) gather_row(x + a * in, y + a * out, out, taps, at, w);
    });
    return;
  }
  const int64_t grain = kGrain / (inner * taps);
  parallel_for(outer * out, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t a = i / out, q = i % out;
      combine_rows(x + a * in * inner, y + i * inner, inner, taps, at + q * taps, w + q * taps);
    }
  });
}

template <class T>
void backward(const T* dy, T* dx, int64_t outer, int64_t in, int64_t inner, int64_t out,
              int64_t taps, const int32_t* at, const T* w) {
  const int64_t grain = kGrain / (inner * (in + out * taps));
  parallel_for(outer, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t a = begin; a < end; a++) {
      T* to = dx + a * in * inner;
      const T* from = dy + a * out * inner;
      for (int64_t i = 0; i < in * inner; i++) to[i] = T(0);
      for (int64_t q = 0; q < out; q++)
        for (int64_t k = 0; k < taps; k++) {
          const T wk = w[q * taps + k];
          if (wk == T(0)) continue;
          T* __restrict row = to + at[q * taps + k] * inner;
          const T* __restrict g = from + q * inner;
#pragma GCC ivdep
          for (int64_t i = 0; i < inner; i++) row[i] += wk * g[i];
        }
    }
  });
}

}  // namespace

void resample_forward(DType dtype, const void* x, void* y, int64_t outer, int64_t in, int64_t inner,
                      int64_t out, int64_t taps, const int32_t* at, const void* w) {
  MT_SWITCH_FLOAT(dtype, forward(static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y), outer,
                                 in, inner, out, taps, at, static_cast<const scalar_t*>(w)))
}

void resample_backward(DType dtype, const void* dy, void* dx, int64_t outer, int64_t in,
                       int64_t inner, int64_t out, int64_t taps, const int32_t* at, const void* w) {
  MT_SWITCH_FLOAT(dtype, backward(static_cast<const scalar_t*>(dy), static_cast<scalar_t*>(dx),
                                  outer, in, inner, out, taps, at, static_cast<const scalar_t*>(w)))
}

}  // namespace mt::cpu::MT_ISA
