// Average pooling: y = sum over the window / size of the window, and dx = dy spread over it.
// The rows of a window are added into one row first, then its columns: k0*k1 + k2 additions per
// element instead of k0*k1*k2, all of them along the width. One read of x, one write of y.
#include "ops/pool.h"

#include "kernels/pool_avg_lanes.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kStackRow = 1024;

template <class T>
struct Row {
  explicit Row(int64_t n) : bytes(n > kStackRow ? size_t(n) * sizeof(T) : 0) {
    data = bytes ? static_cast<T*>(cpu_allocate(bytes)) : few;
  }
  ~Row() {
    if (bytes) cpu_free(data, bytes);
  }
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;
  size_t bytes;
  T* data;
  T few[kStackRow];
};

// Elements that window q of dim d divides by.
MT_INLINE int64_t extent(const PoolParams& p, int d, int64_t q) {
  const int64_t begin = q * p.stride[d] - p.padding[d];
  if (p.count_padding) return clamp64(begin + p.kernel[d], begin, p.in[d] + p.padding[d]) - begin;
  return clamp64(begin + p.kernel[d], 0, p.in[d]) - clamp64(begin, 0, p.in[d]);
}

// scale[q] = 1 / elements of window (q0, q1, q); the factor of the leading dims is `lead`.
template <class T>
void fill_divisors(const PoolParams& p, T* divisor) {
  for (int64_t q = 0; q < p.out[2]; q++) divisor[q] = p.divisor ? T(p.divisor) : T(extent(p, 2, q));
}
template <class T>
MT_INLINE T lead_divisor(const PoolParams& p, int64_t q0, int64_t q1) {
  return p.divisor ? T(1) : T(extent(p, 0, q0) * extent(p, 1, q1));
}

template <class T>
MT_INLINE void add_strided(const T* __restrict from, int64_t stride, int64_t n, T* __restrict to) {
  if (stride == 1) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) to[j] += from[j];
  } else if (stride == 2) {
#pragma GCC ivdep
    for (int64_t j = 0; j < n; j++) to[j] += from[2 * j];
  } else {
    for (int64_t j = 0; j < n; j++) to[j] += from[j * stride];
  }
}

template <class T>
void forward(const PoolParams& p, const T* x, T* y) {
  if (planes_fill_lanes<T>(p)) return avg_forward_lanes(p, false, x, y);
  Row<T> divisor(p.out[2]);
  fill_divisors(p, divisor.data);
  for_planes(p, p.in_size() + p.out_size() * 4, [&](int64_t plane) {
    const T* from = x + plane * p.in_size();
    Row<T> sums(p.in[2]);
    for (int64_t q = 0; q < p.out[0] * p.out[1]; q++) {
      const int64_t q0 = q / p.out[1], q1 = q % p.out[1];
      T* to = y + plane * p.out_size() + q * p.out[2];
      bool first = true;
      for_rows(p, q0, q1, [&](int64_t row, int64_t) {
        const T* __restrict r = from + row * p.in[2];
        T* __restrict s = sums.data;
        if (first) {
          for (int64_t j = 0; j < p.in[2]; j++) s[j] = r[j];
        } else {
#pragma GCC ivdep
          for (int64_t j = 0; j < p.in[2]; j++) s[j] += r[j];
        }
        first = false;
      });
      for (int64_t j = 0; j < p.out[2]; j++) to[j] = T(0);
      if (!first) {
        for (int64_t t = 0; t < p.kernel[2]; t++) {
          const TapRange r(p, 2, t);
          add_strided(sums.data + r.lo * p.stride[2] + r.offset, p.stride[2], r.hi - r.lo,
                      to + r.lo);
        }
      }
      const T lead = lead_divisor<T>(p, q0, q1);
      const T* __restrict d = divisor.data;
#pragma GCC ivdep
      for (int64_t j = 0; j < p.out[2]; j++) to[j] = to[j] / (lead * d[j]);
    }
  });
}

template <class T>
void backward(const PoolParams& p, const T* dy, T* dx) {
  if (planes_fill_lanes<T>(p)) return avg_backward_lanes(p, false, dy, dx);
  Row<T> divisor(p.out[2]);
  fill_divisors(p, divisor.data);
  for_planes(p, p.in_size() + p.out_size() * 4, [&](int64_t plane) {
    T* to = dx + plane * p.in_size();
    Row<T> scaled(p.out[2]), spread(p.in[2]);
    for (int64_t i = 0; i < p.in_size(); i++) to[i] = T(0);
    for (int64_t q = 0; q < p.out[0] * p.out[1]; q++) {
      const int64_t q0 = q / p.out[1], q1 = q % p.out[1];
      const T* __restrict g = dy + plane * p.out_size() + q * p.out[2];
      const T lead = lead_divisor<T>(p, q0, q1);
      T* __restrict s = scaled.data;
      for (int64_t j = 0; j < p.out[2]; j++) s[j] = g[j] / (lead * divisor.data[j]);
      T* __restrict wide = spread.data;
      for (int64_t j = 0; j < p.in[2]; j++) wide[j] = T(0);
      for (int64_t t = 0; t < p.kernel[2]; t++) {
        const TapRange r(p, 2, t);
        T* __restrict at = wide + r.lo * p.stride[2] + r.offset;
        for (int64_t j = 0; j < r.hi - r.lo; j++) at[j * p.stride[2]] += s[r.lo + j];
      }
      for_rows(p, q0, q1, [&](int64_t row, int64_t) {
        T* __restrict r = to + row * p.in[2];
#pragma GCC ivdep
        for (int64_t j = 0; j < p.in[2]; j++) r[j] += wide[j];
      });
    }
  });
}

}  // namespace

void avg_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y) {
  MT_SWITCH_FLOAT(dtype,
                  forward<scalar_t>(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y)))
}

void avg_pool_backward(DType dtype, const PoolParams& p, const void* dy, void* dx) {
  MT_SWITCH_FLOAT(
      dtype, backward<scalar_t>(p, static_cast<const scalar_t*>(dy), static_cast<scalar_t*>(dx)))
}

}  // namespace mt::cpu::MT_ISA
