// The binary functions that need more than one expression.
#pragma once
#include "kernels/fn.h"

namespace MT_FN {

template <class T>
constexpr bool is_float = __is_same(T, float) || __is_same(T, double);
template <class T>
constexpr bool is_unsigned = T(-1) > T(0);

// x / y and x % y of integers. On the CPU, division by zero is refused before the kernel runs; on a
// GPU it gives 0, and the remainder x.
template <class T>
MT_INLINE T quotient(T x, T y) {
#if defined(MT_CUDA_KERNELS)
  if (y == T(0)) return T(0);
#endif
  return !is_unsigned<T> && y == T(-1) ? T(T(0) - x) : T(x / y);
}
template <class T>
MT_INLINE T rest(T x, T y) {
#if defined(MT_CUDA_KERNELS)
  if (y == T(0)) return x;
#endif
  return !is_unsigned<T> && y == T(-1) ? T(0) : T(x % y);
}

// Python's division: rounded towards minus infinity; the remainder has the divisor's sign.
template <class T>
MT_INLINE T remainder(T x, T y) {
  if constexpr (is_float<T>) {
    T r = fmod(x, y);
    return r != T(0) && (r < T(0)) != (y < T(0)) ? r + y : r;
  } else {
    T r = rest(x, y);
    return r != T(0) && ((r < T(0)) != (y < T(0))) ? T(r + y) : r;
  }
}

template <class T>
MT_INLINE T floor_divide(T x, T y) {
  if constexpr (is_float<T>) {
    if (y == T(0)) return x / y;
    T r = fmod(x, y);
    T q = (x - r) / y;
    if (r != T(0) && (y < T(0)) != (r < T(0))) q -= T(1);
    if (q == T(0)) return copysign(T(0), x / y);
    T f = floor(q);
    return q - f > T(0.5) ? f + T(1) : f;
  } else {
    T q = quotient(x, y);
    const bool inexact = y != T(0) && rest(x, y) != T(0);
    return inexact && ((x < T(0)) != (y < T(0))) ? T(q - 1) : q;
  }
}

template <class T>
MT_INLINE T trunc_divide(T x, T y) {
  if constexpr (is_float<T>) {
    return trunc(x / y);
  } else {
    return quotient(x, y);
  }
}

template <class T>
MT_INLINE T fmod_any(T x, T y) {
  if constexpr (is_float<T>) {
    return fmod(x, y);
  } else {
    return rest(x, y);
  }
}

template <class T>
MT_INLINE T pow_any(T x, T y) {
  if constexpr (is_float<T>) {
    return pow(x, y);
  } else {
    if (y < T(0)) return x == T(1) ? T(1) : x == T(-1) ? (y % 2 ? T(-1) : T(1)) : T(0);
    T r = 1;
    for (; y; y = T(y / 2)) {
      if (y & 1) r = T(r * x);
      x = T(x * x);
    }
    return r;
  }
}

// Where both are the same infinity their difference is NaN, the result that infinity.
template <class T>
MT_INLINE T logaddexp(T x, T y) {
  T hi = x > y ? x : y, lo = x > y ? y : x;
  T sum = hi + log1p(exp(lo - hi));
  T r = hi == lo && hi - hi != T(0) ? hi : sum;
  return x != x || y != y ? x + y : r;
}
template <class T>
MT_INLINE T logaddexp2(T x, T y) {
  T hi = x > y ? x : y, lo = x > y ? y : x;
  T sum = hi + log1p(exp2(lo - hi)) * T(1.4426950408889634);
  T r = hi == lo && hi - hi != T(0) ? hi : sum;
  return x != x || y != y ? x + y : r;
}

#if !defined(MT_CUDA_KERNELS)
// x / y in double is the exact quotient rounded, and up to 2^24 it does not cross an integer: the
// whole part is right, and so is x - whole * y, whose bits all fit.
MT_INLINE bool quotient_holds(float x, float y) {
  return fabs(x) < kInf && fabs(y) < kInf && y != 0.0f && fabs(x) <= fabs(y) * 16777216.0f;
}
MT_INLINE float fmod_fast(float x, float y) {
  double xd = double(x), yd = double(y);
  return copysign(float(xd - __builtin_trunc(xd / yd) * yd), x);
}
MT_INLINE float remainder_fast(float x, float y) {
  double xd = double(x), yd = double(y);
  float r = float(xd - __builtin_floor(xd / yd) * yd);
  // A remainder that rounds up to the divisor is what Python gives, too; the sign of zero is y's.
  return r == 0.0f ? copysign(0.0f, y) : r;
}
MT_INLINE float floor_divide_fast(float x, float y) {
  float q = float(__builtin_floor(double(x) / double(y)));
  return q == 0.0f ? copysign(0.0f, x / y) : q;
}
#endif

// Shifts by less than zero or by the width and more give what arithmetic would: 0, or the sign.
template <class T>
MT_INLINE T shift_left(T x, T y) {
  constexpr int width = int(sizeof(T) * 8);
  if (y < T(0) || y >= T(width)) return T(0);
  return T(uint64_t(x) << int(y));
}
template <class T>
MT_INLINE T shift_right(T x, T y) {
  constexpr int last = int(sizeof(T) * 8) - 1;
  if (y < T(0) || y > T(last)) return is_unsigned<T> || x >= T(0) ? T(0) : T(-1);
  return T(x >> int(y));
}

template <class T>
MT_INLINE T gcd(T a, T b) {
  while (b) {
    T r = rest(a, b);
    a = b;
    b = r;
  }
  return a < T(0) ? T(-a) : a;
}
template <class T>
MT_INLINE T lcm(T a, T b) {
  T g = gcd(a, b);
  if (g == T(0)) return T(0);
  T r = T(a / g * b);
  return r < T(0) ? T(-r) : r;
}

}  // namespace MT_FN
