// y[i, j] = (sum_k |d_k|^p)^(1/p), d = x1[i] - x2[j]; p = 0 counts what is not 0, p = inf is the
// largest. dx1[i] = sum_j dy[i, j] * sign(d) |d|^(p-1) / y^(p-1); 0 where y = 0.
// Rows of x1 are shared between threads; a pair costs n differences, x2 stays in cache.
#include "ops/distance.h"

#include "core/parallel.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

using namespace simd;

enum class Norm { zero, one, two, inf, other };
MT_INLINE Norm norm_of(double p) {
  return p == 0                 ? Norm::zero
         : p == 1               ? Norm::one
         : p == 2               ? Norm::two
         : p == __builtin_inf() ? Norm::inf
                                : Norm::other;
}
template <class T>
MT_INLINE Vec<T> absolute(Vec<T> v) {
  return v < Vec<T>{} ? -v : v;
}

template <class T, Norm norm>
MT_INLINE T distance(const T* a, const T* b, int64_t n, T p) {
  if constexpr (norm == Norm::other) {
    T total = 0;
    for (int64_t k = 0; k < n; k++) total += fn::pow(fn::fabs(a[k] - b[k]), p);
    return fn::pow(total, T(1) / p);
  } else if constexpr (norm == Norm::inf) {
    // A maximum that NaN does not fall out of.
    auto larger = [](auto m, auto d) { return m > d ? m : m == m ? d : m; };
    return fold<T>(
        reduce<T>(
            n, Vec<T>{}, larger, [&](int64_t i) { return absolute<T>(load(a + i) - load(b + i)); },
            [&](int64_t i, int64_t r) {
              return absolute<T>(load_n(a + i, r, T(0)) - load_n(b + i, r, T(0)));
            }),
        larger);
  } else {
    const double total = sum_vectors<T>(n, [&](int64_t i, auto io) {
      const Vec<T> d = io.get(a + i) - io.get(b + i);
      if constexpr (norm == Norm::two) return d * d;
      else if constexpr (norm == Norm::one) return absolute<T>(d);
      else return d != Vec<T>{} ? set(T(1)) : Vec<T>{};
    });
    return norm == Norm::two ? fn::sqrt(T(total)) : T(total);
  }
}

// dx += g * d|a - b| / da
template <class T, Norm norm>
MT_INLINE void add_gradient(const T* a, const T* b, int64_t n, T p, T y, T g, T* dx) {
  if (norm == Norm::zero || y == T(0)) return;
  const T scale = norm == Norm::two ? g / y : norm == Norm::other ? g / fn::pow(y, p - T(1)) : g;
  for_vectors<T>(n, [&](int64_t i, auto io) {
    const Vec<T> d = io.get(a + i) - io.get(b + i), zero = {};
    Vec<T> sign = d > zero ? set(T(1)) : d < zero ? set(T(-1)) : zero, v;
    if constexpr (norm == Norm::two) {
      v = d;
    } else if constexpr (norm == Norm::inf) {
      v = absolute<T>(d) == set(y) ? sign : zero;
    } else if constexpr (norm == Norm::other) {
      v = sign;
      for (int k = 0; k < kLanes<T>; k++)
        if (d[k] != T(0)) v[k] *= fn::pow(fn::fabs(T(d[k])), p - T(1));
    } else {
      v = sign;
    }
    io.put(dx + i, io.get(dx + i) + v * set(scale));
  });
}

// Four distances from a to rows of b, for the norms that are sums of vectors.
template <class T, Norm norm>
MT_INLINE void four_distances(const T* a, const T* b, int64_t n, T* y) {
  Vec<T> total[4] = {};
  for_vectors<T>(n, [&](int64_t i, auto io) {
    const Vec<T> v = io.get(a + i);
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
      const Vec<T> d = v - io.get(b + r * n + i);
      if constexpr (norm == Norm::two) total[r] += d * d;
      else total[r] += absolute<T>(d);
    }
  });
#pragma GCC unroll 4
  for (int r = 0; r < 4; r++) {
    const T sum = sum_lanes<T>(total[r]);
    y[r] = norm == Norm::two ? fn::sqrt(sum) : sum;
  }
}

template <class T, Norm norm>
void forward(const CdistArgs& a, T* y) {
  const T *x1 = static_cast<const T*>(a.x1), *x2 = static_cast<const T*>(a.x2);
  const int64_t cost = a.rows2 * (a.n + 8) + 1;
  parallel_for(a.batch * a.rows1, ceil_div(kGrain / 2, cost), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const T *row = x1 + i * a.n, *others = x2 + i / a.rows1 * a.rows2 * a.n;
      T* out = y + i * a.rows2;
      int64_t j = 0;
      if constexpr (norm == Norm::one || norm == Norm::two) {
        if (a.n <= 8192)
          for (; j + 4 <= a.rows2; j += 4)
            four_distances<T, norm>(row, others + j * a.n, a.n, out + j);
      }
      for (; j < a.rows2; j++) out[j] = distance<T, norm>(row, others + j * a.n, a.n, T(a.p));
    }
  });
}

template <class T, Norm norm>
void backward(const CdistArgs& a, const T* y, const T* dy, T* dx) {
  const T *x1 = static_cast<const T*>(a.x1), *x2 = static_cast<const T*>(a.x2);
  const int64_t cost = a.rows2 * (a.n + 8) + 1;
  parallel_for(a.batch * a.rows1, ceil_div(kGrain / 2, cost), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      for (int64_t k = 0; k < a.n; k++) dx[i * a.n + k] = 0;
      for (int64_t j = 0; j < a.rows2; j++)
        add_gradient<T, norm>(x1 + i * a.n, x2 + (i / a.rows1 * a.rows2 + j) * a.n, a.n, T(a.p),
                              y[i * a.rows2 + j], dy[i * a.rows2 + j], dx + i * a.n);
    }
  });
}

}  // namespace

void cdist_forward(const CdistArgs& args, void* y) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    T* out = static_cast<T*>(y);
    switch (norm_of(args.p)) {
      case Norm::zero:
        return forward<T, Norm::zero>(args, out);
      case Norm::one:
        return forward<T, Norm::one>(args, out);
      case Norm::two:
        return forward<T, Norm::two>(args, out);
      case Norm::inf:
        return forward<T, Norm::inf>(args, out);
      case Norm::other:
        return forward<T, Norm::other>(args, out);
    }
  })
}

void cdist_backward(const CdistArgs& args, const void* y, const void* dy, void* dx1) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const T *d = static_cast<const T*>(y), *g = static_cast<const T*>(dy);
    T* dx = static_cast<T*>(dx1);
    switch (norm_of(args.p)) {
      case Norm::zero:
        return backward<T, Norm::zero>(args, d, g, dx);
      case Norm::one:
        return backward<T, Norm::one>(args, d, g, dx);
      case Norm::two:
        return backward<T, Norm::two>(args, d, g, dx);
      case Norm::inf:
        return backward<T, Norm::inf>(args, d, g, dx);
      case Norm::other:
        return backward<T, Norm::other>(args, d, g, dx);
    }
  })
}

}  // namespace mt::cpu::MT_ISA
