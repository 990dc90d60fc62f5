// Copies with conversion, fills and arithmetic sequences. One read and one write per element.
//
// The same dtype: contiguous memory goes through the copy engine; a transposed matrix through tiles
// of shared memory, so that reads and writes are both along their rows; contiguous rows in units of
// up to 16 bytes; the rest element by element.
#include "ops/copy.h"

#include "cuda/kernels/elementwise.cuh"

namespace mt::cuda {
namespace {

struct Strided2 {
  uint32_t numel;
  int ndim;
  char *to, *from;
  Divider shape[kMaxIterDims];
  int64_t strides[kMaxIterDims][2];
};

Strided2 strided_of(const ElementIter& it) {
  Strided2 s;
  s.numel = uint32_t(it.numel);
  s.ndim = it.ndim;
  s.to = it.data[0];
  s.from = it.data[1];
  for (int d = 0; d < it.ndim; d++) {
    s.shape[d] = Divider(uint32_t(it.shape[d]));
    s.strides[d][0] = it.strides[d][0];
    s.strides[d][1] = it.nargs > 1 ? it.strides[d][1] : 0;
  }
  return s;
}

__device__ __forceinline__ void locate(const Strided2& s, uint32_t i, char** to, char** from) {
  int64_t a = 0, b = 0;
  for (int d = 0; d < s.ndim; d++) {
    uint32_t index;
    i = s.shape[d].divide(i, &index);
    a += index * s.strides[d][0];
    b += index * s.strides[d][1];
  }
  *to = s.to + a;
  *from = s.from + b;
}

using Unit16 = Vec<uint32_t, 4>;

// Where the innermost dim is contiguous: counts `it` in the largest units of up to 16 bytes that
// all its rows consist of. Returns the bytes of a unit.
int64_t widen(ElementIter& it, int64_t size) {
  if (it.ndim == 0) return size;
  uint64_t bits = uint64_t(16 | it.shape[0] * size);
  for (int k = 0; k < it.nargs; k++) {
    if (it.strides[0][k] != size) return size;
    bits |= reinterpret_cast<uintptr_t>(it.data[k]);
    for (int d = 1; d < it.ndim; d++) bits |= uint64_t(it.strides[d][k]);
  }
  const int64_t unit = int64_t(bits & -bits);
  if (unit <= size) return size;
  it.shape[0] = it.shape[0] * size / unit;
  it.numel = it.numel * size / unit;
  for (int k = 0; k < it.nargs; k++) it.strides[0][k] = unit;
  return unit;
}

// f(example of a unit) for units of 1 to 16 bytes.
template <class F>
void with_unit(int64_t bytes, const F& f) {
  if (bytes == 1) return f(uint8_t{});
  if (bytes == 2) return f(uint16_t{});
  if (bytes == 4) return f(uint32_t{});
  if (bytes == 8) return f(uint64_t{});
  f(Unit16{});
}

template <class T>
__global__ void __launch_bounds__(kThreads) copy_same_kernel(const Strided2 s) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  char *to, *from;
  locate(s, i, &to, &from);
  *reinterpret_cast<T*>(to) = *reinterpret_cast<const T*>(from);
}

// As C converts, except that anything but zero is true.
template <class To, class From>
__device__ __forceinline__ To converted(From v) {
  return store_as<To>(load(v));
}

template <class To>
__global__ void __launch_bounds__(kThreads) copy_convert_kernel(DType src, const Strided2 s) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  char *to, *from;
  locate(s, i, &to, &from);
  MT_SWITCH_ALL(src, {
    *reinterpret_cast<To*>(to) = converted<To>(*reinterpret_cast<const scalar_t*>(from));
  })
}

// A plane of `rows` x `columns` whose source runs along rows and whose destination along columns:
// both in units of T.
constexpr int kTile = 32, kTileRows = 8;
struct Transpose {
  char *to, *from;
  int64_t columns, rows;        // columns: contiguous in the destination
  int64_t to_row, from_column;  // strides in elements
  int ndim;                     // further dims
  Divider shape[kMaxIterDims];
  int64_t strides[kMaxIterDims][2];  // bytes
};

template <class T>
__global__ void __launch_bounds__(kTile* kTileRows) transpose_kernel(const Transpose t) {
  MT_SHARED(T, tile, kTile * (kTile + 1));
  const int64_t column0 = int64_t(blockIdx.x) * kTile;
  const int x = threadIdx.x % kTile, y = threadIdx.x / kTile;
  int64_t to_plane = 0, from_plane = 0;
  uint32_t plane = blockIdx.z;
  for (int d = 0; d < t.ndim; d++) {
    uint32_t index;
    plane = t.shape[d].divide(plane, &index);
    to_plane += index * t.strides[d][0];
    from_plane += index * t.strides[d][1];
  }
  const T* from = reinterpret_cast<const T*>(t.from + from_plane);
  T* to = reinterpret_cast<T*>(t.to + to_plane);
  for (int64_t row0 = int64_t(blockIdx.y) * kTile; row0 < t.rows;
       row0 += int64_t(gridDim.y) * kTile) {
    for (int c = y; c < kTile; c += kTileRows)
      if (column0 + c < t.columns && row0 + x < t.rows)
        tile[c * (kTile + 1) + x] = from[(column0 + c) * t.from_column + row0 + x];
    __syncthreads();
    for (int r = y; r < kTile; r += kTileRows) {
      if (column0 + x < t.columns && row0 + r < t.rows) {
        const T v = tile[x * (kTile + 1) + r];
        to[(row0 + r) * t.to_row + column0 + x] = v;
      }
    }
    __syncthreads();
  }
}

// Whether the innermost dim is the destination's and another one the source's; fills `t`.
bool as_transpose(const ElementIter& it, int64_t size, Transpose* t) {
  if (it.ndim < 2 || it.strides[0][0] != size || it.strides[0][1] == size) return false;
  int row = -1;
  for (int d = 1; d < it.ndim; d++)
    if (it.strides[d][1] == size) row = d;
  if (row < 0 || it.shape[0] < 8 || it.shape[row] < 8) return false;
  if (it.strides[row][0] % size || it.strides[0][1] % size) return false;
  *t = {it.data[0],
        it.data[1],
        it.shape[0],
        it.shape[row],
        it.strides[row][0] / size,
        it.strides[0][1] / size,
        0,
        {},
        {}};
  int64_t planes = 1;
  for (int d = 1; d < it.ndim; d++) {
    if (d == row) continue;
    t->shape[t->ndim] = Divider(uint32_t(it.shape[d]));
    t->strides[t->ndim][0] = it.strides[d][0];
    t->strides[t->ndim++][1] = it.strides[d][1];
    planes *= it.shape[d];
  }
  return planes <= 65535 && it.numel <= 0x7fffffff;
}

template <class T>
void copy_same(const ElementIter& it) {
  const int64_t size = sizeof(T);
  if (it.ndim <= 1 && (it.ndim == 0 || (it.strides[0][0] == size && it.strides[0][1] == size))) {
    MT_CUDA_CHECK(cudaMemcpyAsync(it.data[0], it.data[1], size_t(it.numel) * sizeof(T),
                                  cudaMemcpyDeviceToDevice, stream()));
    return;
  }
  Transpose t;
  if (as_transpose(it, size, &t)) {
    const int64_t planes = it.numel / (t.columns * t.rows);
    const dim3 grid(grid_for(t.columns, kTile), grid_for(t.rows, kTile, 65535), unsigned(planes));
    MT_LAUNCH((transpose_kernel<T>), grid, kTile * kTileRows, 0, stream(), t);
    return;
  }
  ElementIter rows = it;
  with_unit(widen(rows, size), [&](auto example) {
    for_small_parts(rows, [](const ElementIter& part) {
      MT_LAUNCH((copy_same_kernel<decltype(example)>), grid_for(part.numel, kThreads), kThreads, 0,
                stream(), strided_of(part));
    });
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads) fill_kernel(const Strided2 s, T value) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  char *to, *from;
  locate(s, i, &to, &from);
  *reinterpret_cast<T*>(to) = value;
}

struct same_f {
  __device__ float operator()(float x) const { return x; }
};

// Read and written by the elementwise kernels of float, in vectors.
constexpr bool moves_as_float(DType t) {
  return t == DType::Float32 || t == DType::Float16 || t == DType::BFloat16;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    arange_kernel(T* y, int64_t n, double start, double step, int64_t istart, int64_t istep) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    if constexpr (__is_same(compute_t<T>, float) || __is_same(T, double))
      y[i] = store_as<T>(compute_t<T>(start + double(i) * step));
    else y[i] = T(istart + i * istep);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    linspace_kernel(T* y, int64_t n, double start, double end, double step) {
  for (int64_t i = thread_index(); i < n; i += thread_count()) {
    const double low = start + double(i) * step, high = end - double(n - 1 - i) * step;
    y[i] = store_as<T>(compute_t<T>(2 * i < n ? low : high));
  }
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
  if (moves_as_float(dst) && moves_as_float(src))
    return run_elementwise<float, float, 1>(it, {{dst, src}}, same_f{});
  for_small_parts(it, [&](const ElementIter& part) {
    MT_SWITCH_ALL(dst, {
      MT_LAUNCH((copy_convert_kernel<scalar_t>), grid_for(part.numel, kThreads), kThreads, 0,
                stream(), src, strided_of(part));
    })
  });
}

void fill(DType dtype, const ElementIter& it, const void* value) {
  if (it.numel == 0) return;
  const size_t size = itemsize(dtype);
  char pattern[sizeof(Unit16)];
  for (size_t i = 0; i < sizeof pattern; i += size) memcpy(pattern + i, value, size);
  ElementIter rows = it;
  with_unit(widen(rows, int64_t(size)), [&](auto unit) {
    memcpy(&unit, pattern, sizeof unit);
    for_small_parts(rows, [&](const ElementIter& part) {
      MT_LAUNCH((fill_kernel<decltype(unit)>), grid_for(part.numel, kThreads), kThreads, 0,
                stream(), strided_of(part), unit);
    });
  });
}

void arange(DType dtype, void* y, int64_t n, double start, double step, int64_t istart,
            int64_t istep) {
  if (n == 0) return;
  const auto launch = [&](auto* p) {
    using T = std::remove_pointer_t<decltype(p)>;
    MT_LAUNCH((arange_kernel<T>), grid_for(n, kThreads, 1 << 20), kThreads, 0, stream(), p, n,
              start, step, istart, istep);
  };
  MT_SWITCH_FLOAT_HALF(dtype, launch(static_cast<scalar_t*>(y));)
  MT_SWITCH_INT(dtype, launch(static_cast<scalar_t*>(y));)
}

void linspace(DType dtype, void* y, int64_t n, double start, double end) {
  if (n == 0) return;
  const double step = n > 1 ? (end - start) / double(n - 1) : 0;
  MT_SWITCH_ALL(dtype, {
    MT_LAUNCH((linspace_kernel<scalar_t>), grid_for(n, kThreads, 1 << 20), kThreads, 0, stream(),
              static_cast<scalar_t*>(y), n, start, end, step);
  })
}

}  // namespace mt::cuda
