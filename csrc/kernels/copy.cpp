// dst = src with conversion. One read and one write per element; a transposed source goes through
// tiles that fit in the first-level cache.
#include "ops/copy.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class D, class S> MT_INLINE D convert(S v) {
  auto c = load<S>(v);
  if constexpr (__is_same(D, uint8_t) || __is_same(D, int8_t) || __is_same(D, int16_t)) {
    // A float outside of the small type's range wraps like the integer of the same value.
    if constexpr (__is_same(decltype(c), float) || __is_same(decltype(c), double))
      return D(int64_t(c));
  }
  return store_as<D>(c);
}

template <class D, class S> void copy_typed(const ElementIter& it) {
  run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {
    char* y = data[0];
    const char* x = data[1];
    if (strides[0] == sizeof(D) && strides[1] == sizeof(S)) {
      D* yp = reinterpret_cast<D*>(y);
      const S* xp = reinterpret_cast<const S*>(x);
      if constexpr (__is_same(D, S)) {
        __builtin_memcpy(yp, xp, size_t(n) * sizeof(D));
      } else {
#pragma GCC ivdep
        for (int64_t i = 0; i < n; i++) yp[i] = convert<D, S>(xp[i]);
      }
    } else if (strides[0] == sizeof(D) && strides[1] == 0) {
      D v = convert<D, S>(*reinterpret_cast<const S*>(x));
      D* yp = reinterpret_cast<D*>(y);
      for (int64_t i = 0; i < n; i++) yp[i] = v;
    } else {
      for (int64_t i = 0; i < n; i++)
        *reinterpret_cast<D*>(y + i * strides[0]) =
            convert<D, S>(*reinterpret_cast<const S*>(x + i * strides[1]));
    }
  });
}


// y[i][j] = x[j][i] for one plane: blocks of 16 x 16 stay in the cache on both sides.
template <class T>
void transpose_plane(char* y, const char* x, int64_t rows, int64_t cols, int64_t y_row, int64_t x_col) {
  constexpr int64_t B = 16;
  int64_t row_blocks = ceil_div(rows, B);
  parallel_for(row_blocks, ceil_div(kGrain, B * (cols ? cols : 1)), [&](int64_t begin, int64_t end) {
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
  return it.ndim >= 2 && it.strides[0][0] == size && it.strides[1][1] == size &&
         it.shape[0] >= 8 && it.shape[1] >= 8;
}

template <class T> bool copy_transposed(const ElementIter& it) {
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

template <class D> void copy_to(DType src, const ElementIter& it) {
  MT_SWITCH_ALL(src, copy_typed<D, scalar_t>(it))
}

template <class T> void copy_same(const ElementIter& it) {
  if (!copy_transposed<T>(it)) copy_typed<T, T>(it);
}

}  // namespace

void copy(DType dst, DType src, const ElementIter& it) {
  if (it.numel == 0) return;
  if (dst == src) {
    switch (itemsize(dst)) {
      case 1: return copy_same<uint8_t>(it);
      case 2: return copy_same<int16_t>(it);
      case 4: return copy_same<int32_t>(it);
      default: return copy_same<int64_t>(it);
    }
  }
  MT_SWITCH_ALL(dst, copy_to<scalar_t>(src, it))
}

void fill(DType dtype, const ElementIter& it, const void* value) {
  MT_SWITCH_ALL(dtype, {
    const scalar_t v = *static_cast<const scalar_t*>(value);
    run_elementwise(it, [v](char* const* data, const int64_t* strides, int64_t n) {
      if (strides[0] == sizeof(scalar_t)) {
        scalar_t* y = reinterpret_cast<scalar_t*>(data[0]);
        for (int64_t i = 0; i < n; i++) y[i] = v;
      } else {
        for (int64_t i = 0; i < n; i++)
          *reinterpret_cast<scalar_t*>(data[0] + i * strides[0]) = v;
      }
    });
  })
}

void arange(DType dtype, void* y, int64_t n, double start, double step, int64_t istart,
            int64_t istep) {
  MT_SWITCH_FLOAT_HALF(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    for (int64_t i = 0; i < n; i++) p[i] = store_as<scalar_t>(compute_t<scalar_t>(start + double(i) * step));
  })
  MT_SWITCH_INT(dtype, {
    auto* p = static_cast<scalar_t*>(y);
    for (int64_t i = 0; i < n; i++) p[i] = scalar_t(istart + i * istep);
  })
}

}  // namespace mt::cpu::MT_ISA
