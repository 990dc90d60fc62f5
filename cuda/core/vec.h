// Several neighbouring elements in one access, and elements in the type that a kernel computes in.
#pragma once
#include "core/dtype.h"
#include "cuda/core/simt.h"

namespace mt::cuda {

template <class T, int n>
struct alignas(sizeof(T) * n <= 16 ? sizeof(T) * n : 16) Vec {
  T v[n];
};

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
  if constexpr (sizeof(T) == 2 && !__is_same(T, compute_t<T>)) return to_float(v);
  else return v;
}

template <class T, class C>
MT_INLINE T store_as(C v) {
  if constexpr (__is_same(T, float16)) return to_float16(float(v));
  else if constexpr (__is_same(T, bfloat16)) return to_bfloat16(float(v));
  else if constexpr (__is_same(T, bool)) return v != C(0);
  else return T(v);
}

}  // namespace mt::cuda
