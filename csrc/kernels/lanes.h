// Vectors of the instruction set's width, for reductions whose order the compiler may not choose.
#pragma once
#include "kernels/vector_bytes.h"

namespace mt::cpu::MT_ISA {

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

template <class T>
using int_lanes_t = lanes_t<typename Int<sizeof(T)>::type>;

// f of the last `rest` < count elements before `end`, zero in the other lanes: reads the vector
// that ends there, so at least one vector of elements must lie before it.
template <class T, class F>
MT_INLINE lanes_t<T> map_last(const T* end, int64_t rest, const F& f) {
  constexpr int L = Lanes<T>::count;
  using I = int_lanes_t<T>;
  I lane;
  for (int j = 0; j < L; j++) lane[j] = j;
  const I first = I{} + typename Int<sizeof(T)>::type(L - rest);
  const lanes_t<T> v = f(load_lanes(end - L));
  return lane >= first ? v : lanes_t<T>{};
}

// Lane j takes lane j + w, or j + w - count beyond the end.
template <class T, int w>
MT_INLINE lanes_t<T> rotate_lanes(lanes_t<T> v) {
  constexpr int L = Lanes<T>::count;
  if constexpr (L == 16)
    return __builtin_shuffle(
        v, int_lanes_t<T>{w, w + 1, w + 2, w + 3, w + 4, w + 5, w + 6, w + 7, w + 8, w + 9, w + 10,
                          w + 11, w + 12, w + 13, w + 14, w + 15});
  if constexpr (L == 8)
    return __builtin_shuffle(v, int_lanes_t<T>{w, w + 1, w + 2, w + 3, w + 4, w + 5, w + 6, w + 7});
  if constexpr (L == 4) return __builtin_shuffle(v, int_lanes_t<T>{w, w + 1, w + 2, w + 3});
  if constexpr (L == 2) return __builtin_shuffle(v, int_lanes_t<T>{w, w + 1});
  return v;
}

// The lanes combined pairwise by f, which takes vectors.
template <class T, class F>
MT_INLINE T fold_lanes(lanes_t<T> v, const F& f) {
  constexpr int L = Lanes<T>::count;
  if constexpr (L > 8) v = f(v, rotate_lanes<T, 8>(v));
  if constexpr (L > 4) v = f(v, rotate_lanes<T, 4>(v));
  if constexpr (L > 2) v = f(v, rotate_lanes<T, 2>(v));
  if constexpr (L > 1) v = f(v, rotate_lanes<T, 1>(v));
  return v[0];
}

}  // namespace mt::cpu::MT_ISA
