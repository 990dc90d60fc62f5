// y = f(x, t), or its sum or mean; dx = dy * f'(x, t): one loop per line of csrc/ops/loss.h.
// Blocks of kBlock values are computed, weighted and summed while they are in cache, and the sums
// of blocks are added in double: the order depends on n only.
// Two reads per element forward, two reads and one write backward.
#include "ops/loss.h"

#include "core/parallel.h"
#include "kernels/loss_math.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kBlock = 512, kMaxChunks = 512;

using namespace fn::loss;

template <class T>
MT_INLINE double block_sum(const T* v, int64_t n) {
  using namespace simd;
  return double(sum_lanes<T>(reduce<T>(
      n, Vec<T>{}, [](Vec<T> a, Vec<T> b) { return a + b; }, [&](int64_t i) { return load(v + i); },
      [&](int64_t i, int64_t rest) { return load_n(v + i, rest, T(0)); })));
}

template <class T, class F>
void forward(const LossArgs& a, T* out, const F& f) {
  const T* x = static_cast<const T*>(a.x);
  const T* t = static_cast<const T*>(a.t);
  const T* w = static_cast<const T*>(a.weight);
  const T* q = static_cast<const T*>(a.positive);
  const bool each = a.reduction == Reduction::none;
  int64_t grain = ceil_div(ceil_div(a.n, kMaxChunks), kBlock) * kBlock;
  grain = grain < kGrain / 2 ? kGrain / 2 : grain;
  const int64_t chunks = ceil_div(a.n, grain);
  double partial[kMaxChunks];
  parallel_for(chunks, 1, [&](int64_t first, int64_t last) {
    for (int64_t chunk = first; chunk < last; chunk++) {
      double sum = 0;
      const int64_t end = (chunk + 1) * grain < a.n ? (chunk + 1) * grain : a.n;
      for (int64_t i = chunk * grain; i < end; i += kBlock) {
        const int64_t n = end - i < kBlock ? end - i : kBlock;
        alignas(64) T space[kBlock];
        T* y = each ? out + i : space;
        f(x + i, t + i, q ? q + i : x + i, y, n);
        if (w)
#pragma GCC ivdep
          for (int64_t j = 0; j < n; j++) y[j] *= w[i + j];
        if (!each) sum += block_sum(y, n);
      }
      partial[chunk] = sum;
    }
  });
  if (each) return;
  double total = 0;
  for (int64_t i = 0; i < chunks; i++) total += partial[i];
  *out = T(a.reduction == Reduction::mean ? total / double(a.n) : total);
}

template <class T, class F>
void backward(const LossArgs& a, const T* dy, T* dx, const F& f) {
  const T* x = static_cast<const T*>(a.x);
  const T* t = static_cast<const T*>(a.t);
  const T* w = static_cast<const T*>(a.weight);
  const T* q = static_cast<const T*>(a.positive);
  const bool each = a.reduction == Reduction::none;
  const T g = each ? T(1) : a.reduction == Reduction::mean ? T(double(*dy) / double(a.n)) : *dy;
  parallel_for(a.n, kGrain / 2, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += kBlock) {
      const int64_t n = end - i < kBlock ? end - i : kBlock;
      f(x + i, t + i, q ? q + i : x + i, g, dx + i, n);
      if (w)
#pragma GCC ivdep
        for (int64_t j = 0; j < n; j++) dx[i + j] *= w[i + j];
      if (each)
#pragma GCC ivdep
        for (int64_t j = 0; j < n; j++) dx[i + j] *= dy[i + j];
    }
  });
}

template <class T>
bool all_probabilities(const T* x, int64_t n) {
  int bad = 0;
  for (int64_t i = 0; i < n; i++) bad |= !(x[i] >= T(0) && x[i] <= T(1));
  return !bad;
}

}  // namespace

void loss_forward(const LossArgs& args, void* out, bool* in_range) {
#define MT_RUN_(name, value, derivative)                                                           \
  case LossOp::name:                                                                               \
    forward<T>(args, static_cast<T*>(out),                                                         \
               [parameter](const T* xs, const T* ts, const T* qs, T* ys, int64_t n) {              \
                 [[maybe_unused]] const T p = parameter; /* not in the closure: ys may alias it */ \
                 _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                            \
                   [[maybe_unused]] const T x = xs[i], t = ts[i], d = x - t, q = qs[i];            \
                   ys[i] = value;                                                                  \
                 }                                                                                 \
               });                                                                                 \
    break;
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const T parameter = T(args.parameter);
    switch (args.op) { MT_LOSS_OPS(MT_RUN_) }
    if (args.op == LossOp::binary_cross_entropy)
      *in_range = all_probabilities(static_cast<const T*>(args.x), args.n);
  })
#undef MT_RUN_
}

void loss_backward(const LossArgs& args, const void* dy, void* dx) {
#define MT_RUN_(name, value, derivative)                                                     \
  case LossOp::name:                                                                         \
    backward<T>(args, static_cast<const T*>(dy), static_cast<T*>(dx),                        \
                [parameter](const T* xs, const T* ts, const T* qs, T g, T* dxs, int64_t n) { \
                  [[maybe_unused]] const T p = parameter;                                    \
                  _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                     \
                    [[maybe_unused]] const T x = xs[i], t = ts[i], d = x - t, q = qs[i];     \
                    dxs[i] = (derivative) * g;                                               \
                  }                                                                          \
                });                                                                          \
    break;
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const T parameter = T(args.parameter);
    switch (args.op) { MT_LOSS_OPS(MT_RUN_) }
  })
#undef MT_RUN_
}

}  // namespace mt::cpu::MT_ISA
