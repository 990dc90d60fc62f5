// loss = w_y * ((m - x_y) + log s), m = max x, s = sum exp(x - m), per row of c classes;
// with label smoothing or probabilities t: loss = sum_c w_c t_c * ((m - x_c) + log s).
// dx = dy * (softmax(x) * sum_c w_c t_c - w t). Saved: m and log s per row; the softmax is computed
// again in the backward. A warp or a block takes a row; where the classes lie apart (inner > 1), a
// thread does. Losses and weights of the rows are added in float64 in a fixed order.
// Forward reads x once (twice with smoothing or probabilities), backward reads and writes once.
#include "ops/cross_entropy.h"

#include "cuda/core/index_error.h"
#include "cuda/core/launch.h"
#include "cuda/core/online_softmax.h"
#include "cuda/core/row.h"
#include "cuda/core/scratch.h"

namespace mt::cuda {
namespace {

constexpr int kWarpRows = 4;           // rows, and warps, of a block
constexpr int kLongThreads = 512;      // of a block that walks over a long row
constexpr int64_t kLongRow = 1024;     // classes from which a block takes a row
constexpr int64_t kTotalChunk = 8192;  // rows whose losses one block adds

// CrossEntropyArgs in the memory type T and the compute type C.
template <class T>
struct View {
  using C = compute_t<T>;
  int64_t rows, c, inner, ignore_index;
  const T *x, *t, *w;
  const int64_t* target;
  C keep, share;
  bool soft, vectors;
  Reduction reduction;
  IndexErrors* errors;

  explicit View(const CrossEntropyArgs& a)
      : rows(a.n * a.inner),
        c(a.c),
        inner(a.inner),
        ignore_index(a.ignore_index),
        x(static_cast<const T*>(a.x)),
        t(static_cast<const T*>(a.probabilities)),
        w(static_cast<const T*>(a.weight)),
        target(a.target),
        keep(C(1 - a.smoothing)),
        share(C(a.smoothing / double(a.c))),
        soft(a.probabilities || a.smoothing != 0),
        vectors(rows_aligned<T, 16 / sizeof(T)>(a.c, a.x)),
        reduction(a.reduction),
        errors(index_errors()) {}

  // Element 0 of a row; its classes are `inner` apart.
  __device__ __forceinline__ int64_t start(int64_t row) const {
    return inner == 1 ? row * c : row / inner * c * inner + row % inner;
  }
  __device__ __forceinline__ C weight(int64_t k) const { return w ? load(w[k]) : C(1); }
  // w_k t_k for the class k of the row that starts at `at` and has the class y.
  __device__ __forceinline__ C goal(int64_t at, int64_t k, int64_t y) const {
    const C hard = t ? load(t[at + k * inner]) : C(k == y ? 1 : 0);
    return weight(k) * (hard * keep + share);
  }
  // The class of a row: -1 where probabilities take its place, -2 where the row does not count.
  __device__ __forceinline__ int64_t label(int64_t row, bool report) const {
    if (!target) return -1;
    const int64_t y = target[row];
    if (y == ignore_index) return -2;
    if (y >= 0 && y < c) return y;
    if (report) report_index(errors, IndexOp::cross_entropy, y, c);
    return -2;
  }
  __device__ __forceinline__ C row_gradient(int64_t row, const C* dy, const double* total) const {
    if (reduction == Reduction::none) return dy[row];
    return reduction == Reduction::mean ? C(double(*dy) / *total) : *dy;
  }
};

// sums: {loss, weight} of every row, or null where `losses` takes the losses.
template <class T, class C>
__device__ __forceinline__ void store_row_loss(const View<T>& a, int64_t row, int64_t y, C loss,
                                               C* losses, Pair<double>* sums) {
  if (losses) losses[row] = loss;
  else sums[row] = {double(loss), y >= 0 ? double(a.weight(y)) : y == -1 ? 1.0 : 0.0};
}

template <class C>
MT_INLINE C soft_term(C goal, C x, C max, C log_sum) {
  return goal == C(0) ? C(0) : goal * ((max - x) + log_sum);  // zero hides a logit of -inf
}

template <class T, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? kLongThreads : kWarpRows * kWarp)
    cross_entropy_row_kernel(const View<T> a, compute_t<T>* losses, Pair<double>* sums,
                             compute_t<T>* stats) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  constexpr int V = 16 / sizeof(T);
  const int64_t row = Threads::first();
  if (row >= a.rows) return;
  const int64_t at = row * a.c;
  const T* x = a.x + at;
  ExpSum<C> total = ExpSum<C>::none();
  for_pieces<V, kLanes>(a.c, [&](int64_t i, int count) {
    C v[V];
    load_piece<T, V>(x + i, count, a.vectors, ExpSum<C>::lowest(), v);
    total.add(v);
  });
  total = Threads::reduce(total, ExpSum<C>::none(), MergeExpSums{});
  const C max = total.m, log_sum = fn::log(total.finite_sum());
  const int64_t y = a.label(row, Threads::rank() == 0);
  C loss = 0;
  if (a.soft && y != -2) {
    for (int64_t k = Threads::rank(); k < a.c; k += Threads::count())
      loss += soft_term(a.goal(at, k, y), load(x[k]), max, log_sum);
    loss = Threads::sum(loss);
  }
  if (Threads::rank() != 0) return;
  stats[2 * row] = max;
  stats[2 * row + 1] = log_sum;
  if (!a.soft && y >= 0) loss = a.weight(y) * ((max - load(x[y])) + log_sum);
  store_row_loss(a, row, y, loss, losses, sums);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_plane_kernel(const View<T> a, compute_t<T>* losses, Pair<double>* sums,
                               compute_t<T>* stats) {
  using C = compute_t<T>;
  const int64_t row = thread_index();
  if (row >= a.rows) return;
  const int64_t at = a.start(row);
  const T* x = a.x + at;
  ExpSum<C> total = ExpSum<C>::none();
  for (int64_t k = 0; k < a.c; k += 4) {
    C v[4];
#pragma unroll
    for (int u = 0; u < 4; u++)
      v[u] = k + u < a.c ? load(x[(k + u) * a.inner]) : ExpSum<C>::lowest();
    total.add(v);
  }
  const C max = total.m, log_sum = fn::log(total.finite_sum());
  const int64_t y = a.label(row, true);
  C loss = 0;
  if (a.soft && y != -2) {
    for (int64_t k = 0; k < a.c; k++)
      loss += soft_term(a.goal(at, k, y), load(x[k * a.inner]), max, log_sum);
  } else if (y >= 0) {
    loss = a.weight(y) * ((max - load(x[y * a.inner])) + log_sum);
  }
  stats[2 * row] = max;
  stats[2 * row + 1] = log_sum;
  store_row_loss(a, row, y, loss, losses, sums);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    nll_kernel(const View<T> a, compute_t<T>* losses, Pair<double>* sums) {
  using C = compute_t<T>;
  const int64_t row = thread_index();
  if (row >= a.rows) return;
  const int64_t y = a.label(row, true);
  const C loss = y >= 0 ? -a.weight(y) * load(a.x[a.start(row) + y * a.inner]) : C(0);
  store_row_loss(a, row, y, loss, losses, sums);
}

__global__ void __launch_bounds__(1024)
    cross_entropy_add_kernel(const Pair<double>* sums, int64_t n, Pair<double>* out) {
  const int64_t begin = blockIdx.x * kTotalChunk;
  const int64_t end = begin + kTotalChunk < n ? begin + kTotalChunk : n;
  Pair<double> sum{0, 0};
  for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) sum = AddPairs{}(sum, sums[i]);
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = sum;
}

template <class C>
__global__ void __launch_bounds__(1024)
    cross_entropy_finish_kernel(const Pair<double>* sums, int64_t n, bool mean, C* loss,
                                double* total) {
  Pair<double> sum{0, 0};
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum = AddPairs{}(sum, sums[i]);
  sum = block_sum(sum);
  if (threadIdx.x != 0) return;
  *total = sum.b;
  *loss = C(mean ? sum.a / sum.b : sum.a);
}

// losses_of(losses, sums) launches the kernel that gives each row's loss.
template <class T, class F>
void forward(const View<T>& a, void* loss, double* total, const F& losses_of) {
  using C = compute_t<T>;
  if (a.reduction == Reduction::none) {
    if (a.rows > 0) losses_of(static_cast<C*>(loss), nullptr);
    return;
  }
  const int64_t chunks = ceil_div(a.rows, kTotalChunk);
  const Scratch scratch(size_t(a.rows + chunks + 1) * sizeof(Pair<double>));
  Pair<double>* sums = scratch.as<Pair<double>>();
  int64_t count = a.rows;
  if (a.rows > 0) losses_of(nullptr, sums);
  if (chunks > 1) {
    MT_LAUNCH((cross_entropy_add_kernel), unsigned(chunks), 1024, 0, stream(),
              static_cast<const Pair<double>*>(sums), count, sums + a.rows);
    sums += a.rows;
    count = chunks;
  }
  MT_LAUNCH((cross_entropy_finish_kernel<C>), 1, 1024, 0, stream(),
            static_cast<const Pair<double>*>(sums), count, a.reduction == Reduction::mean,
            static_cast<C*>(loss), total);
}

// --- backward

template <class T, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? kLongThreads : kWarpRows * kWarp)
    cross_entropy_row_backward_kernel(const View<T> a, const compute_t<T>* stats,
                                      const compute_t<T>* dy, const double* total, T* dx,
                                      bool vectors) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  constexpr int V = 16 / sizeof(T);
  const int64_t row = Threads::first();
  if (row >= a.rows) return;
  const int64_t at = row * a.c, y = a.label(row, false);
  const C g = y == -2 ? C(0) : a.row_gradient(row, dy, total);
  C goals = 0;
  if (a.soft && y != -2) {
    for (int64_t k = Threads::rank(); k < a.c; k += Threads::count()) goals += a.goal(at, k, y);
    goals = Threads::sum(goals);
  } else if (y >= 0) {
    goals = a.weight(y);
  }
  const C max = stats[2 * row], log_sum = stats[2 * row + 1], scale = g * goals;
  for_pieces<V, kLanes>(a.c, [&](int64_t i, int count) {
    C v[V];
    load_piece<T, V>(a.x + at + i, count, vectors, max, v);
#pragma unroll
    for (int k = 0; k < V; k++) {
      v[k] = y == -2 ? C(0) : fn::exp(v[k] - max - log_sum) * scale;
      if (!a.soft) v[k] -= i + k == y ? scale : C(0);
      else if (y != -2 && k < count) v[k] -= g * a.goal(at, i + k, y);
    }
    store_piece<T, V>(dx + at + i, count, vectors, v);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    cross_entropy_plane_backward_kernel(const View<T> a, const compute_t<T>* stats,
                                        const compute_t<T>* dy, const double* total, T* dx) {
  using C = compute_t<T>;
  const int64_t row = thread_index();
  if (row >= a.rows) return;
  const int64_t at = a.start(row), y = a.label(row, false);
  if (y == -2) {
    for (int64_t k = 0; k < a.c; k++) dx[at + k * a.inner] = store_as<T>(C(0));
    return;
  }
  const C g = a.row_gradient(row, dy, total);
  C goals = 0;
  if (a.soft)
    for (int64_t k = 0; k < a.c; k++) goals += a.goal(at, k, y);
  else goals = a.weight(y);
  const C max = stats[2 * row], log_sum = stats[2 * row + 1], scale = g * goals;
  for (int64_t k = 0; k < a.c; k++) {
    C v = fn::exp(load(a.x[at + k * a.inner]) - max - log_sum) * scale;
    if (a.soft) v -= g * a.goal(at, k, y);
    else if (k == y) v -= scale;
    dx[at + k * a.inner] = store_as<T>(v);
  }
}

// dx is zero already.
template <class T>
__global__ void __launch_bounds__(kThreads)
    nll_backward_kernel(const View<T> a, const compute_t<T>* dy, const double* total, T* dx) {
  const int64_t row = thread_index();
  if (row >= a.rows) return;
  const int64_t y = a.label(row, false);
  if (y >= 0)
    dx[a.start(row) + y * a.inner] = store_as<T>(-a.row_gradient(row, dy, total) * a.weight(y));
}

}  // namespace

void cross_entropy_forward(const CrossEntropyArgs& args, void* loss, void* stats, double* total,
                           int64_t*) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using T = scalar_t;
    using C = compute_t<T>;
    const View<T> a(args);
    C* s = static_cast<C*>(stats);
    forward(a, loss, total, [&](C* losses, Pair<double>* sums) {
      if (a.inner > 1) {
        MT_LAUNCH((cross_entropy_plane_kernel<T>), grid_for(a.rows, kThreads), kThreads, 0,
                  stream(), a, losses, sums, s);
      } else if (a.c < kLongRow) {
        MT_LAUNCH((cross_entropy_row_kernel<T, kWarp>), grid_for(a.rows, kWarpRows),
                  kWarpRows * kWarp, 0, stream(), a, losses, sums, s);
      } else {
        MT_LAUNCH((cross_entropy_row_kernel<T, kByBlock>), unsigned(a.rows), kLongThreads, 0,
                  stream(), a, losses, sums, s);
      }
    });
  })
}

void cross_entropy_backward(const CrossEntropyArgs& args, const void* stats, const void* dy,
                            const double* total, void* dx) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using T = scalar_t;
    using C = compute_t<T>;
    const View<T> a(args);
    const C *s = static_cast<const C*>(stats), *g = static_cast<const C*>(dy);
    T* out = static_cast<T*>(dx);
    const bool vectors = rows_aligned<T, 16 / sizeof(T)>(a.c, a.x, out);
    if (a.rows == 0) {
    } else if (a.inner > 1) {
      MT_LAUNCH((cross_entropy_plane_backward_kernel<T>), grid_for(a.rows, kThreads), kThreads, 0,
                stream(), a, s, g, total, out);
    } else if (a.c < kLongRow) {
      MT_LAUNCH((cross_entropy_row_backward_kernel<T, kWarp>), grid_for(a.rows, kWarpRows),
                kWarpRows * kWarp, 0, stream(), a, s, g, total, out, vectors);
    } else {
      MT_LAUNCH((cross_entropy_row_backward_kernel<T, kByBlock>), unsigned(a.rows), kLongThreads, 0,
                stream(), a, s, g, total, out, vectors);
    }
  })
}

void nll_forward(const CrossEntropyArgs& args, void* loss, double* total, int64_t*) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using T = scalar_t;
    using C = compute_t<T>;
    const View<T> a(args);
    forward(a, loss, total, [&](C* losses, Pair<double>* sums) {
      MT_LAUNCH((nll_kernel<T>), grid_for(a.rows, kThreads), kThreads, 0, stream(), a, losses,
                sums);
    });
  })
}

void nll_backward(const CrossEntropyArgs& args, const void* dy, const double* total, void* dx) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using T = scalar_t;
    using C = compute_t<T>;
    const View<T> a(args);
    if (a.rows > 0) {
      MT_CUDA_CHECK(cudaMemsetAsync(dx, 0, size_t(a.rows * a.c) * sizeof(T), stream()));
      MT_LAUNCH((nll_backward_kernel<T>), grid_for(a.rows, kThreads), kThreads, 0, stream(), a,
                static_cast<const C*>(dy), total, static_cast<T*>(dx));
    }
  })
}

}  // namespace mt::cuda
