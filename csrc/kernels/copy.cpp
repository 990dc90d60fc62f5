// dst = src with conversion. One read and one write per element.
#include "ops/copy.h"

#include "kernels/copy_transpose.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void copy_same(const ElementIter& it) {
  if (copy_transposed<T>(it)) return;
  run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {
    char* y = data[0];
    const char* x = data[1];
    int64_t sy = strides[0], sx = strides[1];
    if (sy == sizeof(T) && sx == 0) return repeat(sizeof(T), y, x, n);
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
    if (strides[0] == size) return repeat(size, data[0], v, n);
    for (int64_t i = 0; i < n; i++) repeat(size, data[0] + i * strides[0], v, 1);
  });
}

void arange(DType dtype, void* y, int64_t n, double start, double step, int64_t istart,
            int64_t istep) {
  MT_SWITCH_FLOAT_HALF(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    for (int64_t i = 0; i < n; i++)
      p[i] = store_as<scalar_t>(compute_t<scalar_t>(start + double(i) * step));
  })
  MT_SWITCH_INT(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    for (int64_t i = 0; i < n; i++) p[i] = scalar_t(istart + i * istep);
  })
}

}  // namespace mt::cpu::MT_ISA
