// y[i, j ...] = x[place(i), place(j) ...], or the constant: a thread per element of y.
// dx[i, j ...] = sum of dy over the places of y that stand for it: a thread per element of dx goes
// through them, so nothing is added in an order that varies. Bytes: one read and one write each.
#include "ops/pad.h"

#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/vec.h"

namespace mt::cuda {
namespace {

// A plan without what only the CPU uses.
struct Shape {
  int ndim;
  PadMode mode;
  PadDim dim[kMaxPadDims];
};

Shape shape_of(const PadPlan& p) {
  Shape s;
  s.ndim = p.ndim;
  s.mode = p.mode;
  for (int d = 0; d < p.ndim; d++) s.dim[d] = p.dim[d];
  return s;
}

int64_t count_of(const PadPlan& p, int64_t PadDim::* size) {
  int64_t count = 1;
  for (int d = 0; d < p.ndim; d++) count *= p.dim[d].*size;
  return count;
}

// Half the price of a 64-bit division where 32 bits do.
__device__ __forceinline__ int64_t divide(int64_t a, int64_t b) {
  return (uint64_t(a) | uint64_t(b)) >> 32 ? a / b : int64_t(uint32_t(a) / uint32_t(b));
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const T* x, T* y, int64_t count, const Shape s, T value) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    int64_t rest = i, from = 0, step = 1;
    for (int d = s.ndim - 1; d >= 0 && from >= 0; d--) {
      const int64_t outer = d ? divide(rest, s.dim[d].out) : 0;
      const int64_t place = pad_place(s.mode, s.dim[d], rest - outer * s.dim[d].out);
      from = place < 0 ? -1 : from + place * step;
      step *= s.dim[d].in;
      rest = outer;
    }
    y[i] = from < 0 ? value : x[from];
  }
}

__device__ __forceinline__ int64_t at_least_0(int64_t v) { return v < 0 ? 0 : v; }

// How many places of y are to be looked at for a place of x: itself, and its mirror images or
// continuations on both sides.
__device__ __forceinline__ int64_t candidates(PadMode mode, const PadDim& d, int64_t place) {
  if (mode == PadMode::constant || (d.before == 0 && d.out == d.in)) return 1;
  if (mode != PadMode::replicate) return 3;
  const int64_t low = place == 0 ? at_least_0(d.before < d.out ? d.before : d.out) : 0;
  const int64_t high = place == d.in - 1 ? at_least_0(d.out - at_least_0(d.before + d.in)) : 0;
  return 1 + low + high;
}

// The candidate number k, or -1 where there is none.
__device__ __forceinline__ int64_t candidate(PadMode mode, const PadDim& d, int64_t place,
                                             int64_t k) {
  int64_t i = place + d.before;
  if (k > 0 && mode == PadMode::replicate) {
    const int64_t low = place == 0 ? at_least_0(d.before < d.out ? d.before : d.out) : 0;
    return k <= low ? k - 1 : at_least_0(d.before + d.in) + k - 1 - low;
  }
  if (k > 0) {
    const bool reflect = mode == PadMode::reflect;
    const int64_t image = k == 1 ? (reflect ? -place : place - d.end)
                                 : (reflect ? 2 * (d.in - 1) - place : place + d.in - d.begin);
    if (k == 1 ? image >= 0 : image < d.in) return -1;  // not outside of x
    i = image + d.before;
  }
  return i >= 0 && i < d.out ? i : -1;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    backward_kernel(const T* dy, T* dx, int64_t count, const Shape s) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    int64_t place[kMaxPadDims], rest = i, ways = 1;
    for (int d = s.ndim - 1; d >= 0; d--) {
      const int64_t outer = d ? divide(rest, s.dim[d].in) : 0;
      place[d] = rest - outer * s.dim[d].in;
      rest = outer;
      ways *= candidates(s.mode, s.dim[d], place[d]);
    }
    T sum = 0;
    for (int64_t way = 0; way < ways; way++) {
      int64_t digits = way, from = 0, step = 1;
      for (int d = s.ndim - 1; d >= 0 && from >= 0; d--) {
        const int64_t n = candidates(s.mode, s.dim[d], place[d]), outer = divide(digits, n);
        const int64_t j = candidate(s.mode, s.dim[d], place[d], digits - outer * n);
        from = j < 0 ? -1 : from + j * step;
        step *= s.dim[d].out;
        digits = outer;
      }
      if (from >= 0) sum += dy[from];
    }
    dx[i] = sum;
  }
}

template <class T>
void forward(const void* x, void* y, const PadPlan& p, const void* value) {
  T v;
  memcpy(&v, value, sizeof v);
  const int64_t count = count_of(p, &PadDim::out);
  if (count == 0) return;
  MT_LAUNCH((forward_kernel<T>), grid_for(count, kThreads), kThreads, 0, stream(),
            static_cast<const T*>(x), static_cast<T*>(y), count, shape_of(p), v);
}

}  // namespace

void pad_forward(int64_t itemsize, const void* x, void* y, const PadPlan& plan, const void* value) {
  if (itemsize == 1) return forward<uint8_t>(x, y, plan, value);
  if (itemsize == 2) return forward<uint16_t>(x, y, plan, value);
  if (itemsize == 4) return forward<uint32_t>(x, y, plan, value);
  forward<uint64_t>(x, y, plan, value);
}

void pad_backward(DType dtype, const void* dy, void* dx, const PadPlan& plan) {
  const int64_t count = count_of(plan, &PadDim::in);
  if (count == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    MT_LAUNCH((backward_kernel<scalar_t>), grid_for(count, kThreads), kThreads, 0, stream(),
              static_cast<const scalar_t*>(dy), static_cast<scalar_t*>(dx), count, shape_of(plan));
  })
}

}  // namespace mt::cuda
