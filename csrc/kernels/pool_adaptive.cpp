// Pooling to a given output size: window q of a dim is [floor(q*in/out), ceil((q+1)*in/out)).
// One output for the whole plane (global pooling) is a plain sum.
#include "kernels/pool_avg_lanes.h"
#include "kernels/pool_max_lanes.h"

namespace mt::cpu::MT_ISA {
namespace {

struct Span {
  int64_t begin, end;
};
MT_INLINE Span span(const PoolParams& p, int d, int64_t q) {
  return {q * p.in[d] / p.out[d], ceil_div((q + 1) * p.in[d], p.out[d])};
}

template <class T>
MT_INLINE T sum_run(const T* x, int64_t n) {
  using V = simd::Vec<T>;
  return simd::sum_lanes<T>(simd::reduce<T>(
      n, V{}, [](V a, V b) { return a + b; }, [&](int64_t i) { return simd::load(x + i); },
      [&](int64_t i, int64_t rest) { return simd::load_n(x + i, rest, T(0)); }));
}

// f(window, output) over the windows of a plane.
template <class F>
MT_INLINE void for_windows(const PoolParams& p, const F& f) {
  int64_t i = 0;
  for (int64_t q0 = 0; q0 < p.out[0]; q0++)
    for (int64_t q1 = 0; q1 < p.out[1]; q1++)
      for (int64_t q2 = 0; q2 < p.out[2]; q2++, i++) {
        const Span w[3] = {span(p, 0, q0), span(p, 1, q1), span(p, 2, q2)};
        f(w, i);
      }
}

MT_INLINE int64_t window_size(const Span* w) {
  return (w[0].end - w[0].begin) * (w[1].end - w[1].begin) * (w[2].end - w[2].begin);
}

template <class T>
void avg_forward(const PoolParams& p, const T* x, T* y) {
  const bool global = !p.channels && p.out_size() == 1;
  if (planes_fill_lanes<T>(p) && !global) return avg_forward_lanes(p, true, x, y);
  for_planes(p, p.in_size() + 4 * p.out_size(), [&](int64_t plane) {
    const T* from = x + plane * p.in_size();
    T* to = y + plane * p.out_size();
    if (p.out_size() == 1) {
      to[0] = sum_run(from, p.in_size()) / T(p.in_size());
      return;
    }
    for_windows(p, [&](const Span* w, int64_t i) {
      T sum = T(0);
      for (int64_t i0 = w[0].begin; i0 < w[0].end; i0++)
        for (int64_t i1 = w[1].begin; i1 < w[1].end; i1++)
          sum += sum_run(from + (i0 * p.in[1] + i1) * p.in[2] + w[2].begin, w[2].end - w[2].begin);
      to[i] = sum / T(window_size(w));
    });
  });
}

template <class T>
void avg_backward(const PoolParams& p, const T* dy, T* dx) {
  if (planes_fill_lanes<T>(p) && (p.channels || p.out_size() > 1))
    return avg_backward_lanes(p, true, dy, dx);
  for_planes(p, p.in_size() + 4 * p.out_size(), [&](int64_t plane) {
    T* to = dx + plane * p.in_size();
    const T* g = dy + plane * p.out_size();
    if (p.out_size() == 1) {
      const T v = g[0] / T(p.in_size());
      for (int64_t i = 0; i < p.in_size(); i++) to[i] = v;
      return;
    }
    for (int64_t i = 0; i < p.in_size(); i++) to[i] = T(0);
    for_windows(p, [&](const Span* w, int64_t i) {
      const T v = g[i] / T(window_size(w));
      for (int64_t i0 = w[0].begin; i0 < w[0].end; i0++)
        for (int64_t i1 = w[1].begin; i1 < w[1].end; i1++) {
          T* row = to + (i0 * p.in[1] + i1) * p.in[2];
          for (int64_t i2 = w[2].begin; i2 < w[2].end; i2++) row[i2] += v;
        }
    });
  });
}

template <class T>
void max_forward(const PoolParams& p, const T* x, T* y, int64_t* index) {
  if (planes_fill_lanes<T>(p)) return max_forward_lanes<T, int64_t, true>(p, true, x, y, index);
  for_planes(p, p.in_size() + 4 * p.out_size(), [&](int64_t plane) {
    const T* from = x + plane * p.in_size();
    for_windows(p, [&](const Span* w, int64_t i) {
      int64_t place = (w[0].begin * p.in[1] + w[1].begin) * p.in[2] + w[2].begin;
      T best = from[place];
      for (int64_t i0 = w[0].begin; i0 < w[0].end; i0++)
        for (int64_t i1 = w[1].begin; i1 < w[1].end; i1++)
          for (int64_t i2 = w[2].begin; i2 < w[2].end; i2++) {
            const int64_t at = (i0 * p.in[1] + i1) * p.in[2] + i2;
            const T v = from[at];
            if (v > best || v != v) best = v, place = at;
          }
      y[plane * p.out_size() + i] = best;
      index[plane * p.out_size() + i] = place;
    });
  });
}

}  // namespace

void adaptive_avg_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y) {
  MT_SWITCH_FLOAT(
      dtype, avg_forward<scalar_t>(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(y)))
}

void adaptive_avg_pool_backward(DType dtype, const PoolParams& p, const void* dy, void* dx) {
  MT_SWITCH_FLOAT(dtype, avg_backward<scalar_t>(p, static_cast<const scalar_t*>(dy),
                                                static_cast<scalar_t*>(dx)))
}

void adaptive_max_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y,
                               int64_t* index) {
  MT_SWITCH_FLOAT(dtype, max_forward<scalar_t>(p, static_cast<const scalar_t*>(x),
                                               static_cast<scalar_t*>(y), index))
}

}  // namespace mt::cpu::MT_ISA
