// Vectors of the instruction set's width, for reductions whose order the compiler may not choose.
#pragma once
#include "core/macros.h"

namespace mt::cpu::MT_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T>
struct Lanes {
  typedef T type __attribute__((vector_size(kVectorBytes)));
  static constexpr int count = kVectorBytes / int(sizeof(T));
};
template <class T>
using lanes_t = typename Lanes<T>::type;

template <class T>
MT_INLINE lanes_t<T> load_lanes(const T* p) {
  lanes_t<T> v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
MT_INLINE void store_lanes(T* p, lanes_t<T> v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// The lanes combined pairwise by f.
template <class T, class F>
MT_INLINE T fold_lanes(lanes_t<T> v, const F& f) {
  T t[Lanes<T>::count];
  __builtin_memcpy(t, &v, sizeof v);
  for (int w = Lanes<T>::count / 2; w > 0; w /= 2)
    for (int j = 0; j < w; j++) t[j] = f(t[j], t[j + w]);
  return t[0];
}

}  // namespace mt::cpu::MT_ISA
