// Vectors of the widest kind of each instruction set, for loops whose order of summation matters
// (the compiler may not reorder float sums) or whose values must stay in registers.
#pragma once
#include "core/macros.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA::simd {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX2__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

template <class T, int kSize = kBytes> struct VecType {
  typedef T type __attribute__((vector_size(kSize), may_alias));
};
template <class T> using Vec = typename VecType<T>::type;
template <class T> constexpr int kLanes = kBytes / int(sizeof(T));

template <class T> MT_INLINE Vec<T> set(T x) { return x - Vec<T>{}; }
template <class T> MT_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T> MT_INLINE void store(T* p, Vec<T> v) { __builtin_memcpy(p, &v, sizeof v); }
// The first n < kLanes elements, the other lanes `fill`.
template <class T> MT_INLINE Vec<T> load_n(const T* p, int64_t n, T fill) {
  Vec<T> v = set(fill);
  for (int64_t i = 0; i < n; i++) v[i] = p[i];
  return v;
}
template <class T> MT_INLINE void store_n(T* p, Vec<T> v, int64_t n) {
  for (int64_t i = 0; i < n; i++) p[i] = v[i];
}

template <class T> MT_INLINE Vec<T> max(Vec<T> a, Vec<T> b) { return a > b ? a : b; }

// Folds halves onto each other: a fixed order of summation for each width.
template <class T, int kSize = kBytes, class F>
MT_INLINE T fold(typename VecType<T, kSize>::type v, const F& f) {
  if constexpr (kSize > 16) {
    typename VecType<T, kSize / 2>::type half[2];
    __builtin_memcpy(half, &v, sizeof v);
    return fold<T, kSize / 2>(f(half[0], half[1]), f);
  } else if constexpr (sizeof(T) == 4) {
    return f(f(v[0], v[2]), f(v[1], v[3]));
  } else {
    return f(v[0], v[1]);
  }
}
template <class T> MT_INLINE T sum_lanes(Vec<T> v) {
  return fold<T>(v, [](auto a, auto b) { return a + b; });
}
template <class T> MT_INLINE T max_lanes(Vec<T> v) {
  return fold<T>(v, [](auto a, auto b) { return a > b ? a : b; });
}

// e^x for x <= 0 (and NaN): one rounding of the exponent; results below 2^-126 are zero.
MT_INLINE Vec<float> exp_nonpositive(Vec<float> x) {
  typedef int32_t IntVec __attribute__((vector_size(kBytes), may_alias));
  Vec<float> c = x < set(-88.0f) ? set(-88.0f) : x;
  const Vec<float> magic = set(12582912.0f);  // 1.5 * 2^23: adding it rounds to an integer
  Vec<float> shifted = c * 1.44269504088896341f + magic;
  IntVec n = (IntVec)shifted - (IntVec)magic;
  Vec<float> nf = shifted - magic;
  Vec<float> r = c - nf * 0.693359375f;
  r = r + nf * 2.12194440e-4f;
  Vec<float> p = set(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  return p * (Vec<float>)((n + 127) << 23);
}
MT_INLINE Vec<double> exp_nonpositive(Vec<double> x) {
  Vec<double> y;
  for (int i = 0; i < kLanes<double>; i++) y[i] = fn::exp(x[i]);
  return y;
}

// The sum of f(i) over vectors of [0, n), f(i, n) -> the vector at i with n valid lanes; four sums
// run side by side. `zero` starts the sums.
template <class T, class Combine, class F, class Tail>
MT_INLINE Vec<T> reduce(int64_t n, Vec<T> start, const Combine& combine, const F& f, const Tail& tail) {
  constexpr int L = kLanes<T>;
  Vec<T> a = start, b = start, c = start, d = start;
  int64_t i = 0;
  for (; i + 4 * L <= n; i += 4 * L) {
    a = combine(a, f(i));
    b = combine(b, f(i + L));
    c = combine(c, f(i + 2 * L));
    d = combine(d, f(i + 3 * L));
  }
  for (; i + L <= n; i += L) a = combine(a, f(i));
  if (i < n) b = combine(b, tail(i, n - i));
  return combine(combine(a, b), combine(c, d));
}

}  // namespace mt::cpu::MT_ISA::simd
