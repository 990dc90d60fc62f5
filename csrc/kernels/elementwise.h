// Loops over an ElementIter. There is one contiguous vector loop per op and compute type; what is
// strided, broadcast or of another dtype is brought to it in blocks that fit in the first-level
// cache (csrc/kernels/elementwise.cpp), so that a family's file holds formulas and nothing else.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "core/iter.h"
#include "core/parallel.h"
#include "ops/elementwise.h"

namespace mt::cpu::MT_ISA {

template <class T>
struct Compute {
  using type = T;
};
template <>
struct Compute<float16> {
  using type = float;
};
template <>
struct Compute<bfloat16> {
  using type = float;
};
template <class T>
using compute_t = typename Compute<T>::type;

template <class T>
MT_INLINE compute_t<T> load(const T& v) {
  return v;
}
template <>
MT_INLINE float load<float16>(const float16& v) {
  return to_float(v);
}
template <>
MT_INLINE float load<bfloat16>(const bfloat16& v) {
  return to_float(v);
}

template <class T, class C>
MT_INLINE T store_as(C v) {
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

// --- one loop per op

// Computes n elements; data[k] points to contiguous values of operand k's compute type.
using Loop = void (*)(char* const* data, int64_t n, const void* params);

// The first `outputs` operands are written. compute[k]: what the loop takes as operand k.
struct LoopCall {
  Loop loop;
  const void* params = nullptr;
  DType compute[kMaxOperands];
  int outputs = 1;
  int64_t grain = kGrain;
};
void run_loop(const ElementIter& it, const OperandTypes& types, const LoopCall& call);

// Every operand of the same compute type.
MT_INLINE LoopCall same_type(Loop loop, DType compute, const void* params = nullptr) {
  return {loop, params, {compute, compute, compute, compute}};
}
// The loop writes bool from operands of one compute type.
MT_INLINE LoopCall to_bool(Loop loop, DType compute, const void* params = nullptr) {
  return {loop, params, {DType::Bool, compute, compute, compute}};
}

// y = f(x), z = f(x, y), w = f(x, y, z); an output may be the same memory as an input.
template <class R, class T, class F>
MT_INLINE void map1(char* const* data, int64_t n, const F& f) {
  R* y = reinterpret_cast<R*>(data[0]);
  const T* x = reinterpret_cast<const T*>(data[1]);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = f(x[i]);
}
template <class R, class T, class F>
MT_INLINE void map2(char* const* data, int64_t n, const F& f) {
  R* z = reinterpret_cast<R*>(data[0]);
  const T* x = reinterpret_cast<const T*>(data[1]);
  const T* y = reinterpret_cast<const T*>(data[2]);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) z[i] = f(x[i], y[i]);
}
template <class T, class F>
MT_INLINE void map3(char* const* data, int64_t n, const F& f) {
  T* w = reinterpret_cast<T*>(data[0]);
  const T* x = reinterpret_cast<const T*>(data[1]);
  const T* y = reinterpret_cast<const T*>(data[2]);
  const T* z = reinterpret_cast<const T*>(data[3]);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) w[i] = f(x[i], y[i], z[i]);
}
// The same for functions that do not vectorise: the empty asm keeps the compiler from trying.
template <class R, class T, class F>
MT_INLINE void plain1(char* const* data, int64_t n, const F& f) {
  R* y = reinterpret_cast<R*>(data[0]);
  const T* x = reinterpret_cast<const T*>(data[1]);
  for (int64_t i = 0; i < n; i++) {
    y[i] = f(x[i]);
    __asm__ volatile("");
  }
}
template <class R, class T, class F>
MT_INLINE void plain2(char* const* data, int64_t n, const F& f) {
  R* z = reinterpret_cast<R*>(data[0]);
  const T* x = reinterpret_cast<const T*>(data[1]);
  const T* y = reinterpret_cast<const T*>(data[2]);
  for (int64_t i = 0; i < n; i++) {
    z[i] = f(x[i], y[i]);
    __asm__ volatile("");
  }
}

// --- blocks

// n values of `memory` dtype to n values of compute type, and back; contiguous on both sides.
using Convert = void (*)(char* to, const char* from, int64_t n);
Convert load_converter(DType memory, DType compute);
Convert store_converter(DType compute, DType memory);
// n elements of 1, 2, 4 or 8 bytes between contiguous and strided memory; fill repeats one element.
void gather(int64_t size, char* to, const char* from, int64_t stride, int64_t n);
void scatter(int64_t size, char* to, int64_t stride, const char* from, int64_t n);
void repeat(int64_t size, char* to, const char* from, int64_t n);

// Moves data[k] of the first `operands` to the plane of dims 0 and 1 with this number.
MT_INLINE void to_plane(const ElementIter& it, int64_t plane, int operands, char** data) {
  for (int d = 2; d < it.ndim; d++) {
    const int64_t index = plane % it.shape[d];
    plane /= it.shape[d];
    for (int k = 0; k < operands; k++) data[k] += index * it.strides[d][k];
  }
}

// --- the walk, for kernels with loops of their own

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

template <class Loop>
MT_INLINE void run_elementwise(const ElementIter& it, const Loop& loop, int64_t grain = kGrain) {
  if (it.ndim == 1 && it.numel <= grain) {
    if (it.numel > 0) loop(it.data, it.strides[0], it.numel);
    return;
  }
  parallel_for(it.numel, grain, [&](int64_t begin, int64_t end) { walk(it, begin, end, loop); });
}

}  // namespace mt::cpu::MT_ISA
