// Copies whose source runs along another dim than the destination: N x N tiles are transposed in
// vector registers, so that both sides touch whole pieces of cache lines. One read and one write
// per element and log2(N) / N shuffles of a vector.
#pragma once
#include "kernels/elementwise.h"
#include "kernels/transpose_tile.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kStrip = 64;  // rows of y that a task writes

// The rows [i0, i1) of y[i][j] = x[j][i] for one plane, `cols` long, by way of a block in the first
// level, from which the rows go out in runs of several lines while the next lines of x come in.
template <class T>
void transpose_rows(char* y, const char* x, int64_t i0, int64_t i1, int64_t cols, int64_t y_row,
                    int64_t x_row) {
  constexpr int64_t N = kTransposeTile<T>, size = sizeof(T), B = size > 4 ? 64 : 128;
  alignas(64) T block[kStrip * B];
  const int64_t h = i1 - i0;
  x += i0 * size;
  for (int64_t j0 = 0; j0 < cols; j0 += B) {
    const int64_t w = cols - j0 < B ? cols - j0 : B;
    const char* from = x + j0 * x_row;
    for (int64_t j = 0; j < w; j += N)
      for (int64_t i = 0; i < h; i += N) {
        if (j + N <= w && i + N <= h) {
          transpose_tile<T, N>(block + i * B + j, B * size,
                               reinterpret_cast<const T*>(from + j * x_row) + i, x_row);
          continue;
        }
        for (int64_t b = j; b < j + N && b < w; b++)
          for (int64_t a = i; a < i + N && a < h; a++)
            block[a * B + b] = reinterpret_cast<const T*>(from + b * x_row)[a];
      }
    const int64_t left = cols - j0 - w, next = left < B ? left : B;
    const char* ahead = from + B * x_row;
    for (int64_t i = 0, j = 0; i < h; i++) {
      __builtin_memcpy(y + (i0 + i) * y_row + j0 * size, block + i * B, size_t(w * size));
      for (; j < next && j * h <= i * next; j++)
        for (int64_t k = 0; k < h * size; k += 64) __builtin_prefetch(ahead + j * x_row + k);
    }
  }
}

// Whether dims 0 and 1 are a transpose: y runs along dim 0, x along dim 1.
bool is_transpose(const ElementIter& it, int64_t size) {
  return it.ndim >= 2 && it.strides[0][0] == size && it.strides[1][1] == size && it.shape[0] >= 8 &&
         it.shape[1] >= 8 && it.strides[0][1] != 0 && it.strides[1][0] != 0;
}

template <class T>
bool copy_transposed(const ElementIter& it) {
  if (!is_transpose(it, sizeof(T))) return false;
  const int64_t rows = it.shape[1], cols = it.shape[0], strips = ceil_div(rows, kStrip);
  const int64_t planes = it.numel / (rows * cols);
  parallel_for(planes * strips, ceil_div(kGrain, kStrip * cols), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      char* y = it.data[0];
      const char* x = it.data[1];
      int64_t rest = task / strips;
      for (int d = 2; d < it.ndim; d++) {
        const int64_t index = rest % it.shape[d];
        rest /= it.shape[d];
        y += index * it.strides[d][0];
        x += index * it.strides[d][1];
      }
      const int64_t i0 = task % strips * kStrip, i1 = i0 + kStrip < rows ? i0 + kStrip : rows;
      transpose_rows<T>(y, x, i0, i1, cols, it.strides[1][0], it.strides[0][1]);
    }
  });
  return true;
}

}  // namespace
}  // namespace mt::cpu::MT_ISA
