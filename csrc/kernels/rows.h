// z = f(x, y) where rows of one operand are broadcast or lie apart: whole rows in vectors, without
// a call or a copy per row. For the few operations that models spend their time in; everything else
// goes through run_loop.
#pragma once
#include "kernels/elementwise.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {

constexpr int64_t kShortestRow = 4;

// What of a row an operand gives: its elements, or one for all.
enum class RowKind { whole, single };

// Rows whose starts lie row[k] bytes apart.
template <class T, RowKind kX, RowKind kY, class F>
MT_INLINE void map2_rows(char* const* data, const int64_t* row, int64_t rows, int64_t n,
                         const F& f) {
  using namespace simd;
  char *z = data[0], *x = data[1], *y = data[2];
  for (int64_t r = 0; r < rows; r++, z += row[0], x += row[1], y += row[2]) {
    T* to = reinterpret_cast<T*>(z);
    const T *a = reinterpret_cast<const T*>(x), *b = reinterpret_cast<const T*>(y);
    const Vec<T> a0 = set(*a), b0 = set(*b);
    for_vectors<T>(n, [&](int64_t i, auto io) {
      const Vec<T> av = kX == RowKind::single ? a0 : io.get(a + i);
      io.put(to + i, f(av, kY == RowKind::single ? b0 : io.get(b + i)));
    });
  }
}

// Runs f over {z, x, y} of type T where every row is whole or single; false where it is not.
template <class T, class F>
bool run_rows(const ElementIter& it, const F& f) {
  if (it.ndim < 2 || it.shape[0] < kShortestRow || it.strides[0][0] != int64_t(sizeof(T)))
    return false;
  for (int k = 1; k < 3; k++)
    if (it.strides[0][k] != 0 && it.strides[0][k] != int64_t(sizeof(T))) return false;
  const int64_t n = it.shape[0], height = it.shape[1];
  const bool x_single = it.strides[0][1] == 0, y_single = it.strides[0][2] == 0;
  if (x_single && y_single) return false;
  parallel_for(it.numel / n, ceil_div(kGrain, n), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t first = begin % height;
      const int64_t rows = height - first < end - begin ? height - first : end - begin;
      char* data[3];
      for (int k = 0; k < 3; k++) data[k] = it.data[k] + first * it.strides[1][k];
      to_plane(it, begin / height, 3, data);
      if (y_single) map2_rows<T, RowKind::whole, RowKind::single>(data, it.strides[1], rows, n, f);
      else if (x_single)
        map2_rows<T, RowKind::single, RowKind::whole>(data, it.strides[1], rows, n, f);
      else map2_rows<T, RowKind::whole, RowKind::whole>(data, it.strides[1], rows, n, f);
      begin += rows;
    }
  });
  return true;
}

}  // namespace mt::cpu::MT_ISA
