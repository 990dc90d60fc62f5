// Gradient clipping: one pass that reads all gradients, and one that scales them where the norm is
// too large. The gradients lie end to end in one range that is cut into chunks of one size; each
// chunk has a partial sum, in double, so the result does not depend on the number of threads.
#include "ops/clip_grad.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int kLanes = 16;

template <class S>
MT_INLINE double sum_squares(const S* x, int64_t n) {
  double lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int k = 0; k < kLanes; k++) {
      double v = double(load<S>(x[i + k]));
      lane[k] += v * v;
    }
  for (; i < n; i++) {
    double v = double(load<S>(x[i]));
    lane[0] += v * v;
  }
  double sum = 0;
  for (int k = 0; k < kLanes; k++) sum += lane[k];
  return sum;
}

template <class S>
MT_INLINE void scale(S* x, int64_t n, compute_t<S> factor) {
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) x[i] = store_as<S>(load<S>(x[i]) * factor);
}

// f(data, n) for the pieces of the items that make up [begin, end) of the joint range.
template <class S, class F>
MT_INLINE void for_pieces(const ClipItem* items, int64_t count, int64_t begin, int64_t end,
                          const F& f) {
  int64_t low = 0, high = count - 1;
  while (low < high) {
    int64_t middle = (low + high + 1) / 2;
    if (items[middle].begin <= begin) low = middle;
    else high = middle - 1;
  }
  for (; begin < end; low++) {
    int64_t from = begin - items[low].begin;
    int64_t n = items[low].numel - from < end - begin ? items[low].numel - from : end - begin;
    f(static_cast<S*>(items[low].data) + from, n);
    begin += n;
  }
}

}  // namespace

void clip_grad_norm(DType dtype, const ClipItem* items, int64_t count, int64_t total,
                    double* partial, void* norm) {
  const int64_t chunks = ceil_div(total, kGrain);
  MT_SWITCH_FLOAT_HALF(dtype, {
    parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
      for (int64_t chunk = first; chunk < last; chunk++) {
        int64_t begin = chunk * kGrain, end = begin + kGrain < total ? begin + kGrain : total;
        double sum = 0;
        for_pieces<scalar_t>(items, count, begin, end,
                             [&](const scalar_t* x, int64_t n) { sum += sum_squares(x, n); });
        partial[chunk] = sum;
      }
    });
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; chunk++) sum += partial[chunk];
    *static_cast<scalar_t*>(norm) = store_as<scalar_t>(compute_t<scalar_t>(__builtin_sqrt(sum)));
  })
}

void clip_grad_scale(DType dtype, const ClipItem* items, int64_t count, int64_t total,
                     const double* norm, double max_norm) {
  const double factor = max_norm / (*norm + 1e-6);
  if (factor >= 1) return;
  MT_SWITCH_FLOAT_HALF(dtype, {
    parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
      for_pieces<scalar_t>(items, count, begin, end, [&](scalar_t* x, int64_t n) {
        scale(x, n, compute_t<scalar_t>(factor));
      });
    });
  })
}

}  // namespace mt::cpu::MT_ISA
