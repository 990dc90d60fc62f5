// Loops over an ElementIter: the index walk, the choice of a contiguous, scalar or strided inner
// loop, and the split over threads. A formula is a function of compute-type values; 16-bit floats
// are widened to float around it.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"
#include "core/parallel.h"

namespace mt::cpu::MT_ISA {

template <class T> struct Compute { using type = T; };
template <> struct Compute<float16> { using type = float; };
template <> struct Compute<bfloat16> { using type = float; };
template <class T> using compute_t = typename Compute<T>::type;

template <class T> MT_INLINE compute_t<T> load(const T& v) { return v; }
template <> MT_INLINE float load<float16>(const float16& v) { return to_float(v); }
template <> MT_INLINE float load<bfloat16>(const bfloat16& v) { return to_float(v); }

template <class T, class C> MT_INLINE T store_as(C v) {
  if constexpr (__is_same(T, float16)) {
    return to_float16(float(v));
  } else if constexpr (__is_same(T, bfloat16)) {
    return to_bfloat16(float(v));
  } else if constexpr (__is_same(T, bool)) {
    return v != C(0);
  } else {
    return T(v);
  }
}

// loop(data, strides, n) for every innermost run of elements [begin, end).
template <class Loop>
MT_INLINE void walk(const ElementIter& it, int64_t begin, int64_t end, const Loop& loop) {
  int64_t index[kMaxIterDims];
  char* data[kMaxOperands];
  for (int k = 0; k < it.nargs; k++) data[k] = it.data[k];
  int64_t rest = begin;
  for (int d = 0; d < it.ndim; d++) {
    index[d] = it.ndim == 1 ? rest : rest % it.shape[d];
    rest = it.ndim == 1 ? 0 : rest / it.shape[d];
    for (int k = 0; k < it.nargs; k++) data[k] += index[d] * it.strides[d][k];
  }
  while (begin < end) {
    int64_t n = it.shape[0] - index[0];
    if (n > end - begin) n = end - begin;
    loop(data, it.strides[0], n);
    begin += n;
    if (begin >= end) return;
    for (int k = 0; k < it.nargs; k++) data[k] -= index[0] * it.strides[0][k];
    index[0] = 0;
    for (int d = 1; d < it.ndim; d++) {
      index[d]++;
      for (int k = 0; k < it.nargs; k++) data[k] += it.strides[d][k];
      if (index[d] < it.shape[d]) break;
      for (int k = 0; k < it.nargs; k++) data[k] -= index[d] * it.strides[d][k];
      index[d] = 0;
    }
  }
}

template <class Loop> MT_INLINE void run_elementwise(const ElementIter& it, const Loop& loop,
                                                     int64_t grain = kGrain) {
  if (it.ndim == 1 && it.numel <= grain) {
    if (it.numel > 0) loop(it.data, it.strides[0], it.numel);
    return;
  }
  parallel_for(it.numel, grain, [&](int64_t begin, int64_t end) { walk(it, begin, end, loop); });
}

// y = f(x)
template <class R, class T, class F>
MT_INLINE void map1(char* const* data, const int64_t* strides, int64_t n, const F& f) {
  char* y = data[0];
  const char* x = data[1];
  int64_t sy = strides[0], sx = strides[1];
  if (sy == sizeof(R) && sx == sizeof(T)) {
    R* yp = reinterpret_cast<R*>(y);
    const T* xp = reinterpret_cast<const T*>(x);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) yp[i] = store_as<R>(f(load<T>(xp[i])));
  } else {
    for (int64_t i = 0; i < n; i++)
      *reinterpret_cast<R*>(y + i * sy) =
          store_as<R>(f(load<T>(*reinterpret_cast<const T*>(x + i * sx))));
  }
}

// z = f(x, y)
template <class R, class T, class F>
MT_INLINE void map2(char* const* data, const int64_t* strides, int64_t n, const F& f) {
  constexpr int64_t size = sizeof(T);
  int64_t sz = strides[0], sx = strides[1], sy = strides[2];
  R* zp = reinterpret_cast<R*>(data[0]);
  const T* xp = reinterpret_cast<const T*>(data[1]);
  const T* yp = reinterpret_cast<const T*>(data[2]);
  if (sz == sizeof(R) && sx == size && sy == size) {
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) zp[i] = store_as<R>(f(load<T>(xp[i]), load<T>(yp[i])));
  } else if (sz == sizeof(R) && sx == size && sy == 0) {
    const auto y = load<T>(*yp);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) zp[i] = store_as<R>(f(load<T>(xp[i]), y));
  } else if (sz == sizeof(R) && sx == 0 && sy == size) {
    const auto x = load<T>(*xp);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) zp[i] = store_as<R>(f(x, load<T>(yp[i])));
  } else {
    for (int64_t i = 0; i < n; i++)
      *reinterpret_cast<R*>(data[0] + i * sz) =
          store_as<R>(f(load<T>(*reinterpret_cast<const T*>(data[1] + i * sx)),
                        load<T>(*reinterpret_cast<const T*>(data[2] + i * sy))));
  }
}

// w = f(x, y, z); the operands may have different types.
template <class R, class A, class B, class C, class F>
MT_INLINE void map3(char* const* data, const int64_t* strides, int64_t n, const F& f) {
  int64_t sw = strides[0], sx = strides[1], sy = strides[2], sz = strides[3];
  if (sw == sizeof(R) && sx == sizeof(A) && sy == sizeof(B) && sz == sizeof(C)) {
    R* wp = reinterpret_cast<R*>(data[0]);
    const A* xp = reinterpret_cast<const A*>(data[1]);
    const B* yp = reinterpret_cast<const B*>(data[2]);
    const C* zp = reinterpret_cast<const C*>(data[3]);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++)
      wp[i] = store_as<R>(f(load<A>(xp[i]), load<B>(yp[i]), load<C>(zp[i])));
  } else {
    for (int64_t i = 0; i < n; i++)
      *reinterpret_cast<R*>(data[0] + i * sw) =
          store_as<R>(f(load<A>(*reinterpret_cast<const A*>(data[1] + i * sx)),
                        load<B>(*reinterpret_cast<const B*>(data[2] + i * sy)),
                        load<C>(*reinterpret_cast<const C*>(data[3] + i * sz))));
  }
}

}  // namespace mt::cpu::MT_ISA
