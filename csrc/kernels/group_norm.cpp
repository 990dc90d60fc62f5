// y = xh * w[c] + b[c], xh = (x - mean) * rstd, mean and rstd over the c / groups channels of a
// group in one sample.
// dx = rstd * (g - mean(g) - xh * mean(g * xh)), g = dy * w[c]; dw[c] = sum(dy * xh), db[c] =
// sum(dy). Saved: mean and rstd. A thread takes whole groups, which lie together in memory and stay
// in cache between the passes over them. Backward keeps the sums of each plane, [n, 2, c], and adds
// them over n in order.
#include "ops/group_norm.h"

#include "core/parallel.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

using namespace simd;

template <class T>
MT_INLINE T at_or(const void* p, int64_t i, T missing) {
  return p ? static_cast<const T*>(p)[i] : missing;
}

template <class T>
void forward(const GroupNormArgs& a, int64_t group, T* y, T* means, T* rstds) {
  const int64_t channels = a.c / a.groups, m = channels * a.inner;
  const int64_t c0 = group % a.groups * channels;
  const T* x = static_cast<const T*>(a.x) + group * m;
  const T mean =
      T(sum_vectors<T>(m, [&](int64_t i, auto io) { return io.get(x + i); }) / double(m));
  const Vec<T> mv = set(mean);
  const double squares = sum<T>(
      m,
      [&](int64_t i) {
        Vec<T> d = load(x + i) - mv;
        return d * d;
      },
      [&](int64_t i, int64_t rest) {
        Vec<T> d = load_n(x + i, rest, mean) - mv;
        return d * d;
      });
  const T rstd = T(1 / __builtin_sqrt(squares / double(m) + a.eps));
  means[group] = mean;
  rstds[group] = rstd;
  for (int64_t k = 0; k < channels; k++) {
    const Vec<T> scale = set(T(rstd * at_or(a.weight, c0 + k, T(1))));
    const Vec<T> shift = set(at_or(a.bias, c0 + k, T(0)));
    T* out = y + group * m + k * a.inner;
    for_vectors<T>(a.inner, [&](int64_t i, auto io) {
      io.put(out + i, (io.get(x + k * a.inner + i) - mv) * scale + shift);
    });
  }
}

template <class T>
void backward(const GroupNormArgs& a, int64_t group, const T* dy, const T* means, const T* rstds,
              T* dx, T* partial) {
  const int64_t channels = a.c / a.groups, m = channels * a.inner;
  const int64_t sample = group / a.groups, c0 = group % a.groups * channels;
  const T* x = static_cast<const T*>(a.x) + group * m;
  const T* g = dy + group * m;
  const T mean = means[group], rstd = rstds[group];
  const Vec<T> mv = set(mean);
  T* plane_b = partial + sample * 2 * a.c + c0;
  T* plane_w = plane_b + a.c;
  double s1 = 0, s2 = 0;
  for (int64_t k = 0; k < channels; k++) {
    const T *gk = g + k * a.inner, *xk = x + k * a.inner;
    const double sum_g =
        sum_vectors<T>(a.inner, [&](int64_t i, auto io) { return io.get(gk + i); });
    const double sum_gx = sum_vectors<T>(
        a.inner, [&](int64_t i, auto io) { return io.get(gk + i) * (io.get(xk + i) - mv); });
    const double w = double(at_or(a.weight, c0 + k, T(1)));
    plane_b[k] = T(sum_g);
    plane_w[k] = T(sum_gx * double(rstd));
    s1 += w * sum_g;
    s2 += w * sum_gx;
  }
  const double r = double(rstd);
  const Vec<T> c1 = set(T(s1 / double(m))), c2 = set(T(s2 / double(m) * r * r));
  // A group of one value does not depend on it; rounding errors must not be scaled up.
  const Vec<T> rv = set(m == 1 ? T(0) : rstd);
  for (int64_t k = 0; k < channels; k++) {
    const Vec<T> w = set(at_or(a.weight, c0 + k, T(1)));
    const int64_t at = k * a.inner;
    T* out = dx + group * m + at;
    for_vectors<T>(a.inner, [&](int64_t i, auto io) {
      Vec<T> d = io.get(x + at + i) - mv;
      io.put(out + i, (io.get(g + at + i) * w - c1 - d * c2) * rv);
    });
  }
}

template <class T>
void add_planes(const GroupNormArgs& a, const T* partial, T* dw, T* db) {
  parallel_for(a.c, ceil_div(kGrain, 2 * (a.n ? a.n : 1)), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) dw[c] = db[c] = 0;
    for (int64_t i = 0; i < a.n; i++) {
      const T* p = partial + i * 2 * a.c;
#pragma GCC ivdep
      for (int64_t c = begin; c < end; c++) {
        db[c] += p[c];
        dw[c] += p[a.c + c];
      }
    }
  });
}

MT_INLINE int64_t grain_of(const GroupNormArgs& a) {
  const int64_t m = a.c / a.groups * a.inner;
  return ceil_div(kGrain / 2, m ? m : 1);
}

}  // namespace

void group_norm_forward(const GroupNormArgs& args, void* y, void* mean, void* rstd) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    parallel_for(args.n * args.groups, grain_of(args), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        forward(args, i, static_cast<T*>(y), static_cast<T*>(mean), static_cast<T*>(rstd));
    });
  })
}

void group_norm_backward(const GroupNormArgs& args, const void* dy, const void* mean,
                         const void* rstd, void* dx, void* dw, void* db, void* partial) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    parallel_for(args.n * args.groups, grain_of(args), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        backward(args, i, static_cast<const T*>(dy), static_cast<const T*>(mean),
                 static_cast<const T*>(rstd), static_cast<T*>(dx), static_cast<T*>(partial));
    });
    if (dw)
      add_planes(args, static_cast<const T*>(partial), static_cast<T*>(dw), static_cast<T*>(db));
  })
}

}  // namespace mt::cpu::MT_ISA
