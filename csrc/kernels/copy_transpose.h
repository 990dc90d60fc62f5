// Copies whose source runs along another dim than the destination: through tiles, so that both
// sides touch whole cache lines.
#pragma once
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

// y[i][j] = x[j][i] for one plane: blocks of 16 x 16 stay in the cache on both sides.
template <class T>
void transpose_plane(char* y, const char* x, int64_t rows, int64_t cols, int64_t y_row,
                     int64_t x_col) {
  constexpr int64_t B = 16;
  int64_t row_blocks = ceil_div(rows, B);
  parallel_for(row_blocks, ceil_div(kGrain, B * (cols ? cols : 1)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t block = begin; block < end; block++) {
                   int64_t i0 = block * B, i1 = i0 + B < rows ? i0 + B : rows;
                   for (int64_t j0 = 0; j0 < cols; j0 += B) {
                     int64_t j1 = j0 + B < cols ? j0 + B : cols;
                     if (i1 - i0 == B && j1 - j0 == B) {
                       T tile[B][B];
                       for (int64_t j = 0; j < B; j++) {
                         const T* from = reinterpret_cast<const T*>(x + (j0 + j) * x_col) + i0;
                         for (int64_t i = 0; i < B; i++) tile[i][j] = from[i];
                       }
                       for (int64_t i = 0; i < B; i++) {
                         T* to = reinterpret_cast<T*>(y + (i0 + i) * y_row) + j0;
                         for (int64_t j = 0; j < B; j++) to[j] = tile[i][j];
                       }
                     } else {
                       for (int64_t i = i0; i < i1; i++)
                         for (int64_t j = j0; j < j1; j++)
                           reinterpret_cast<T*>(y + i * y_row)[j] =
                               reinterpret_cast<const T*>(x + j * x_col)[i];
                     }
                   }
                 }
               });
}

// Whether dims 0 and 1 are a transpose: y runs along dim 0, x along dim 1.
bool is_transpose(const ElementIter& it, int64_t size) {
  return it.ndim >= 2 && it.strides[0][0] == size && it.strides[1][1] == size && it.shape[0] >= 8 &&
         it.shape[1] >= 8;
}

template <class T>
bool copy_transposed(const ElementIter& it) {
  if (!is_transpose(it, sizeof(T))) return false;
  int64_t planes = it.numel / (it.shape[0] * it.shape[1]);
  for (int64_t plane = 0; plane < planes; plane++) {
    char* y = it.data[0];
    const char* x = it.data[1];
    int64_t rest = plane;
    for (int d = 2; d < it.ndim; d++) {
      int64_t index = rest % it.shape[d];
      rest /= it.shape[d];
      y += index * it.strides[d][0];
      x += index * it.strides[d][1];
    }
    transpose_plane<T>(y, x, it.shape[1], it.shape[0], it.strides[1][0], it.strides[0][1]);
  }
  return true;
}

}  // namespace
}  // namespace mt::cpu::MT_ISA
