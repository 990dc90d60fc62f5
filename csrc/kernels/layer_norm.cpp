// Layer norm: y = xh * w + b, xh = (x - mean) * rstd, rstd = 1 / sqrt(var + eps), over rows of n.
// RMS norm: y = xh * w, xh = x * rstd, rstd = 1 / sqrt(mean(x^2) + eps).
// dx = rstd * (g - mean(g) - xh * mean(g * xh)) with g = dy * w (without mean(g) for RMS norm);
// dw = sum over rows of dy * xh, db = sum over rows of dy. Saved: mean and rstd.
// A row stays in cache between the passes over it: one read and one write of memory forward, two
// reads and one write backward. The sums over rows are kept per chunk of rows and added in order.
#include "ops/layer_norm.h"

#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

using namespace simd;

template <class T, bool kCentre>
void forward_rows(const LayerNormArgs& a, int64_t begin, int64_t end, T* y, T* means, T* rstds) {
  const int64_t n = a.n;
  const T* w = static_cast<const T*>(a.weight);
  const T* b = static_cast<const T*>(a.bias);
  for (int64_t row = begin; row < end; row++) {
    const T* x = static_cast<const T*>(a.x) + row * n;
    T* out = y + row * n;
    T mean = 0;
    if constexpr (kCentre) {
      mean = T(sum_vectors<T>(n, [&](int64_t i, auto io) { return io.get(x + i); }) / double(n));
      means[row] = mean;
    }
    const Vec<T> mv = set(mean);
    double squares = sum<T>(
        n,
        [&](int64_t i) {
          Vec<T> d = load(x + i) - mv;
          return d * d;
        },
        [&](int64_t i, int64_t rest) {
          Vec<T> d = load_n(x + i, rest, mean) - mv;
          return d * d;
        });
    const T rstd = T(1 / __builtin_sqrt(squares / double(n) + a.eps));
    rstds[row] = rstd;
    const Vec<T> rv = set(rstd);
    for_vectors<T>(n, [&](int64_t i, auto io) {
      Vec<T> v = (io.get(x + i) - mv) * rv * io.get(w + i);
      if constexpr (kCentre) v += io.get(b + i);
      io.put(out + i, v);
    });
  }
}

template <class T, bool kCentre, bool kParams>
void backward_rows(const LayerNormArgs& a, int64_t begin, int64_t end, const T* dy, const T* means,
                   const T* rstds, T* dx, T* dw, T* db) {
  const int64_t n = a.n;
  const T* w = static_cast<const T*>(a.weight);
  if constexpr (kParams) {
    for (int64_t i = 0; i < n; i++) dw[i] = 0;
    if constexpr (kCentre)
      for (int64_t i = 0; i < n; i++) db[i] = 0;
  }
  constexpr int L = kLanes<T>;
  for (int64_t row = begin; row < end; row++) {
    const T* x = static_cast<const T*>(a.x) + row * n;
    const T* g = dy + row * n;
    const T mean = kCentre ? means[row] : T(0), rstd = rstds[row];
    const Vec<T> mv = set(mean), rv = set(rstd);
    Vec<T> g_sum[2] = {}, gx_sum[2] = {};
    auto step = [&](int64_t i, auto io, int k) {
      Vec<T> gv = io.get(g + i), xh = (io.get(x + i) - mv) * rv, wg = gv * io.get(w + i);
      if constexpr (kCentre) g_sum[k] += wg;
      gx_sum[k] += wg * xh;
      if constexpr (kParams) {
        io.put(dw + i, io.get(dw + i) + gv * xh);
        if constexpr (kCentre) io.put(db + i, io.get(db + i) + gv);
      }
    };
    int64_t i = 0;
    for (; i + 2 * L <= n; i += 2 * L) {
      step(i, Whole<T>{}, 0);
      step(i + L, Whole<T>{}, 1);
    }
    for (; i + L <= n; i += L) step(i, Whole<T>{}, 0);
    if (i < n) step(i, Part<T>{n - i}, 1);
    const Vec<T> c1 = set(kCentre ? T(sum_lanes<T>(g_sum[0] + g_sum[1]) / T(n)) : T(0));
    const Vec<T> c2 = set(T(sum_lanes<T>(gx_sum[0] + gx_sum[1]) / T(n)));
    T* out = dx + row * n;
    // A row of one value does not depend on it; rounding errors must not be scaled up.
    const Vec<T> scale = kCentre && n == 1 ? Vec<T>{} : rv;
    for_vectors<T>(n, [&](int64_t i, auto io) {
      Vec<T> xh = (io.get(x + i) - mv) * rv, wg = io.get(g + i) * io.get(w + i);
      io.put(out + i, (wg - c1 - xh * c2) * scale);
    });
  }
}

template <class T>
void backward(const LayerNormArgs& a, const T* dy, const T* means, const T* rstds, T* dx, T* dw,
              T* db, T* partial) {
  const int64_t n = a.n, grain = layer_norm_grain(a.rows, n), chunks = ceil_div(a.rows, grain);
  parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; chunk++) {
      const int64_t begin = chunk * grain, end = begin + grain < a.rows ? begin + grain : a.rows;
      T* pw = dw ? partial + chunk * 2 * n : nullptr;
      T* pb = dw ? pw + n : nullptr;
      if (a.centre) {
        if (dw) backward_rows<T, true, true>(a, begin, end, dy, means, rstds, dx, pw, pb);
        else backward_rows<T, true, false>(a, begin, end, dy, means, rstds, dx, pw, pb);
      } else {
        if (dw) backward_rows<T, false, true>(a, begin, end, dy, means, rstds, dx, pw, pb);
        else backward_rows<T, false, false>(a, begin, end, dy, means, rstds, dx, pw, pb);
      }
    }
  });
  if (!dw) return;
  parallel_for(n, kGrain / 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      dw[i] = 0;
      if (a.centre) db[i] = 0;
    }
    for (int64_t chunk = 0; chunk < chunks; chunk++) {
      const T* p = partial + chunk * 2 * n;
#pragma GCC ivdep
      for (int64_t i = begin; i < end; i++) dw[i] += p[i];
      if (a.centre)
#pragma GCC ivdep
        for (int64_t i = begin; i < end; i++) db[i] += p[n + i];
    }
  });
}

}  // namespace

void layer_norm_forward(const LayerNormArgs& args, void* y, void* mean, void* rstd) {
  const int64_t grain = ceil_div(kGrain / 2, args.n > 0 ? args.n : 1);
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    parallel_for(args.rows, grain, [&](int64_t begin, int64_t end) {
      auto* run = args.centre ? forward_rows<T, true> : forward_rows<T, false>;
      run(args, begin, end, static_cast<T*>(y), static_cast<T*>(mean), static_cast<T*>(rstd));
    });
  })
}

void layer_norm_backward(const LayerNormArgs& args, const void* dy, const void* mean,
                         const void* rstd, void* dx, void* dw, void* db, void* partial) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    backward(args, static_cast<const T*>(dy), static_cast<const T*>(mean),
             static_cast<const T*>(rstd), static_cast<T*>(dx), static_cast<T*>(dw),
             static_cast<T*>(db), static_cast<T*>(partial));
  })
}

}  // namespace mt::cpu::MT_ISA
