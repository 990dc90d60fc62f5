// y[i, j ...] = x[map0[i], map1[j] ...], or the constant.
// dx[map0[i], map1[j] ...] += dy[i, j ...]
// Forward is split by rows of y (the last dim), backward by slices of dim 0, which no two places of
// y share. Bytes: one read and one write per element of y.
#include "ops/pad.h"

#include "core/parallel.h"

namespace mt::cpu::MT_ISA {
namespace {

// f(row of y, row of x or -1) for the rows [begin, end) of y.
template <class F>
MT_INLINE void each_row(const PadPlan& p, int64_t begin, int64_t end, const F& f) {
  for (int64_t r = begin; r < end; r++) {
    int64_t rest = r, row = 0, step = 1;
    for (int d = p.ndim - 2; d >= 0; d--) {
      int64_t i = rest % p.dim[d].out;
      rest /= p.dim[d].out;
      if (p.map[d]) i = p.map[d][i];
      row = i < 0 || row < 0 ? -1 : row + i * step;
      step *= p.dim[d].in;
    }
    f(r, row);
  }
}

int64_t rows_of(const PadPlan& p, int from) {
  int64_t rows = 1;
  for (int d = from; d < p.ndim - 1; d++) rows *= p.dim[d].out;
  return rows;
}

template <class T>
void forward_typed(const T* x, T* y, const PadPlan& p, const void* value) {
  const T v = *static_cast<const T*>(value);
  int64_t cols = p.dim[p.ndim - 1].out, from_cols = p.dim[p.ndim - 1].in;
  const int64_t* map = p.map[p.ndim - 1];
  parallel_for(rows_of(p, 0), ceil_div(kGrain, cols > 0 ? cols : 1),
               [&](int64_t begin, int64_t end) {
                 each_row(p, begin, end, [&](int64_t r, int64_t row) {
                   T* to = y + r * cols;
                   if (row < 0) {
                     for (int64_t j = 0; j < cols; j++) to[j] = v;
                     return;
                   }
                   const T* from = x + row * from_cols;
                   if (!map) {
                     __builtin_memcpy(to, from, size_t(cols) * sizeof(T));
                     return;
                   }
                   for (int64_t j = 0; j < p.first; j++) to[j] = map[j] < 0 ? v : from[map[j]];
                   if (p.last > p.first)
                     __builtin_memcpy(to + p.first, from + map[p.first],
                                      size_t(p.last - p.first) * sizeof(T));
                   for (int64_t j = p.last; j < cols; j++) to[j] = map[j] < 0 ? v : from[map[j]];
                 });
               });
}

template <class T>
void backward_typed(const T* dy, T* dx, const PadPlan& p) {
  int64_t cols = p.dim[p.ndim - 1].out, to_cols = p.dim[p.ndim - 1].in;
  int64_t rows = p.ndim > 1 ? rows_of(p, 1) : 1;
  const int64_t* map = p.map[p.ndim - 1];
  parallel_for(p.dim[0].out, ceil_div(kGrain, rows * cols + 1), [&](int64_t begin, int64_t end) {
    each_row(p, begin * rows, end * rows, [&](int64_t r, int64_t row) {
      if (row < 0) return;
      const T* from = dy + r * cols;
      T* to = dx + row * to_cols;
      if (!map) {
        for (int64_t j = 0; j < cols; j++) to[j] += from[j];
        return;
      }
      for (int64_t j = 0; j < p.first; j++)
        if (map[j] >= 0) to[map[j]] += from[j];
      T* middle = to + (p.last > p.first ? map[p.first] : 0) - p.first;
      for (int64_t j = p.first; j < p.last; j++) middle[j] += from[j];
      for (int64_t j = p.last; j < cols; j++)
        if (map[j] >= 0) to[map[j]] += from[j];
    });
  });
}

}  // namespace

void pad_forward(int64_t itemsize, const void* x, void* y, const PadPlan& plan, const void* value) {
  switch (itemsize) {
    case 1:
      return forward_typed(static_cast<const uint8_t*>(x), static_cast<uint8_t*>(y), plan, value);
    case 2:
      return forward_typed(static_cast<const uint16_t*>(x), static_cast<uint16_t*>(y), plan, value);
    case 4:
      return forward_typed(static_cast<const uint32_t*>(x), static_cast<uint32_t*>(y), plan, value);
    default:
      return forward_typed(static_cast<const uint64_t*>(x), static_cast<uint64_t*>(y), plan, value);
  }
}

void pad_backward(DType dtype, const void* dy, void* dx, const PadPlan& plan) {
  MT_SWITCH_FLOAT(
      dtype, backward_typed(static_cast<const scalar_t*>(dy), static_cast<scalar_t*>(dx), plan))
}

}  // namespace mt::cpu::MT_ISA
