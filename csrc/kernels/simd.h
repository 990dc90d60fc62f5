// Vectors of the widest kind of each instruction set, for loops whose order of summation matters
// (the compiler may not reorder float sums) or whose values must stay in registers.
#pragma once
#include "kernels/math.h"
#include "kernels/vector_bytes.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace mt::cpu::MT_ISA::simd {

constexpr int kBytes = kVectorBytes;

template <class T, int kSize = kBytes>
struct VecType {
  typedef T type __attribute__((vector_size(kSize), may_alias));
};
template <class T>
using Vec = typename VecType<T>::type;
template <class T>
constexpr int kLanes = kBytes / int(sizeof(T));

template <class T>
MT_INLINE Vec<T> set(T x) {
  return x - Vec<T>{};
}
template <class T>
MT_INLINE Vec<T> load(const T* p) {
  Vec<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
MT_INLINE void store(T* p, Vec<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}
#if defined(__AVX2__) && !defined(__AVX512F__)
// All ones in the lanes below n.
template <class T>
MT_INLINE auto lanes_below(int64_t n) {
  if constexpr (sizeof(T) == 4) {
    typedef int32_t Mask __attribute__((vector_size(32)));
    return Mask{0, 1, 2, 3, 4, 5, 6, 7} < Mask{} + int32_t(n);
  } else {
    typedef int64_t Mask __attribute__((vector_size(32)));
    return Mask{0, 1, 2, 3} < Mask{} + n;
  }
}
#endif
// The first n < kLanes elements, the other lanes `fill`.
template <class T>
MT_INLINE Vec<T> load_n(const T* p, int64_t n, T fill) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return (Vec<T>)_mm512_mask_loadu_ps((__m512)set(fill), __mmask16((1u << n) - 1), p);
  } else {
    return (Vec<T>)_mm512_mask_loadu_pd((__m512d)set(fill), __mmask8((1u << n) - 1), p);
  }
#elif defined(__AVX2__)
  const auto mask = lanes_below<T>(n);
  if constexpr (sizeof(T) == 4) {
    return mask ? (Vec<T>)_mm256_maskload_ps((const float*)p, (__m256i)mask) : set(fill);
  } else {
    return mask ? (Vec<T>)_mm256_maskload_pd((const double*)p, (__m256i)mask) : set(fill);
  }
#else
  Vec<T> v = set(fill);
  for (int64_t i = 0; i < n; i++) v[i] = p[i];
  return v;
#endif
}
template <class T>
MT_INLINE void store_n(T* p, Vec<T> v, int64_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), (__m512)v);
  } else {
    _mm512_mask_storeu_pd(p, __mmask8((1u << n) - 1), (__m512d)v);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_ps((float*)p, (__m256i)lanes_below<T>(n), (__m256)v);
  } else {
    _mm256_maskstore_pd((double*)p, (__m256i)lanes_below<T>(n), (__m256d)v);
  }
#else
  for (int64_t i = 0; i < n; i++) p[i] = v[i];
#endif
}

template <class T>
MT_INLINE Vec<T> max(Vec<T> a, Vec<T> b) {
  return a > b ? a : b;
}

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
template <class T>
MT_INLINE T sum_lanes(Vec<T> v) {
  return fold<T>(v, [](auto a, auto b) { return a + b; });
}
template <class T>
MT_INLINE T max_lanes(Vec<T> v) {
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
  Vec<double> y = x;
  for (int i = 0; i < kLanes<double>; i++) y[i] = fn::exp(x[i]);
  return y;
}

// Combines f(i), the vector at element i, over [0, n); tail(i, rest) gives the last one, of `rest`
// valid lanes. Four chains run side by side, all from `start`.
template <class T, class Combine, class F, class Tail>
MT_INLINE Vec<T> reduce(int64_t n, Vec<T> start, const Combine& combine, const F& f,
                        const Tail& tail) {
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

// The sum of f over [0, n), f and tail as above (invalid lanes zero): blocks in T, their sums in
// double.
template <class T, class F, class Tail>
MT_INLINE double sum(int64_t n, const F& f, const Tail& tail) {
  constexpr int64_t kBlock = 8192;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t count = n - begin < kBlock ? n - begin : kBlock;
    total += double(sum_lanes<T>(reduce<T>(
        count, Vec<T>{}, [](Vec<T> a, Vec<T> b) { return a + b; },
        [&](int64_t i) { return f(begin + i); },
        [&](int64_t i, int64_t rest) { return tail(begin + i, rest); })));
  }
  return total;
}

// How a loop reads and writes: whole vectors, or the last `rest` lanes, the others zero.
template <class T>
struct Whole {
  MT_INLINE Vec<T> get(const T* p) const { return load(p); }
  MT_INLINE void put(T* p, Vec<T> v) const { store(p, v); }
};
template <class T>
struct Part {
  int64_t rest;
  MT_INLINE Vec<T> get(const T* p) const { return load_n(p, rest, T(0)); }
  MT_INLINE void put(T* p, Vec<T> v) const { store_n(p, v, rest); }
};

// body(i, io) for every vector of [0, n), where io is Whole or Part.
template <class T, class Body>
MT_INLINE void for_vectors(int64_t n, const Body& body) {
  constexpr int L = kLanes<T>;
  int64_t i = 0;
  for (; i + L <= n; i += L) body(i, Whole<T>{});
  if (i < n) body(i, Part<T>{n - i});
}
// The sum of body(i, io), invalid lanes zero.
template <class T, class Body>
MT_INLINE double sum_vectors(int64_t n, const Body& body) {
  return sum<T>(
      n, [&](int64_t i) { return body(i, Whole<T>{}); },
      [&](int64_t i, int64_t rest) { return body(i, Part<T>{rest}); });
}

}  // namespace mt::cpu::MT_ISA::simd
