// Softmax of rows: y = exp(x - max) / sum(exp(x - max)); backward dx = y * (dy - sum(dy * y)).
// log_softmax: y = x - max - log(sum); backward dx = dy - exp(y) * sum(dy).
// A row of up to 1024 elements stays in the registers of a warp (short ones share a warp), a longer
// one in those of a block; beyond that the block reads it twice, for maximum and sum together and
// for the result. Along another dim than the last, neighbouring threads take neighbouring columns.
// Bytes: one read and one write per element (two reads backward) where a row fits in registers.
#include "ops/softmax.h"

#include "cuda/core/launch.h"
#include "cuda/core/online_softmax.h"
#include "cuda/core/row.h"

namespace mt::cuda {
namespace {

constexpr int kRowThreads = 128;   // of a block that holds several rows
constexpr int kLongThreads = 512;  // of a block that walks over a long row

template <class T, int K, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? 1024 : kRowThreads)
    softmax_row_kernel(bool log, const T* x, T* y, int64_t rows, int n, bool vectors) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  const int64_t row = Threads::first();
  const bool live = row < rows;  // the lanes of a warp stay together
  const int64_t at = (live ? row : rows - 1) * n;
  const C lowest = ExpSum<C>::lowest();
  C v[K];
  load_row<T, K, kLanes>(x + at, n, vectors, lowest, v);
  C top = lowest;
#pragma unroll
  for (int k = 0; k < K; k++) top = v[k] > top ? v[k] : top;
  top = Threads::reduce(top, lowest, LargerValue{});
  C sum = 0;
  // Where every element is -inf, or one is inf, x - max is NaN and so is the result.
#pragma unroll
  for (int k = 0; k < K; k++) {
    v[k] -= top;
    const C e = fn::exp(v[k]);
    sum += e;
    if (!log) v[k] = e;
  }
  sum = Threads::sum(sum);
  const C scale = log ? fn::log(sum) : C(1) / sum;
#pragma unroll
  for (int k = 0; k < K; k++) v[k] = log ? v[k] - scale : v[k] * scale;
  if (live) store_row<T, K, kLanes>(y + at, n, vectors, v);
}

template <class T>
__global__ void __launch_bounds__(kLongThreads)
    softmax_long_kernel(bool log, const T* x, T* y, int64_t n, bool vectors) {
  using C = compute_t<T>;
  constexpr int V = 16 / sizeof(T);
  x += int64_t(blockIdx.x) * n;
  y += int64_t(blockIdx.x) * n;
  ExpSum<C> total = ExpSum<C>::none();
  for_pieces<V>(n, [&](int64_t i, int count) {
    C v[V];
    load_piece<T, V>(x + i, count, vectors, ExpSum<C>::lowest(), v);
    total.add(v);
  });
  total = block_reduce(total, ExpSum<C>::none(), MergeExpSums{});
  const C top = total.m, sum = total.finite_sum(), scale = log ? fn::log(sum) : C(1) / sum;
  for_pieces<V>(n, [&](int64_t i, int count) {
    C v[V];
    load_piece<T, V>(x + i, count, vectors, C(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = log ? v[k] - top - scale : fn::exp(v[k] - top) * scale;
    store_piece<T, V>(y + i, count, vectors, v);
  });
}

// Where this thread is: its column of x [outer, n, inner], and its place among the `along` threads
// of the column.
struct Column {
  int64_t start;  // of the column in x
  int place;
  bool live;

  __device__ __forceinline__ Column(int64_t outer, int64_t n, int64_t inner, int along) {
    const int across = kThreads / along;
    const int64_t column = int64_t(blockIdx.x) * across + int(threadIdx.x) % across;
    live = column < outer * inner;
    place = int(threadIdx.x) / across;
    start = column / inner * n * inner + column % inner;
  }
};

// Combines the values of the threads of a column.
template <class V, class F>
__device__ __forceinline__ V column_reduce(V v, int along, const F& f) {
  if (along == 1) return v;
  MT_SHARED(V, part, kThreads);
  const int t = int(threadIdx.x), across = kThreads / along;
  part[t] = v;
  __syncthreads();
  V all = part[t % across];
  for (int k = 1; k < along; k++) {
    const V next = part[t % across + k * across];
    all = f(all, next);
  }
  return all;
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    softmax_columns_kernel(bool log, const T* x, T* y, int64_t outer, int64_t n, int64_t inner,
                           int along) {
  using C = compute_t<T>;
  const Column at(outer, n, inner, along);
  const int64_t end = at.live ? n : 0;
  ExpSum<C> total = ExpSum<C>::none();
  for (int64_t i = at.place; i < end; i += 4 * along) {
    C v[4];
#pragma unroll
    for (int k = 0; k < 4; k++)
      v[k] = i + k * along < n ? load(x[at.start + (i + k * along) * inner]) : ExpSum<C>::lowest();
    total.add(v);
  }
  total = column_reduce(total, along, MergeExpSums{});
  const C top = total.m, sum = total.finite_sum(), scale = log ? fn::log(sum) : C(1) / sum;
  for (int64_t i = at.place; i < end; i += along) {
    const C v = load(x[at.start + i * inner]);
    y[at.start + i * inner] = store_as<T>(log ? v - top - scale : fn::exp(v - top) * scale);
  }
}

// --- backward

template <class C>
MT_INLINE C term(bool log, C dy, C y) {
  return log ? dy : dy * y;
}
template <class C>
MT_INLINE C gradient(bool log, C dy, C y, C dot) {
  return log ? dy - fn::exp(y) * dot : y * (dy - dot);
}

template <class T, int K, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? 1024 : kRowThreads)
    softmax_row_backward_kernel(bool log, const T* dy, const T* y, T* dx, int64_t rows, int n,
                                bool vectors) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  const int64_t row = Threads::first();
  const bool live = row < rows;
  const int64_t at = (live ? row : rows - 1) * n;
  C g[K], v[K];
  load_row<T, K, kLanes>(dy + at, n, vectors, C(0), g);
  load_row<T, K, kLanes>(y + at, n, vectors, C(0), v);
  C dot = 0;
#pragma unroll
  for (int k = 0; k < K; k++) dot += term(log, g[k], v[k]);
  dot = Threads::sum(dot);
#pragma unroll
  for (int k = 0; k < K; k++) g[k] = gradient(log, g[k], v[k], dot);
  if (live) store_row<T, K, kLanes>(dx + at, n, vectors, g);
}

template <class T>
__global__ void __launch_bounds__(kLongThreads)
    softmax_long_backward_kernel(bool log, const T* dy, const T* y, T* dx, int64_t n,
                                 bool vectors) {
  using C = compute_t<T>;
  constexpr int V = 16 / sizeof(T);
  const int64_t start = int64_t(blockIdx.x) * n;
  double total = 0;
  for_pieces<V>(n, [&](int64_t i, int count) {
    C g[V], v[V], sum = 0;
    load_piece<T, V>(dy + start + i, count, vectors, C(0), g);
    load_piece<T, V>(y + start + i, count, vectors, C(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) sum += term(log, g[k], v[k]);
    total += double(sum);
  });
  const C dot = C(block_sum(total));
  for_pieces<V>(n, [&](int64_t i, int count) {
    C g[V], v[V];
    load_piece<T, V>(dy + start + i, count, vectors, C(0), g);
    load_piece<T, V>(y + start + i, count, vectors, C(0), v);
#pragma unroll
    for (int k = 0; k < V; k++) g[k] = gradient(log, g[k], v[k], dot);
    store_piece<T, V>(dx + start + i, count, vectors, g);
  });
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    softmax_columns_backward_kernel(bool log, const T* dy, const T* y, T* dx, int64_t outer,
                                    int64_t n, int64_t inner, int along) {
  using C = compute_t<T>;
  const Column at(outer, n, inner, along);
  const int64_t end = at.live ? n : 0;
  C dot = 0;
  for (int64_t i = at.place; i < end; i += along) {
    const int64_t j = at.start + i * inner;
    dot += term(log, load(dy[j]), load(y[j]));
  }
  dot = column_reduce(dot, along, AddValues{});
  for (int64_t i = at.place; i < end; i += along) {
    const int64_t j = at.start + i * inner;
    dx[j] = store_as<T>(gradient(log, load(dy[j]), load(y[j]), dot));
  }
}

// --- launchers

int threads_along(int64_t n) { return n >= 256 ? 8 : n >= 64 ? 4 : 1; }

// Threads of a block that has K elements of a row in each.
int threads_for(int64_t n, int K) { return int(ceil_div(n, K * kWarp)) * kWarp; }

template <class T>
void forward(bool log, const T* x, T* y, int64_t outer, int64_t n, int64_t inner) {
  if (inner > 1) {
    const int along = threads_along(n);
    MT_LAUNCH((softmax_columns_kernel<T>), grid_for(outer * inner, kThreads / along), kThreads, 0,
              stream(), log, x, y, outer, n, inner, along);
    return;
  }
#define MT_ROWS_(K, lanes)                                                                        \
  MT_LAUNCH((softmax_row_kernel<T, K, lanes>), grid_for(outer, kRowThreads / lanes), kRowThreads, \
            0, stream(), log, x, y, outer, int(n), rows_aligned<T, kRowVector<T, K>>(n, x, y))
  if (n <= 16) {
    MT_ROWS_(4, 4);
  } else if (n <= 64) {
    MT_ROWS_(4, 16);
  } else if (n <= 128) {
    MT_ROWS_(4, kWarp);
  } else if (n <= 512) {
    MT_ROWS_(16, kWarp);
  } else if (n <= 1024) {
    MT_ROWS_(32, kWarp);
  } else if (n <= 1024 * 16) {
    MT_LAUNCH((softmax_row_kernel<T, 16, kByBlock>), unsigned(outer), threads_for(n, 16), 0,
              stream(), log, x, y, outer, int(n), rows_aligned<T, 16 / sizeof(T)>(n, x, y));
  } else {
    MT_LAUNCH((softmax_long_kernel<T>), unsigned(outer), kLongThreads, 0, stream(), log, x, y, n,
              rows_aligned<T, 16 / sizeof(T)>(n, x, y));
  }
#undef MT_ROWS_
}

template <class T>
void backward(bool log, const T* dy, const T* y, T* dx, int64_t outer, int64_t n, int64_t inner) {
  if (inner > 1) {
    const int along = threads_along(n);
    MT_LAUNCH((softmax_columns_backward_kernel<T>), grid_for(outer * inner, kThreads / along),
              kThreads, 0, stream(), log, dy, y, dx, outer, n, inner, along);
    return;
  }
#define MT_ROWS_(K, lanes)                                                                    \
  MT_LAUNCH((softmax_row_backward_kernel<T, K, lanes>), grid_for(outer, kRowThreads / lanes), \
            kRowThreads, 0, stream(), log, dy, y, dx, outer, int(n),                          \
            rows_aligned<T, kRowVector<T, K>>(n, dy, y, dx))
  if (n <= 16) {
    MT_ROWS_(4, 4);
  } else if (n <= 64) {
    MT_ROWS_(4, 16);
  } else if (n <= 128) {
    MT_ROWS_(4, kWarp);
  } else if (n <= 512) {
    MT_ROWS_(16, kWarp);
  } else if (n <= 1024 * 8) {
    MT_LAUNCH((softmax_row_backward_kernel<T, 8, kByBlock>), unsigned(outer), threads_for(n, 8), 0,
              stream(), log, dy, y, dx, outer, int(n),
              rows_aligned<T, 16 / sizeof(T)>(n, dy, y, dx));
  } else {
    MT_LAUNCH((softmax_long_backward_kernel<T>), unsigned(outer), kLongThreads, 0, stream(), log,
              dy, y, dx, n, rows_aligned<T, 16 / sizeof(T)>(n, dy, y, dx));
  }
#undef MT_ROWS_
}

}  // namespace

void softmax_forward(bool log, DType dtype, const void* x, void* y, int64_t outer, int64_t n,
                     int64_t inner) {
  MT_SWITCH_FLOAT_HALF(dtype, forward(log, static_cast<const scalar_t*>(x),
                                      static_cast<scalar_t*>(y), outer, n, inner))
}

void softmax_backward(bool log, DType dtype, const void* dy, const void* y, void* dx, int64_t outer,
                      int64_t n, int64_t inner) {
  MT_SWITCH_FLOAT_HALF(
      dtype, backward(log, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(y),
                      static_cast<scalar_t*>(dx), outer, n, inner))
}

}  // namespace mt::cuda
