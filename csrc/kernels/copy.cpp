// dst = src with conversion. One read and one write per element.
#include "ops/copy.h"

#include "kernels/copy_transpose.h"
#include "kernels/elementwise.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

// n times the element at v. Where it fills some pages, memset and memcpy do, which on many machines
// write memory without reading it first.
void repeat_run(int64_t size, char* y, const char* v, int64_t n) {
  constexpr int64_t kPiece = 16384;
  if (n * size < 2 * kPiece) return repeat(size, y, v, n);
  bool same = true;
  for (int64_t i = 1; i < size; i++) same = same && v[i] == v[0];
  if (same) {
    __builtin_memset(y, v[0], size_t(n * size));
    return;
  }
  repeat(size, y, v, kPiece / size);
  for (int64_t done = kPiece; done < n * size; done += kPiece)
    __builtin_memcpy(y + done, y, size_t(n * size - done < kPiece ? n * size - done : kPiece));
}

// Rows of fewer than kShort elements, as repeat_interleave has them, without a call per row.
constexpr int64_t kShort = 16;

template <class T>
void copy_short_rows(const ElementIter& it) {
  const int64_t n = it.shape[0], sy = it.strides[0][0], sx = it.strides[0][1];
  ElementIter rows;
  rows.nargs = 2;
  rows.ndim = it.ndim - 1;
  rows.numel = it.numel / n;
  for (int k = 0; k < 2; k++) rows.data[k] = it.data[k];
  for (int d = 1; d < it.ndim; d++) {
    rows.shape[d - 1] = it.shape[d];
    for (int k = 0; k < 2; k++) rows.strides[d - 1][k] = it.strides[d][k];
  }
  auto copy = [=](char* const* data, const int64_t* strides, int64_t count) {
    for (int64_t r = 0; r < count; r++) {
      char* y = data[0] + r * strides[0];
      const char* x = data[1] + r * strides[1];
      for (int64_t i = 0; i < n; i++) {
        *reinterpret_cast<T*>(y + i * sy) = *reinterpret_cast<const T*>(x + i * sx);
        __asm__ volatile("");  // a vector loop costs more than it saves
      }
    }
  };
  run_elementwise(rows, copy, ceil_div(kGrain, n));
}

// Rows of a vector up to a page, without a call per row; their last vectors may overlap.
constexpr int64_t kLongestRow = 4096;

bool copy_rows(const ElementIter& it, int64_t size) {
  const int64_t n = it.shape[0], bytes = n * size;
  if (it.ndim < 2 || it.strides[0][0] != size || it.strides[0][1] != size || bytes < kVectorBytes ||
      bytes > kLongestRow)
    return false;
  using V = simd::Vec<float>;
  const int64_t height = it.shape[1], sy = it.strides[1][0], sx = it.strides[1][1];
  parallel_for(it.numel / n, ceil_div(kGrain, n), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t first = begin % height;
      const int64_t rows = height - first < end - begin ? height - first : end - begin;
      char* data[2] = {it.data[0] + first * sy, it.data[1] + first * sx};
      to_plane(it, begin / height, 2, data);
      begin += rows;
      for (int64_t r = 0; r < rows; r++, data[0] += sy, data[1] += sx) {
        char* y = data[0];
        const char* x = data[1];
        V last;
        __builtin_memcpy(&last, x + bytes - kVectorBytes, sizeof last);
        for (int64_t i = 0; i + kVectorBytes <= bytes; i += kVectorBytes) {
          V v;
          __builtin_memcpy(&v, x + i, sizeof v);
          __builtin_memcpy(y + i, &v, sizeof v);
        }
        __builtin_memcpy(y + bytes - kVectorBytes, &last, sizeof last);
      }
    }
  });
  return true;
}

template <class T>
void copy_same(const ElementIter& it) {
  if (copy_transposed<T>(it) || copy_interleaved<T>(it) || copy_rows(it, sizeof(T))) return;
  if (it.ndim > 1 && it.shape[0] < kShort) return copy_short_rows<T>(it);
  run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {
    char* y = data[0];
    const char* x = data[1];
    int64_t sy = strides[0], sx = strides[1];
    if (sy == sizeof(T) && sx == 0) return repeat_run(sizeof(T), y, x, n);
    if (sy == sizeof(T) && sx == sizeof(T) && n >= 32) {
      __builtin_memcpy(y, x, size_t(n) * sizeof(T));
      return;
    }
    for (int64_t i = 0; i < n; i++)
      *reinterpret_cast<T*>(y + i * sy) = *reinterpret_cast<const T*>(x + i * sx);
  });
}

// The type that a value passes through on its way from src to dst.
DType between(DType dst, DType src) { return compute_dtype(is_floating(dst) ? dst : src); }

template <class T>
void move(char* const* data, int64_t n, const void*) {
  __builtin_memcpy(data[0], data[1], size_t(n) * sizeof(T));
}

}  // namespace

void copy(DType dst, DType src, const ElementIter& it) {
  if (it.numel == 0) return;
  if (dst == src) {
    switch (itemsize(dst)) {
      case 1:
        return copy_same<uint8_t>(it);
      case 2:
        return copy_same<uint16_t>(it);
      case 4:
        return copy_same<uint32_t>(it);
      default:
        return copy_same<uint64_t>(it);
    }
  }
  DType type = between(dst, src);
  int64_t to = int64_t(itemsize(dst)), from = int64_t(itemsize(src));
  bool flat = it.ndim == 1 && it.strides[0][0] == to && it.strides[0][1] == from;
  if (flat && (type == dst || type == src)) {
    Convert convert = type == dst ? load_converter(src, dst) : store_converter(src, dst);
    return parallel_for(it.numel, kGrain, [&](int64_t begin, int64_t end) {
      convert(it.data[0] + begin * to, it.data[1] + begin * from, end - begin);
    });
  }
  OperandTypes types{{dst, src}};
  run_loop(it, types, same_type(itemsize(type) == 4 ? &move<uint32_t> : &move<uint64_t>, type));
}

void fill(DType dtype, const ElementIter& it, const void* value) {
  int64_t size = int64_t(itemsize(dtype));
  const char* v = static_cast<const char*>(value);
  run_elementwise(it, [=](char* const* data, const int64_t* strides, int64_t n) {
    if (strides[0] == size) return repeat_run(size, data[0], v, n);
    for (int64_t i = 0; i < n; i++) repeat(size, data[0] + i * strides[0], v, 1);
  });
}

void arange(DType dtype, void* y, int64_t n, double start, double step, int64_t istart,
            int64_t istep) {
  MT_SWITCH_FLOAT_HALF(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    parallel_for(n, kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        p[i] = store_as<scalar_t>(compute_t<scalar_t>(start + double(i) * step));
    });
  })
  MT_SWITCH_INT(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    parallel_for(n, kGrain, [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) p[i] = scalar_t(istart + i * istep);
    });
  })
}

void linspace(DType dtype, void* y, int64_t n, double start, double end) {
  const double step = n > 1 ? (end - start) / double(n - 1) : 0;
  MT_SWITCH_ALL(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    parallel_for(n, kGrain, [=](int64_t i0, int64_t i1) {
      for (int64_t i = i0; i < i1; i++) {
        const double low = start + double(i) * step, high = end - double(n - 1 - i) * step;
        const double v = 2 * i < n ? low : high;
        p[i] = store_as<scalar_t>(compute_t<scalar_t>(v));
      }
    });
  })
}

}  // namespace mt::cpu::MT_ISA
