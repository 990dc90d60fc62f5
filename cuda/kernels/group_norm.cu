// y = xh * w[c] + b[c], xh = (x - mean) * rstd, mean and rstd over the c / groups channels of a
// group in one sample.
// dx = rstd * (g - mean(g) - xh * mean(g * xh)), g = dy * w[c]; dw[c] = sum(dy * xh), db[c] =
// sum(dy). Saved: mean and rstd. Forward: a block per group, which lies together in memory, takes
// the moments and, while the group is in cache, writes y. Backward: a warp or block per plane sums
// dy and dy * (x - mean); a warp per group adds up its planes; an elementwise kernel gives dx. The
// sums of the planes, [n, 2, c], are added over n in order.
#include "ops/group_norm.h"

#include "cuda/core/math.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/channels.cuh"
#include "cuda/kernels/partial_sums.cuh"

namespace mt::cuda {
namespace {

constexpr int kGroupThreads = 512, kWarpRows = 4;

template <class C>
MT_INLINE C at_or(const C* p, int64_t i, C missing) {
  return p ? p[i] : missing;
}

template <class T, bool kVectors>
__global__ void __launch_bounds__(kGroupThreads, 1)
    group_norm_kernel(const GroupNormArgs a, const PositionDivider plane, T* y, compute_t<T>* means,
                      compute_t<T>* rstds) {
  using C = compute_t<T>;
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1, kBatch = 8, U = kBatch / V;
  const int64_t group = blockIdx.x, channels = a.c / a.groups, m = channels * a.inner;
  const int64_t c0 = group % a.groups * channels, pieces = m / V;
  const T* x = static_cast<const T*>(a.x) + group * m;
  RunningMoments<C> running;
  for (int64_t j = threadIdx.x; j < pieces; j += U * blockDim.x) {
    C v[kBatch], part[V];
    int count = 0;
#pragma unroll
    for (int u = 0; u < U; u++) {
      const int64_t piece = j + u * int(blockDim.x);
      if (piece >= pieces) continue;
      load_piece<T, V>(x + piece * V, V, kVectors, C(0), part);
#pragma unroll
      for (int k = 0; k < V; k++) v[u * V + k] = part[k];
      count = (u + 1) * V;
    }
    running.add(v, count);
  }
  const Moments all = block_reduce(running.wide(), Moments{0, 0, 0}, MergeMoments{});
  const C mean = C(all.mean), rstd = C(1 / ::sqrt(all.m2 / double(m) + a.eps));
  if (threadIdx.x == 0) {
    means[group] = mean;
    rstds[group] = rstd;
  }
  const C *weight = static_cast<const C*>(a.weight), *bias = static_cast<const C*>(a.bias);
  for (int64_t j = threadIdx.x; j < pieces; j += blockDim.x) {
    int64_t rest;
    const int64_t ch = c0 + plane.divide(j, &rest);
    const C scale = rstd * at_or(weight, ch, C(1)), shift = at_or(bias, ch, C(0));
    C v[V];
    load_piece<T, V>(x + j * V, V, kVectors, C(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = (v[k] - mean) * scale + shift;
    store_piece<T, V>(y + group * m + j * V, V, kVectors, v);
  }
}

// Per plane [n, c]: partial[n, 0, c] = sum of dy, partial[n, 1, c] = sum of dy * (x - mean) * rstd.
template <class T, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? kThreads : kWarpRows * kWarp)
    group_norm_planes_kernel(const GroupNormArgs a, const T* dy, const compute_t<T>* means,
                             const compute_t<T>* rstds, bool vectors, compute_t<T>* partial) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  constexpr int V = 16 / sizeof(T);
  const int64_t plane = Threads::first();
  if (plane >= a.n * a.c) return;
  const int64_t sample = plane / a.c, ch = plane % a.c;
  const int64_t group = sample * a.groups + ch / (a.c / a.groups);
  const C mean = means[group];
  const T *x = static_cast<const T*>(a.x) + plane * a.inner, *g = dy + plane * a.inner;
  Pair<double> sums{0, 0};
  for_pieces<V, kLanes>(a.inner, [&](int64_t i, int count) {
    C v[V], d[V], s = 0, sx = 0;
    load_piece<T, V>(x + i, count, vectors, mean, v);
    load_piece<T, V>(g + i, count, vectors, C(0), d);
#pragma unroll
    for (int k = 0; k < V; k++) {
      s += d[k];
      sx += d[k] * (v[k] - mean);
    }
    sums = AddPairs{}(sums, Pair<double>{double(s), double(sx)});
  });
  sums = Threads::sum(sums);
  if (Threads::rank() != 0) return;
  partial[sample * 2 * a.c + ch] = C(sums.a);
  partial[sample * 2 * a.c + a.c + ch] = C(sums.b * double(rstds[group]));
}

// A warp per group: {mean of g, mean of g * xh} from the sums of its planes.
template <class C>
__global__ void __launch_bounds__(kThreads)
    group_norm_groups_kernel(const GroupNormArgs a, const C* partial, Pair<C>* terms) {
  const int64_t group = int64_t(blockIdx.x) * (kThreads / kWarp) + warp_index();
  if (group >= a.n * a.groups) return;
  const int64_t channels = a.c / a.groups, sample = group / a.groups;
  const int64_t c0 = group % a.groups * channels;
  const C *weight = static_cast<const C*>(a.weight), *sums = partial + sample * 2 * a.c + c0;
  Pair<double> total{0, 0};
  for (int64_t k = lane_index(); k < channels; k += kWarp) {
    const double w = double(at_or(weight, c0 + k, C(1)));
    total.a += w * double(sums[k]);
    total.b += w * double(sums[a.c + k]);
  }
  total = warp_reduce(total, AddPairs{});
  const double m = double(channels * a.inner);
  if (lane_index() == 0) terms[group] = {C(total.a / m), C(total.b / m)};
}

template <class T, bool kVectors>
__global__ void __launch_bounds__(kThreads)
    group_norm_backward_kernel(const GroupNormArgs a, const Planes planes, const T* dy,
                               const compute_t<T>* means, const compute_t<T>* rstds,
                               const Pair<compute_t<T>>* terms, T* dx) {
  using C = compute_t<T>;
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1;
  const int channels = int(a.c / a.groups);
  // A group of one value does not depend on it; rounding errors must not be scaled up.
  const bool single = channels * a.inner == 1;
  const T* x = static_cast<const T*>(a.x);
  for_planes<V>(planes, [&](int64_t i, int64_t sample, int64_t ch) {
    const int64_t group = sample * a.groups + int(ch) / channels;
    const C mean = means[group], rstd = rstds[group];
    const C w = at_or(static_cast<const C*>(a.weight), ch, C(1));
    const Pair<C> term = terms[group];
    C v[V], g[V];
    load_piece<T, V>(x + i, V, kVectors, C(0), v);
    load_piece<T, V>(dy + i, V, kVectors, C(0), g);
#pragma unroll
    for (int k = 0; k < V; k++)
      g[k] = single ? C(0) : (g[k] * w - term.a - (v[k] - mean) * rstd * term.b) * rstd;
    store_piece<T, V>(dx + i, V, kVectors, g);
  });
}

template <class T, bool kVectors>
void forward(const GroupNormArgs& a, T* y, compute_t<T>* mean, compute_t<T>* rstd) {
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1;
  const int64_t m = a.c / a.groups * a.inner, warps = ceil_div(m, V * kWarp);
  const int threads =
      int(warps < kGroupThreads / kWarp ? (warps > 0 ? warps : 1) * kWarp : kGroupThreads);
  MT_LAUNCH((group_norm_kernel<T, kVectors>), unsigned(a.n * a.groups), threads, 0, stream(), a,
            PositionDivider(a.inner / V, m / V), y, mean, rstd);
}

template <class T, bool kVectors>
void finish_backward(const GroupNormArgs& a, const T* dy, const compute_t<T>* mean,
                     const compute_t<T>* rstd, const Pair<compute_t<T>>* terms, T* dx) {
  constexpr int V = kVectors ? int(16 / sizeof(T)) : 1;
  MT_LAUNCH((group_norm_backward_kernel<T, kVectors>),
            grid_for(a.n * a.c * a.inner / V, 2 * kThreads, 1 << 20), kThreads, 0, stream(), a,
            Planes(a.n, a.c, a.inner, V), dy, mean, rstd, terms, dx);
}

template <class T>
void backward(const GroupNormArgs& a, const T* dy, const compute_t<T>* mean,
              const compute_t<T>* rstd, T* dx, compute_t<T>* dw, compute_t<T>* db,
              compute_t<T>* partial) {
  using C = compute_t<T>;
  const T* x = static_cast<const T*>(a.x);
  const bool vectors = planes_aligned<T>(a.inner, x, dy, dx);
  const int64_t count = a.n * a.c;
  if (count > 0) {
    if (a.inner <= 1024) {
      MT_LAUNCH((group_norm_planes_kernel<T, kWarp>), grid_for(count, kWarpRows), kWarpRows * kWarp,
                0, stream(), a, dy, mean, rstd, vectors, partial);
    } else {
      MT_LAUNCH((group_norm_planes_kernel<T, kByBlock>), unsigned(count), kThreads, 0, stream(), a,
                dy, mean, rstd, vectors, partial);
    }
  }
  if (count * a.inner > 0) {
    const int64_t groups = a.n * a.groups;
    const Scratch scratch(size_t(groups) * sizeof(Pair<C>));
    Pair<C>* terms = scratch.as<Pair<C>>();
    MT_LAUNCH((group_norm_groups_kernel<C>), grid_for(groups, kThreads / kWarp), kThreads, 0,
              stream(), a, static_cast<const C*>(partial), terms);
    if (vectors) finish_backward<T, true>(a, dy, mean, rstd, terms, dx);
    else finish_backward<T, false>(a, dy, mean, rstd, terms, dx);
  }
  if (!dw) return;
  add_partials(static_cast<const C*>(partial), a.n, 2 * a.c, a.c, db);
  add_partials(static_cast<const C*>(partial) + a.c, a.n, 2 * a.c, a.c, dw);
}

}  // namespace

void group_norm_forward(const GroupNormArgs& args, void* y, void* mean, void* rstd) {
  if (args.n * args.groups == 0) return;
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using T = scalar_t;
    using C = compute_t<T>;
    T* out = static_cast<T*>(y);
    C *m = static_cast<C*>(mean), *r = static_cast<C*>(rstd);
    if (planes_aligned<T>(args.inner, args.x, out)) forward<T, true>(args, out, m, r);
    else forward<T, false>(args, out, m, r);
  })
}

void group_norm_backward(const GroupNormArgs& args, const void* dy, const void* mean,
                         const void* rstd, void* dx, void* dw, void* db, void* partial) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using C = compute_t<scalar_t>;
    backward(args, static_cast<const scalar_t*>(dy), static_cast<const C*>(mean),
             static_cast<const C*>(rstd), static_cast<scalar_t*>(dx), static_cast<C*>(dw),
             static_cast<C*>(db), static_cast<C*>(partial));
  })
}

}  // namespace mt::cuda
