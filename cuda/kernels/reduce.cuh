// The loops of a reduction, for any operation. A block has one row of threads; `along` of them
// share a result:
//   rows     neighbouring threads read neighbouring elements of a result (16 bytes at a time where
//            they are one run of memory); short rows take a part of a warp, long ones a block
//   columns  neighbouring threads have neighbouring results and go down the reduced elements
// Where there are few results the reduced elements are cut into splits (by size only), whose totals
// a second kernel combines. Each element is read once.
//
// An operation Op has the types S (stored element), Lane (running value), Total and Param, and
//   Total start()   Lane lane()   Lane map(S, Param, int64_t i)   Lane join(Lane, Lane)
//   Total add(Total, Lane)   Total combine(Total, Total)   void store(char* y, char* p, Total)
// y and p are where operands 0 and 2 of `kept` have the result; i numbers the reduced elements.
// A Lane is added to its Total every kFlush steps.
#pragma once
#include "core/iter.h"
#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/reduce.h"
#include "cuda/core/scratch.h"
#include "cuda/core/vec.h"

namespace mt::cuda {

struct NoParam {};

// Byte offsets of the K operands at a linear index.
template <int K>
struct Offsets {
  int ndim;
  bool wide;  // 2^31 positions or more
  int64_t size[kMaxIterDims];
  Divider divider[kMaxIterDims];
  int64_t strides[kMaxIterDims][K];

  explicit Offsets(const ElementIter& it) : ndim(it.ndim), wide(it.numel > 0x7fffffff) {
    for (int d = 0; d < it.ndim; d++) {
      size[d] = it.shape[d];
      if (!wide) divider[d] = Divider(uint32_t(it.shape[d] > 0 ? it.shape[d] : 1));
      for (int k = 0; k < K; k++) strides[d][k] = it.strides[d][k];
    }
  }

  // From elements to vectors of V along the innermost dim.
  void group(int V) {
    size[0] /= V;
    if (!wide) divider[0] = Divider(uint32_t(size[0]));
    for (int k = 0; k < K; k++) strides[0][k] *= V;
  }

  // kWide: for any position, by slow divisions; else fast, where `wide` is not set.
  template <bool kWide>
  __device__ __forceinline__ void locate(int64_t i, int64_t (&at)[K]) const {
    if (ndim == 1) {
#pragma unroll
      for (int k = 0; k < K; k++) at[k] = i * strides[0][k];
      return;
    }
#pragma unroll
    for (int k = 0; k < K; k++) at[k] = 0;
    for (int d = 0; d < ndim; d++) {
      int64_t index;
      if constexpr (kWide) {
        index = i % size[d];
        i /= size[d];
      } else {
        uint32_t rest;
        i = divider[d].divide(uint32_t(i), &rest);
        index = rest;
      }
#pragma unroll
      for (int k = 0; k < K; k++) at[k] += index * strides[d][k];
    }
  }
  __device__ __forceinline__ void find(int64_t i, int64_t (&at)[K]) const {
    if (wide) locate<true>(i, at);
    else locate<false>(i, at);
  }
};

struct ReducePlan {
  int64_t outputs, n;  // results, and elements behind each
  int64_t chunk;       // elements of one split
  int splits, along;
  bool rows, run;  // run: the elements of a result are contiguous
  bool vectors;    // else: they come in aligned vectors, and `reduced` locates these
  char *y, *p;
  const char* x;
  Offsets<3> kept;
  Offsets<1> reduced;
};

template <class S>
constexpr int kReduceVector = sizeof(S) >= 2 ? int(16 / sizeof(S)) : 8;

constexpr int64_t kFullGrid = 1024;  // blocks that keep every multiprocessor busy

// Whether the elements of every result are whole aligned vectors of `bytes`.
inline bool in_vectors(const ElementIter& kept, const ElementIter& reduced, int64_t bytes) {
  bool fits = reinterpret_cast<uintptr_t>(kept.data[1]) % uintptr_t(bytes) == 0 &&
              reduced.shape[0] * reduced.strides[0][0] % bytes == 0;
  for (int d = 1; d < reduced.ndim; d++) fits = fits && reduced.strides[d][0] % bytes == 0;
  for (int d = 0; d < kept.ndim; d++) fits = fits && kept.strides[d][1] % bytes == 0;
  return fits;
}

inline ReducePlan plan_reduce(const ElementIter& kept, const ElementIter& reduced, int64_t size,
                              int vector) {
  const auto power_of_two = [](int64_t n, int most) {
    int p = 1;
    while (p < n && p < most) p *= 2;
    return p;
  };
  ReducePlan plan{kept.numel,
                  reduced.numel,
                  0,
                  1,
                  1,
                  false,
                  false,
                  false,
                  kept.data[0],
                  kept.data[2],
                  kept.data[1],
                  Offsets<3>(kept),
                  Offsets<1>(reduced)};
  const bool columns = kept.numel > 1 && kept.strides[0][1] == size;
  plan.rows = !columns || (reduced.numel > 1 && reduced.strides[0][0] == size);
  plan.run = plan.rows && reduced.ndim == 1 && (reduced.strides[0][0] == size || plan.n <= 1);
  if (plan.rows) {
    const bool whole_block = plan.n >= 2048 || (plan.n >= 256 && plan.outputs < kFullGrid);
    plan.along = whole_block ? kThreads : power_of_two(ceil_div(plan.n, 4), kWarp);
  } else {
    // Whole warps of results, and as many rows of threads as there is work for.
    const int across = power_of_two(plan.outputs, kWarp);
    plan.along = power_of_two(ceil_div(plan.n, 4), kThreads / across);
  }
  const int64_t blocks = ceil_div(plan.outputs, kThreads / plan.along);
  const int64_t least = int64_t(plan.along) * (plan.rows ? 64 : 16);
  if (blocks < kFullGrid / 2 && plan.n >= 2 * least) {
    const int64_t wanted = ceil_div(kFullGrid, blocks), possible = plan.n / least;
    plan.splits = int(wanted < possible ? wanted : possible);
  }
  plan.chunk = ceil_div(plan.n, plan.splits);
  plan.chunk = ceil_div(plan.chunk, 64) * 64;  // keeps the vectors of the splits aligned
  if (plan.splits > 1) plan.splits = int(ceil_div(plan.n, plan.chunk));
  if (plan.rows && !plan.run && !plan.reduced.wide && reduced.strides[0][0] == size &&
      in_vectors(kept, reduced, vector * size)) {
    plan.vectors = true;
    plan.reduced.group(vector);
  }
  return plan;
}

template <class Op>
__device__ __forceinline__ typename Op::Param parameter_at(const char* p) {
  if constexpr (__is_same(typename Op::Param, NoParam)) return {};
  else return *reinterpret_cast<const typename Op::Param*>(p);
}

// Elements begin + first, begin + first + step ... below `end`, in whatever layout.
template <bool kWide, class Op>
__device__ __forceinline__ typename Op::Total total_of_strided(const Op& op,
                                                               const Offsets<1>& offsets,
                                                               const char* x, typename Op::Param c,
                                                               int64_t i, int64_t end, int step) {
  using S = typename Op::S;
  constexpr int U = kWide ? 1 : sizeof(S) <= 2 ? 8 : 4;
  typename Op::Total total = op.start();
  while (i < end) {
    typename Op::Lane acc[U];
#pragma unroll
    for (int u = 0; u < U; u++) acc[u] = op.lane();
    for (int k = 0; k < Op::kFlush && i < end; k++) {
      if (i + (U - 1) * step < end) {
        S v[U];
#pragma unroll
        for (int u = 0; u < U; u++) {
          int64_t at[1];
          offsets.template locate<kWide>(i + u * step, at);
          v[u] = *reinterpret_cast<const S*>(x + at[0]);
        }
#pragma unroll
        for (int u = 0; u < U; u++) acc[u] = op.join(acc[u], op.map(v[u], c, i + u * step));
        i += U * step;
      } else {
        int64_t at[1];
        offsets.template locate<kWide>(i, at);
        acc[0] = op.join(acc[0], op.map(*reinterpret_cast<const S*>(x + at[0]), c, i));
        i += step;
      }
    }
#pragma unroll
    for (int w = U / 2; w > 0; w /= 2)
#pragma unroll
      for (int k = 0; k < w; k++) acc[k] = op.join(acc[k], acc[k + w]);
    total = op.add(total, acc[0]);
  }
  return total;
}

// The same for contiguous elements: whole vectors, and single elements before and behind them.
template <class Op>
__device__ __forceinline__ typename Op::Total total_of_run(const Op& op, const typename Op::S* x,
                                                           typename Op::Param c, int64_t begin,
                                                           int64_t end, int first, int step) {
  using S = typename Op::S;
  constexpr int V = kReduceVector<S>, U = V < 4 ? 4 : 2;
  constexpr int kBytes = V * sizeof(S);
  int64_t head = int64_t(-reinterpret_cast<uintptr_t>(x + begin) % kBytes / sizeof(S));
  head = head < end - begin ? head : end - begin;
  const int64_t body = begin + head, vectors = (end - body) / V, tail = body + vectors * V;
  typename Op::Total total = op.start();
  typename Op::Lane acc[V];
#pragma unroll
  for (int k = 0; k < V; k++) acc[k] = op.lane();
  for (int64_t i = begin + first; i < body; i += step) acc[0] = op.join(acc[0], op.map(x[i], c, i));
  for (int64_t i = tail + first; i < end; i += step) acc[1] = op.join(acc[1], op.map(x[i], c, i));
  const auto flush = [&] {
#pragma unroll
    for (int w = V / 2; w > 0; w /= 2)
#pragma unroll
      for (int k = 0; k < w; k++) acc[k] = op.join(acc[k], acc[k + w]);
    total = op.add(total, acc[0]);
#pragma unroll
    for (int k = 0; k < V; k++) acc[k] = op.lane();
  };
  const auto take = [&](const Vec<S, V>& v, int64_t j) {
#pragma unroll
    for (int k = 0; k < V; k++) acc[k] = op.join(acc[k], op.map(v.v[k], c, body + j * V + k));
  };
  const Vec<S, V>* p = reinterpret_cast<const Vec<S, V>*>(x + body);
  int64_t j = first;
  while (j < vectors) {
    for (int k = 0; k < Op::kFlush && j < vectors; k++) {
      if (j + (U - 1) * step < vectors) {
        Vec<S, V> v[U];
#pragma unroll
        for (int u = 0; u < U; u++) v[u] = p[j + u * step];
#pragma unroll
        for (int u = 0; u < U; u++) take(v[u], j + u * step);
        j += U * step;
      } else {
        take(p[j], j);
        j += step;
      }
    }
    flush();
  }
  flush();
  return total;
}

// The same for runs that are whole vectors each: `offsets` locates vectors.
template <class Op>
__device__ __forceinline__ typename Op::Total total_of_vectors(const Op& op,
                                                               const Offsets<1>& offsets,
                                                               const char* x, typename Op::Param c,
                                                               int64_t i, int64_t end, int step) {
  using S = typename Op::S;
  constexpr int V = kReduceVector<S>, U = 2;
  typename Op::Total total = op.start();
  typename Op::Lane acc[V];
  while (i < end) {
#pragma unroll
    for (int k = 0; k < V; k++) acc[k] = op.lane();
    for (int n = 0; n < Op::kFlush && i < end; n++) {
      Vec<S, V> v[U];
#pragma unroll
      for (int u = 0; u < U; u++) {
        if (i + u * step >= end) continue;
        int64_t at[1];
        offsets.template locate<false>(i + u * step, at);
        v[u] = *reinterpret_cast<const Vec<S, V>*>(x + at[0]);
      }
#pragma unroll
      for (int u = 0; u < U; u++) {
        if (i + u * step >= end) continue;
#pragma unroll
        for (int k = 0; k < V; k++)
          acc[k] = op.join(acc[k], op.map(v[u].v[k], c, (i + u * step) * V + k));
      }
      i += U * step;
    }
#pragma unroll
    for (int w = V / 2; w > 0; w /= 2)
#pragma unroll
      for (int k = 0; k < w; k++) acc[k] = op.join(acc[k], acc[k + w]);
    total = op.add(total, acc[0]);
  }
  return total;
}

template <class Op>
__global__ void __launch_bounds__(kThreads, 2)
    reduce_kernel(const Op op, const ReducePlan plan, typename Op::Total* partial) {
  using Total = typename Op::Total;
  MT_SHARED(Total, part, kThreads);
  const int t = int(threadIdx.x), along = plan.along, across = kThreads / along;
  const int place = plan.rows ? t % along : t / across;
  const int64_t output = int64_t(blockIdx.x) * across + (plan.rows ? t / along : t % across);
  const bool live = output < plan.outputs;
  const int64_t begin = int64_t(blockIdx.y) * plan.chunk;
  const int64_t end = begin + plan.chunk < plan.n ? begin + plan.chunk : plan.n;
  const auto combine = [&](const Total& a, const Total& b) { return op.combine(a, b); };
  int64_t at[3] = {};
  Total total = op.start();
  if (live) {
    plan.kept.find(output, at);
    const auto c = parameter_at<Op>(plan.p + at[2]);
    const char* x = plan.x + at[1];
    if (plan.run) {
      total =
          total_of_run(op, reinterpret_cast<const typename Op::S*>(x), c, begin, end, place, along);
    } else if (plan.vectors) {
      constexpr int V = kReduceVector<typename Op::S>;
      total = total_of_vectors(op, plan.reduced, x, c, begin / V + place, end / V, along);
    } else if (plan.reduced.wide && plan.reduced.ndim > 1) {
      total = total_of_strided<true>(op, plan.reduced, x, c, begin + place, end, along);
    } else {
      total = total_of_strided<false>(op, plan.reduced, x, c, begin + place, end, along);
    }
  }
  if (!plan.rows) {
    part[t] = total;
    for (int half = along / 2; half > 0; half /= 2) {
      __syncthreads();
      if (place < half) {
        const Total a = part[t], b = part[t + half * across];
        total = op.combine(a, b);
        part[t] = total;
      }
    }
  } else if (along <= kWarp) {
    total = warp_reduce(total, combine, along);
  } else {
    total = block_reduce(total, op.start(), combine);
  }
  if (!live || place != 0) return;
  if (plan.splits == 1) op.store(plan.y + at[0], plan.p + at[2], total);
  else partial[output * plan.splits + blockIdx.y] = total;
}

// A warp per result.
template <class Op>
__global__ void __launch_bounds__(kThreads)
    reduce_splits_kernel(const Op op, const ReducePlan plan, const typename Op::Total* partial) {
  using Total = typename Op::Total;
  const int64_t output = int64_t(blockIdx.x) * (kThreads / kWarp) + warp_index();
  if (output >= plan.outputs) return;
  Total total = op.start();
  for (int s = lane_index(); s < plan.splits; s += kWarp)
    total = op.combine(total, partial[output * plan.splits + s]);
  total = warp_reduce(total, [&](const Total& a, const Total& b) { return op.combine(a, b); });
  int64_t at[3];
  plan.kept.find(output, at);
  if (lane_index() == 0) op.store(plan.y + at[0], plan.p + at[2], total);
}

template <class Op>
void reduce(const Op& op, const ElementIter& kept, const ElementIter& reduced) {
  using Total = typename Op::Total;
  if (kept.numel == 0) return;
  const ReducePlan plan =
      plan_reduce(kept, reduced, sizeof(typename Op::S), kReduceVector<typename Op::S>);
  const dim3 grid(unsigned(ceil_div(plan.outputs, kThreads / plan.along)), unsigned(plan.splits));
  if (plan.splits == 1) {
    MT_LAUNCH((reduce_kernel<Op>), grid, kThreads, 0, stream(), op, plan,
              static_cast<Total*>(nullptr));
    return;
  }
  const Scratch partial(size_t(plan.outputs * plan.splits) * sizeof(Total));
  MT_LAUNCH((reduce_kernel<Op>), grid, kThreads, 0, stream(), op, plan, partial.as<Total>());
  MT_LAUNCH((reduce_splits_kernel<Op>), grid_for(plan.outputs, kThreads / kWarp), kThreads, 0,
            stream(), op, plan, static_cast<const Total*>(partial.as<Total>()));
}

}  // namespace mt::cuda
