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
      char* data[2] = {it.data[0], it.data[1]};
      to_plane(it, task / strips, 2, data);
      const int64_t i0 = task % strips * kStrip, i1 = i0 + kStrip < rows ? i0 + kStrip : rows;
      transpose_rows<T>(data[0], data[1], i0, i1, cols, it.strides[1][0], it.strides[0][1]);
    }
  });
  return true;
}

// y_c[i] = x[i * C + c], or the way back, for C planes of n elements: the channels of an image.
template <class T, int C, bool apart>
MT_INLINE void interleave_planes(char* y, const char* x, int64_t plane, int64_t begin,
                                 int64_t end) {
  T* __restrict to = reinterpret_cast<T*>(y);
  const T* __restrict from = reinterpret_cast<const T*>(x);
  const int64_t p1 = plane, p2 = 2 * plane, p3 = 3 * plane;
#pragma GCC ivdep
  for (int64_t i = begin; i < end; i++) {
    if constexpr (apart) {
      to[i] = from[C * i];
      to[p1 + i] = from[C * i + 1];
      if constexpr (C > 2) to[p2 + i] = from[C * i + 2];
      if constexpr (C > 3) to[p3 + i] = from[C * i + 3];
    } else {
      to[C * i] = from[i];
      to[C * i + 1] = from[p1 + i];
      if constexpr (C > 2) to[C * i + 2] = from[p2 + i];
      if constexpr (C > 3) to[C * i + 3] = from[p3 + i];
    }
  }
}

template <class T, bool apart>
bool copy_channels(const ElementIter& it) {
  constexpr int64_t size = sizeof(T);
  constexpr int pixel = apart ? 0 : 1, channel = apart ? 1 : 0;  // dims
  constexpr int planes = apart ? 0 : 1, mixed = apart ? 1 : 0;   // operands
  if (it.ndim < 2) return false;
  const int64_t n = it.shape[pixel], count = it.shape[channel];
  if (n < 32 || count < 2 || count > 4 || it.strides[pixel][planes] != size ||
      it.strides[pixel][mixed] != count * size || it.strides[channel][mixed] != size ||
      it.strides[channel][planes] % size != 0)
    return false;
  const int64_t plane = it.strides[channel][planes] / size, images = it.numel / (n * count);
  const int64_t chunk = kGrain / count / 64 * 64, chunks = ceil_div(n, chunk);
  parallel_for(images * chunks, ceil_div(kGrain, n * count), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      char* data[2] = {it.data[0], it.data[1]};
      to_plane(it, task / chunks, 2, data);
      const int64_t from = task % chunks * chunk, to = from + chunk < n ? from + chunk : n;
      if (count == 2) interleave_planes<T, 2, apart>(data[0], data[1], plane, from, to);
      if (count == 3) interleave_planes<T, 3, apart>(data[0], data[1], plane, from, to);
      if (count == 4) interleave_planes<T, 4, apart>(data[0], data[1], plane, from, to);
    }
  });
  return true;
}

// Between pixels of two to four channels and planes.
template <class T>
bool copy_interleaved(const ElementIter& it) {
  return copy_channels<T, true>(it) || copy_channels<T, false>(it);
}

}  // namespace
}  // namespace mt::cpu::MT_ISA
