// loss = w_y * ((m - x_y) + log s), m = max x, s = sum exp(x - m), per row of c classes;
// with label smoothing or probabilities t: loss = sum_c w_c t_c * ((m - x_c) + log s).
// dx = dy * (softmax(x) * sum_c w_c t_c - w t). Saved: m and log s per row; the softmax is computed
// again in the backward. Rows are cut into chunks by size; each chunk keeps its own sums.
// Forward reads x twice from cache, backward reads and writes once.
#include "ops/cross_entropy.h"

#include "core/parallel.h"
#include "kernels/simd.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int kMaxChunks = 512, kPlane = 128;

template <class T>
struct View {
  const CrossEntropyArgs& a;
  const T* x = static_cast<const T*>(a.x);
  const T* t = static_cast<const T*>(a.probabilities);
  const T* w = static_cast<const T*>(a.weight);
  T smoothing = T(a.smoothing), share = T(a.smoothing / double(a.c));
  bool soft = a.probabilities || a.smoothing != 0;

  bool ignored(int64_t y) const { return y == a.ignore_index; }
  bool valid(int64_t y) const { return y >= 0 && y < a.c; }
  T weight(int64_t c) const { return w ? w[c] : T(1); }
};

// The target distribution of one row: `p` points at the row's probabilities (stride `step`), or
// without those the class `y` has it all.
template <bool probabilities, bool weighted, class T>
struct SoftTarget {
  const T *p, *w;
  int64_t step;
  int32_t y;
  T keep, share;

  MT_INLINE T operator()(int64_t c) const {
    T hard = T(int32_t(c) == y ? 1 : 0);
    if constexpr (probabilities) hard = p[c * step];
    const T t = hard * keep + share;
    return weighted ? w[c] * t : t;
  }
};

// f(target) for the kind of target that the row has.
template <class T, class F>
MT_INLINE void with_target(const View<T>& v, const T* p, int64_t step, int64_t y, const F& f) {
  const T keep = T(1) - v.smoothing;
  const int32_t hard = int32_t(y);
  if (p && v.w) f(SoftTarget<true, true, T>{p, v.w, step, hard, keep, v.share});
  else if (p) f(SoftTarget<true, false, T>{p, v.w, step, hard, keep, v.share});
  else if (v.w) f(SoftTarget<false, true, T>{p, v.w, step, hard, keep, v.share});
  else f(SoftTarget<false, false, T>{p, v.w, step, hard, keep, v.share});
}

// The sum of f over [0, n) in 32 chains.
template <class T, class F>
MT_INLINE T sum_terms(int64_t n, const F& f) {
  constexpr int64_t W = 32;
  T sum[W] = {}, rest = 0;
  int64_t i = 0;
  for (; i + W <= n; i += W)
    for (int64_t j = 0; j < W; j++) sum[j] += f(i + j);
  for (; i < n; i++) rest += f(i);
#pragma GCC unroll 5
  for (int64_t w = W / 2; w > 0; w /= 2)
    for (int64_t j = 0; j < w; j++) sum[j] += sum[j + w];
  return sum[0] + rest;
}

struct Partial {
  double loss, weight;
  int64_t bad;  // the first row whose class is out of range
};

// body(begin, end, partial) over chunks of [0, n) tasks of `cost` elements each.
template <class Body>
MT_INLINE Partial sum_chunks(int64_t n, int64_t cost, const Body& body) {
  int64_t grain = kGrain / 4 / (cost > 0 ? cost : 1);
  grain = grain < 1 ? 1 : grain;
  if (ceil_div(n, grain) > kMaxChunks) grain = ceil_div(n, kMaxChunks);
  const int64_t chunks = ceil_div(n, grain);
  Partial partial[kMaxChunks];
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      partial[i] = {0, 0, -1};
      int64_t last = (i + 1) * grain;
      body(i * grain, last < n ? last : n, partial[i]);
    }
  });
  Partial totals{0, 0, -1};
  for (int64_t i = 0; i < chunks; i++) {
    totals.loss += partial[i].loss;
    totals.weight += partial[i].weight;
    if (totals.bad < 0) totals.bad = partial[i].bad;
  }
  return totals;
}

template <class T>
void finish(const CrossEntropyArgs& a, Partial totals, void* out, double* total, int64_t* bad) {
  if (a.probabilities) totals.weight = double(a.n * a.inner);
  if (a.reduction == Reduction::mean) totals.loss /= totals.weight;
  if (a.reduction != Reduction::none) *static_cast<T*>(out) = T(totals.loss);
  *total = totals.weight;
  *bad = totals.bad;
}

template <class T>
MT_INLINE void row_stats(const T* x, int64_t c, T* max, T* log_sum) {
  using namespace simd;
  const T lowest = T(-__builtin_inf());
  T m = max_lanes<T>(reduce<T>(
      c, set(lowest), [](Vec<T> a, Vec<T> b) { return simd::max<T>(a, b); },
      [&](int64_t i) { return load(x + i); },
      [&](int64_t i, int64_t n) { return load_n(x + i, n, lowest); }));
  Vec<T> mv = set(m);
  T s = sum_lanes<T>(reduce<T>(
      c, Vec<T>{}, [](Vec<T> a, Vec<T> b) { return a + b; },
      [&](int64_t i) { return exp_nonpositive(load(x + i) - mv); },
      [&](int64_t i, int64_t n) { return exp_nonpositive(load_n(x + i, n, lowest) - mv); }));
  *max = m;
  *log_sum = fn::log(s);
}

// The loss of one row from its statistics; x and p are read with stride `step`.
template <class T>
MT_INLINE T row_loss(const View<T>& v, const T* x, const T* p, int64_t step, int64_t y, T max,
                     T log_sum) {
  if (!v.soft) return v.weight(y) * ((max - x[y * step]) + log_sum);
  T loss = 0;
  with_target(v, p, step, y, [&](auto target) {
    loss = sum_terms<T>(v.a.c, [&](int64_t c) {
      const T t = target(c), term = t * ((max - x[c * step]) + log_sum);
      return t == T(0) ? T(0) : term;  // a target of zero hides a logit of minus infinity
    });
  });
  return loss;
}

template <class T>
MT_INLINE void account(const View<T>& v, int64_t row, const T* x, const T* p, int64_t step, T max,
                       T log_sum, T* loss, Partial& sum) {
  int64_t y = 0;
  if (v.a.target) {
    y = v.a.target[row];
    if (v.ignored(y) || !v.valid(y)) {
      if (!v.ignored(y) && sum.bad < 0) sum.bad = row;
      if (loss) loss[row] = 0;
      return;
    }
    sum.weight += double(v.weight(y));
  } else {
    y = -1;
  }
  T l = row_loss(v, x, p, step, y, max, log_sum);
  if (loss) loss[row] = l;
  sum.loss += double(l);
}

template <class T>
void forward(const CrossEntropyArgs& a, void* out, T* stats, double* total, int64_t* bad) {
  View<T> v{a};
  T* losses = a.reduction == Reduction::none ? static_cast<T*>(out) : nullptr;
  Partial totals;
  if (a.inner == 1) {
    totals = sum_chunks(a.n, a.c, [&](int64_t begin, int64_t end, Partial& sum) {
      for (int64_t i = begin; i < end; i++) {
        T m, l;
        row_stats(v.x + i * a.c, a.c, &m, &l);
        stats[2 * i] = m;
        stats[2 * i + 1] = l;
        account(v, i, v.x + i * a.c, v.t ? v.t + i * a.c : nullptr, 1, m, l, losses, sum);
      }
    });
  } else {
    // Classes lie `inner` apart: a block of neighbouring rows walks over them together.
    const int64_t blocks = ceil_div(a.inner, kPlane);
    totals = sum_chunks(a.n * blocks, a.c * kPlane, [&](int64_t begin, int64_t end, Partial& sum) {
      for (int64_t task = begin; task < end; task++) {
        const int64_t i = task / blocks, j0 = task % blocks * kPlane;
        const int64_t width = a.inner - j0 < kPlane ? a.inner - j0 : kPlane;
        const int64_t at = i * a.c * a.inner + j0;
        const T* x = v.x + at;
        T m[kPlane], s[kPlane];
        for (int64_t j = 0; j < width; j++) m[j] = T(-__builtin_inf()), s[j] = 0;
        for (int64_t c = 0; c < a.c; c++)
#pragma GCC ivdep
          for (int64_t j = 0; j < width; j++)
            m[j] = m[j] > x[c * a.inner + j] ? m[j] : x[c * a.inner + j];
        for (int64_t c = 0; c < a.c; c++)
#pragma GCC ivdep
          for (int64_t j = 0; j < width; j++) s[j] += fn::exp(x[c * a.inner + j] - m[j]);
        for (int64_t j = 0; j < width; j++) {
          const int64_t row = i * a.inner + j0 + j;
          const T l = fn::log(s[j]);
          stats[2 * row] = m[j];
          stats[2 * row + 1] = l;
          account(v, row, x + j, v.t ? v.t + at + j : nullptr, a.inner, m[j], l, losses, sum);
        }
      }
    });
  }
  finish<T>(a, totals, out, total, bad);
}

// dx of one row: scale * softmax - coefficient * target, with both read at stride `step`.
template <class T>
MT_INLINE void row_backward(const View<T>& v, const T* x, const T* p, int64_t step, int64_t y,
                            const T* stats, T g, T* dx) {
  using namespace simd;
  constexpr int L = kLanes<T>;
  const int64_t count = v.a.c;
  T total = 0;
  if (v.soft) {
    with_target(v, p, step, y, [&](auto target) { total = sum_terms<T>(count, target); });
  } else {
    total = v.weight(y);
  }
  const T m = stats[0], l = stats[1], scale = g * total;
  if (step == 1) {
    const Vec<T> mv = set(m), lv = set(l), sv = set(scale);
    int64_t c = 0;
    for (; c + L <= count; c += L) store(dx + c, exp_nonpositive(load(x + c) - mv - lv) * sv);
    if (c < count)
      store_n(dx + c, exp_nonpositive(load_n(x + c, count - c, m) - mv - lv) * sv, count - c);
  } else {
    for (int64_t c = 0; c < count; c++) dx[c * step] = fn::exp(x[c * step] - m - l) * scale;
  }
  if (v.soft) {
    with_target(v, p, step, y, [&](auto target) {
#pragma GCC ivdep
      for (int64_t c = 0; c < count; c++) dx[c * step] -= g * target(c);
    });
  } else {
    dx[y * step] -= scale;
  }
}

template <class T>
void backward(const CrossEntropyArgs& a, const T* stats, const T* dy, const double* total, T* dx) {
  View<T> v{a};
  const bool each = a.reduction == Reduction::none;
  const T g = each ? T(0) : a.reduction == Reduction::mean ? T(double(*dy) / *total) : *dy;
  const int64_t rows = a.n * a.inner;
  const int64_t cost = a.c > 0 ? a.c : 1;
  if (a.inner == 1 || v.soft) {
    parallel_for(rows, ceil_div(kGrain / 4, cost), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; row++) {
        const int64_t at = a.inner == 1 ? row * a.c : row / a.inner * a.c * a.inner + row % a.inner;
        const int64_t y = a.target ? a.target[row] : -1;
        if (a.target && v.ignored(y)) {
          for (int64_t c = 0; c < a.c; c++) dx[at + c * a.inner] = 0;
          continue;
        }
        row_backward(v, v.x + at, v.t ? v.t + at : nullptr, a.inner, y, stats + 2 * row,
                     each ? dy[row] : g, dx + at);
      }
    });
    return;
  }
  const int64_t blocks = ceil_div(a.inner, kPlane);
  parallel_for(a.n * blocks, ceil_div(kGrain / 4, cost * kPlane), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; task++) {
      const int64_t i = task / blocks, j0 = task % blocks * kPlane;
      const int64_t width = a.inner - j0 < kPlane ? a.inner - j0 : kPlane;
      const int64_t at = i * a.c * a.inner + j0, row = i * a.inner + j0;
      T m[kPlane], l[kPlane], scale[kPlane];
      for (int64_t j = 0; j < width; j++) {
        const int64_t y = a.target[row + j];
        m[j] = stats[2 * (row + j)];
        l[j] = stats[2 * (row + j) + 1];
        scale[j] = v.ignored(y) ? T(0) : (each ? dy[row + j] : g) * v.weight(y);
      }
      for (int64_t c = 0; c < a.c; c++) {
        const T* xc = v.x + at + c * a.inner;
        T* dxc = dx + at + c * a.inner;
#pragma GCC ivdep
        for (int64_t j = 0; j < width; j++)
          dxc[j] = scale[j] == T(0) ? T(0) : fn::exp(xc[j] - m[j] - l[j]) * scale[j];
      }
      for (int64_t j = 0; j < width; j++) {
        const int64_t y = a.target[row + j];
        if (!v.ignored(y)) dx[at + y * a.inner + j] -= scale[j];
      }
    }
  });
}

template <class T>
void nll(const CrossEntropyArgs& a, void* out, double* total, int64_t* bad) {
  View<T> v{a};
  T* losses = a.reduction == Reduction::none ? static_cast<T*>(out) : nullptr;
  const Partial totals =
      sum_chunks(a.n * a.inner, 4, [&](int64_t begin, int64_t end, Partial& sum) {
        for (int64_t row = begin; row < end; row++) {
          const T* x = v.x + row / a.inner * a.c * a.inner + row % a.inner;
          account(v, row, x, static_cast<const T*>(nullptr), a.inner, T(0), T(0), losses, sum);
        }
      });
  finish<T>(a, totals, out, total, bad);
}

// dx is zero but at the targets.
template <class T>
void nll_back(const CrossEntropyArgs& a, const T* dy, const double* total, T* dx) {
  View<T> v{a};
  const bool each = a.reduction == Reduction::none;
  const T g = each ? T(0) : a.reduction == Reduction::mean ? T(double(*dy) / *total) : *dy;
  const int64_t cost = a.c * a.inner;
  parallel_for(a.n, ceil_div(kGrain, cost > 0 ? cost : 1), [&](int64_t begin, int64_t end) {
    __builtin_memset(dx + begin * cost, 0, size_t((end - begin) * cost) * sizeof(T));
    for (int64_t i = begin; i < end; i++) {
      for (int64_t j = 0; j < a.inner; j++) {
        const int64_t row = i * a.inner + j, y = a.target[row];
        if (!v.ignored(y)) dx[i * cost + y * a.inner + j] = -(each ? dy[row] : g) * v.weight(y);
      }
    }
  });
}

}  // namespace

void cross_entropy_forward(const CrossEntropyArgs& args, void* loss, void* stats, double* total,
                           int64_t* bad) {
  MT_SWITCH_FLOAT(args.dtype,
                  forward<scalar_t>(args, loss, static_cast<scalar_t*>(stats), total, bad))
}

void cross_entropy_backward(const CrossEntropyArgs& args, const void* stats, const void* dy,
                            const double* total, void* dx) {
  MT_SWITCH_FLOAT(args.dtype, backward<scalar_t>(args, static_cast<const scalar_t*>(stats),
                                                 static_cast<const scalar_t*>(dy), total,
                                                 static_cast<scalar_t*>(dx)))
}

void nll_forward(const CrossEntropyArgs& args, void* loss, double* total, int64_t* bad) {
  MT_SWITCH_FLOAT(args.dtype, nll<scalar_t>(args, loss, total, bad))
}

void nll_backward(const CrossEntropyArgs& args, const void* dy, const double* total, void* dx) {
  MT_SWITCH_FLOAT(args.dtype, nll_back<scalar_t>(args, static_cast<const scalar_t*>(dy), total,
                                                 static_cast<scalar_t*>(dx)))
}

}  // namespace mt::cpu::MT_ISA
