// y = xh * w + b, xh = (x - mean) * rstd, per channel over n planes of `inner` elements.
// dx = w * rstd * (dy - mean(dy) - xh * mean(dy * xh)) in training, w * rstd * dy in evaluation;
// dw = sum(dy * xh), db = sum(dy). Saved: mean and rstd.
// Three kernels: sums of every channel, cut into splits that fill the machine (a block walks over
// the planes of one channel); a warp per channel that combines the splits; and an elementwise one.
// With inner = 1, which channels_last images are too, threads keep to their channels
// (batch_norm_columns.cuh). Forward reads x twice and writes once.
#include "ops/batch_norm.h"

#include "cuda/core/math.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/batch_norm_columns.cuh"

namespace mt::cuda {
namespace {

constexpr int64_t kFullGrid = 1024;

// What is summed: the moments of x, or {sum of dy, sum of dy * (x - mean)}.
template <class T>
struct ForwardSums {
  using C = compute_t<T>;
  using Total = Moments;
  static constexpr bool kGradient = false;
  const T *x, *dy;
  const C* mean;
  struct Running {
    RunningMoments<C> m;
    __device__ __forceinline__ void add(const C (&v)[kBatch], const C (&)[kBatch], int count, C) {
      m.add(v, count);
    }
    __device__ __forceinline__ Total total() const { return m.wide(); }
  };
  static MT_INLINE Total none() { return {0, 0, 0}; }
  static MT_INLINE Total merge(const Total& a, const Total& b) { return MergeMoments{}(a, b); }
};
template <class T>
struct BackwardSums {
  using C = compute_t<T>;
  using Total = Pair<double>;
  static constexpr bool kGradient = true;
  const T *x, *dy;
  const C* mean;
  struct Running {
    Pair<double> sums{0, 0};
    __device__ __forceinline__ void add(const C (&v)[kBatch], const C (&g)[kBatch], int count,
                                        C mean) {
      C a = 0, b = 0;
#pragma unroll
      for (int k = 0; k < kBatch; k++)
        if (k < count) {
          a += g[k];
          b += g[k] * (v[k] - mean);
        }
      sums = AddPairs{}(sums, Pair<double>{double(a), double(b)});
    }
    __device__ __forceinline__ Total total() const { return sums; }
  };
  static MT_INLINE Total none() { return {0, 0}; }
  static MT_INLINE Total merge(const Total& a, const Total& b) { return AddPairs{}(a, b); }
};

// A block takes pieces [blockIdx.y * chunk, ...) of channel blockIdx.x; partial: [c, splits].
template <class T, class Sums, bool kVectors>
__global__ void __launch_bounds__(kThreads)
    channel_sums_kernel(const Sums sums, const Planes planes, int64_t chunk,
                        typename Sums::Total* partial) {
  using C = compute_t<T>;
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1, U = kBatch / V;
  const int64_t ch = blockIdx.x, pieces = planes.n * planes.pieces;
  const int64_t begin = blockIdx.y * chunk;
  const int64_t end = begin + chunk < pieces ? begin + chunk : pieces;
  const C mean = Sums::kGradient ? sums.mean[ch] : C(0);
  typename Sums::Running running;
  for (int64_t j = begin + threadIdx.x; j < end; j += U * kThreads) {
    C v[kBatch], g[kBatch] = {};
    int count = 0;
#pragma unroll
    for (int u = 0; u < U; u++) {
      const int64_t piece = j + u * kThreads;
      if (piece >= end) continue;
      int64_t rest;
      const int64_t sample = planes.piece.divide(piece, &rest);
      const int64_t at = (sample * planes.c + ch) * planes.inner + rest * V;
      C part[V];
      load_piece<T, V>(sums.x + at, V, kVectors, C(0), part);
#pragma unroll
      for (int k = 0; k < V; k++) v[u * V + k] = part[k];
      if constexpr (Sums::kGradient) {
        load_piece<T, V>(sums.dy + at, V, kVectors, C(0), part);
#pragma unroll
        for (int k = 0; k < V; k++) g[u * V + k] = part[k];
      }
      count = (u + 1) * V;
    }
    running.add(v, g, count, mean);
  }
  const auto total = block_reduce(running.total(), Sums::none(),
                                  [](const auto& a, const auto& b) { return Sums::merge(a, b); });
  if (threadIdx.x == 0) partial[ch * gridDim.y + blockIdx.y] = total;
}

// The totals of the channel that a warp works on, from those of the splits.
template <class Sums>
__device__ __forceinline__ typename Sums::Total combine_splits(const typename Sums::Total* partial,
                                                               int64_t ch, int splits) {
  auto total = Sums::none();
  for (int s = lane_index(); s < splits; s += kWarp)
    total = Sums::merge(total, partial[ch * splits + s]);
  return warp_reduce(total, [](const auto& a, const auto& b) { return Sums::merge(a, b); });
}

template <class T>
struct Outputs {
  using C = compute_t<T>;
  C *mean, *rstd, *running_mean, *running_var;
  double momentum, eps, count;

  static __device__ void move(C* running, int64_t ch, double momentum, double value) {
    if (running) running[ch] = C((1 - momentum) * double(running[ch]) + momentum * value);
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_norm_statistics_kernel(const Moments* partial, int64_t c, int splits,
                                 const Outputs<T> out) {
  using C = compute_t<T>;
  const int64_t ch = int64_t(blockIdx.x) * (kThreads / kWarp) + warp_index();
  if (ch >= c) return;
  const Moments m = combine_splits<ForwardSums<T>>(partial, ch, splits);
  if (lane_index() != 0) return;
  out.mean[ch] = C(m.mean);
  out.rstd[ch] = C(1 / ::sqrt(m.m2 / out.count + out.eps));
  out.move(out.running_mean, ch, out.momentum, m.mean);
  out.move(out.running_var, ch, out.momentum, m.m2 / (out.count - 1));
}

// dx = dy * scale + (x - mean) * slope + shift, with these three per channel in `lines`.
template <class T>
__global__ void __launch_bounds__(kThreads)
    batch_norm_lines_kernel(const Pair<double>* partial, int64_t c, int splits, double count,
                            bool train, const compute_t<T>* rstds, const compute_t<T>* weight,
                            compute_t<T>* dw, compute_t<T>* db, compute_t<T>* lines) {
  using C = compute_t<T>;
  const int64_t ch = int64_t(blockIdx.x) * (kThreads / kWarp) + warp_index();
  if (ch >= c) return;
  const Pair<double> sums = combine_splits<BackwardSums<T>>(partial, ch, splits);
  if (lane_index() != 0) return;
  const double rstd = double(rstds[ch]), scale = rstd * (weight ? double(weight[ch]) : 1.0);
  if (dw) {
    dw[ch] = C(sums.b * rstd);
    db[ch] = C(sums.a);
  }
  lines[3 * ch] = C(scale);
  lines[3 * ch + 1] = C(train ? -scale * rstd * rstd * sums.b / count : 0);
  lines[3 * ch + 2] = C(train ? -scale * sums.a / count : 0);
}

// `spread`: rstd, or (kVariance) the variance.
template <class T, bool kVectors, bool kVariance>
__global__ void __launch_bounds__(kThreads, 4)
    batch_norm_apply_kernel(const Planes planes, const T* x, T* y, const compute_t<T>* mean,
                            const compute_t<T>* spread, const compute_t<T>* weight,
                            const compute_t<T>* bias, compute_t<T> eps) {
  using C = compute_t<T>;
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1;
  for_planes<V>(planes, [&](int64_t i, int64_t, int64_t ch) {
    const C rstd = kVariance ? C(1) / fn::sqrt(spread[ch] + eps) : spread[ch], m = mean[ch];
    const C scale = weight ? rstd * weight[ch] : rstd, shift = bias ? bias[ch] : C(0);
    C v[V];
    load_piece<T, V>(x + i, V, kVectors, C(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = (v[k] - m) * scale + shift;
    store_piece<T, V>(y + i, V, kVectors, v);
  });
}

template <class T, bool kVectors>
__global__ void __launch_bounds__(kThreads)
    batch_norm_backward_kernel(const Planes planes, const T* x, const T* dy, T* dx,
                               const compute_t<T>* mean, const compute_t<T>* lines) {
  using C = compute_t<T>;
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1;
  for_planes<V>(planes, [&](int64_t i, int64_t, int64_t ch) {
    const C m = mean[ch], scale = lines[3 * ch], slope = lines[3 * ch + 1];
    const C shift = lines[3 * ch + 2];
    C v[V], g[V];
    load_piece<T, V>(x + i, V, kVectors, C(0), v);
    load_piece<T, V>(dy + i, V, kVectors, C(0), g);
#pragma unroll
    for (int k = 0; k < V; k++) g[k] = g[k] * scale + (v[k] - m) * slope + shift;
    store_piece<T, V>(dx + i, V, kVectors, g);
  });
}

// --- launchers

// f(vectors) with whether the planes can be read in vectors, as a constant.
template <class F>
void with_vectors(bool vectors, const F& f) {
  if (vectors) f(std::true_type{});
  else f(std::false_type{});
}

template <class T>
unsigned apply_grid(const BatchNormArgs& a, bool vectors) {
  const int64_t pieces = a.n * a.c * a.inner / (vectors ? 16 / int64_t(sizeof(T)) : 1);
  return grid_for(pieces, 2 * kThreads, 1 << 20);
}

// Partial sums of every channel, and how many.
template <class T, class Sums, class F>
void sum_channels(const BatchNormArgs& a, const Sums& sums, bool vectors, const F& finish) {
  using Total = typename Sums::Total;
  constexpr int64_t V = 16 / sizeof(T);
  const bool columns = a.inner == 1;
  const int64_t width = column_width<T>(a.c, sums.x, sums.dy ? sums.dy : sums.x);
  const int64_t length = columns ? a.n : a.n * a.inner / (vectors ? V : 1);  // of a channel
  const int64_t blocks = columns ? ceil_div(a.c, kColumns * width) : a.c;
  const int64_t least = columns ? kBatch * kColumnRows : kBatch * kThreads / (vectors ? V : 1);
  int64_t splits = blocks < kFullGrid ? kFullGrid / (blocks > 0 ? blocks : 1) : 1;
  if (splits > length / least) splits = length / least > 0 ? length / least : 1;
  const int64_t chunk = ceil_div(length, splits);
  if (length > 0) splits = ceil_div(length, chunk);
  const Scratch scratch(size_t(a.c * splits) * sizeof(Total));
  Total* partial = scratch.as<Total>();
  const dim3 grid{unsigned(blocks), unsigned(splits)};
  if (columns && width == 1) {
    MT_LAUNCH((column_sums_kernel<T, Sums, 1>), grid, kThreads, 0, stream(), sums, a.n, a.c, chunk,
              partial);
  } else if (columns) {
    MT_LAUNCH((column_sums_kernel<T, Sums, kColumnWidth<T>>), grid, kThreads, 0, stream(), sums,
              a.n, a.c, chunk, partial);
  } else {
    with_vectors(vectors, [&](auto v) {
      const Planes planes(a.n, a.c, a.inner, v ? int(V) : 1);
      MT_LAUNCH((channel_sums_kernel<T, Sums, v>), grid, kThreads, 0, stream(), sums, planes, chunk,
                partial);
    });
  }
  finish(static_cast<const Total*>(partial), int(splits));
}

// y from the mean and what `kVariance` says of the spread.
template <class T, bool kVariance>
void apply(const BatchNormArgs& a, const compute_t<T>* mean, const compute_t<T>* spread, T* y) {
  using C = compute_t<T>;
  if (a.n * a.inner == 0) return;
  const T* x = static_cast<const T*>(a.x);
  const C *weight = static_cast<const C*>(a.weight), *bias = static_cast<const C*>(a.bias);
  if (a.inner == 1) {
    with_vectors(planes_aligned<T>(a.c, x, y), [&](auto v) {
      constexpr int V = v ? int(16 / sizeof(T)) : 1;
      MT_LAUNCH((column_apply_kernel<T, V, kVariance>), column_grid(a.n, a.c / V), kThreads, 0,
                stream(), a.n, a.c, x, y, mean, spread, weight, bias, C(a.eps));
    });
    return;
  }
  with_vectors(planes_aligned<T>(a.inner, x, y), [&](auto v) {
    const Planes planes(a.n, a.c, a.inner, v ? int(16 / sizeof(T)) : 1);
    MT_LAUNCH((batch_norm_apply_kernel<T, v, kVariance>), apply_grid<T>(a, v), kThreads, 0,
              stream(), planes, x, y, mean, spread, weight, bias, C(a.eps));
  });
}

template <class T>
void train(const BatchNormArgs& a, const Outputs<T>& out, T* y) {
  using C = compute_t<T>;
  const T* x = static_cast<const T*>(a.x);
  const bool vectors = planes_aligned<T>(a.inner, x, y);
  sum_channels<T>(a, ForwardSums<T>{x, nullptr, nullptr}, vectors,
                  [&](const Moments* partial, int splits) {
                    MT_LAUNCH((batch_norm_statistics_kernel<T>), grid_for(a.c, kThreads / kWarp),
                              kThreads, 0, stream(), partial, a.c, splits, out);
                  });
  apply<T, false>(a, static_cast<const C*>(out.mean), static_cast<const C*>(out.rstd), y);
}

template <class T>
void backward(const BatchNormArgs& a, bool train, const T* dy, const compute_t<T>* mean,
              const compute_t<T>* rstd, T* dx, compute_t<T>* dw, compute_t<T>* db) {
  using C = compute_t<T>;
  const T* x = static_cast<const T*>(a.x);
  const bool vectors = planes_aligned<T>(a.inner, x, dy, dx);
  const Scratch scratch(size_t(3 * a.c) * sizeof(C));
  C* lines = scratch.as<C>();
  sum_channels<T>(a, BackwardSums<T>{x, dy, mean}, vectors,
                  [&](const Pair<double>* partial, int splits) {
                    MT_LAUNCH((batch_norm_lines_kernel<T>), grid_for(a.c, kThreads / kWarp),
                              kThreads, 0, stream(), partial, a.c, splits, double(a.n * a.inner),
                              train, rstd, static_cast<const C*>(a.weight), dw, db, lines);
                  });
  if (a.n * a.inner == 0) return;
  if (a.inner == 1) {
    with_vectors(planes_aligned<T>(a.c, x, dy, dx), [&](auto v) {
      constexpr int V = v ? int(16 / sizeof(T)) : 1;
      MT_LAUNCH((column_backward_kernel<T, V>), column_grid(a.n, a.c / V), kThreads, 0, stream(),
                a.n, a.c, x, dy, dx, mean, static_cast<const C*>(lines));
    });
    return;
  }
  with_vectors(vectors, [&](auto v) {
    const Planes planes(a.n, a.c, a.inner, v ? int(16 / sizeof(T)) : 1);
    MT_LAUNCH((batch_norm_backward_kernel<T, v>), apply_grid<T>(a, v), kThreads, 0, stream(),
              planes, x, dy, dx, mean, static_cast<const C*>(lines));
  });
}

template <class C>
__global__ void __launch_bounds__(kThreads)
    batch_norm_rstd_kernel(const C* var, double eps, int64_t c, C* rstd) {
  const int64_t i = thread_index();
  if (i < c) rstd[i] = C(1 / ::sqrt(double(var[i]) + eps));
}

}  // namespace

void batch_norm_train(const BatchNormArgs& args, double momentum, void* y, void* mean, void* rstd,
                      void* running_mean, void* running_var) {
  if (args.c == 0) return;
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using C = compute_t<scalar_t>;
    const Outputs<scalar_t> outputs{static_cast<C*>(mean),
                                    static_cast<C*>(rstd),
                                    static_cast<C*>(running_mean),
                                    static_cast<C*>(running_var),
                                    momentum,
                                    args.eps,
                                    double(args.n * args.inner)};
    train(args, outputs, static_cast<scalar_t*>(y));
  })
}

void batch_norm_eval(const BatchNormArgs& args, const void* mean, const void* var, void* y) {
  if (args.n * args.c * args.inner == 0) return;
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using C = compute_t<scalar_t>;
    apply<scalar_t, true>(args, static_cast<const C*>(mean), static_cast<const C*>(var),
                          static_cast<scalar_t*>(y));
  })
}

void batch_norm_backward(const BatchNormArgs& args, bool train, const void* dy, const void* mean,
                         const void* rstd, void* dx, void* dw, void* db) {
  if (args.c == 0) return;
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using C = compute_t<scalar_t>;
    backward(args, train, static_cast<const scalar_t*>(dy), static_cast<const C*>(mean),
             static_cast<const C*>(rstd), static_cast<scalar_t*>(dx), static_cast<C*>(dw),
             static_cast<C*>(db));
  })
}

void batch_norm_rstd(DType dtype, const void* var, double eps, int64_t c, void* rstd) {
  if (c == 0) return;
  MT_SWITCH_FLOAT(dtype, MT_LAUNCH((batch_norm_rstd_kernel<scalar_t>), grid_for(c, kThreads),
                                   kThreads, 0, stream(), static_cast<const scalar_t*>(var), eps, c,
                                   static_cast<scalar_t*>(rstd)))
}

}  // namespace mt::cuda
