// Layer norm: y = xh * w + b, xh = (x - mean) * rstd, rstd = 1 / sqrt(var + eps), over rows of n.
// RMS norm: y = xh * w, xh = x * rstd, rstd = 1 / sqrt(mean(x^2) + eps).
// dx = rstd * (g - mean(g) - xh * mean(g * xh)) with g = dy * w (without mean(g) for RMS norm);
// dw = sum over rows of dy * xh, db = sum over rows of dy. Saved: mean and rstd.
// A warp or a block holds a row in registers: one read and one write forward, two reads and one
// write backward. A thread of the backward has the same columns of every row that it works on and
// sums dw and db for them; a last kernel adds up these sums.
#include "ops/layer_norm.h"

#include "cuda/core/math.h"
#include "cuda/core/row.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/partial_sums.cuh"

namespace mt::cuda {
namespace {

constexpr int kWarpRows = 4;       // rows, and warps, of a block
constexpr int kLongThreads = 512;  // of a block that walks over a long row
constexpr int kRowThreads = 1024;  // of a block that holds a row, at most
constexpr int kMaxBlocks = 256;    // of the backward: each has partial sums of dw and db

// The pointers of LayerNormArgs in the memory type T and the compute type C.
template <class T, class C>
struct View {
  const T *x, *w, *b;
  int64_t rows, n;
  C eps;
  bool centre;

  explicit View(const LayerNormArgs& a)
      : x(static_cast<const T*>(a.x)),
        w(static_cast<const T*>(a.weight)),
        b(static_cast<const T*>(a.bias)),
        rows(a.rows),
        n(a.n),
        eps(C(a.eps)),
        centre(a.centre) {}
};

// The weight or the bias, or `missing` in place of a null pointer.
template <class T, int K, int kLanes>
__device__ __forceinline__ void load_parameter(const T* p, int n, bool vectors,
                                               compute_t<T> missing, compute_t<T> (&v)[K]) {
  if (p) {
    load_row<T, K, kLanes>(p, n, vectors, compute_t<T>(0), v);
  } else {
#pragma unroll
    for (int k = 0; k < K; k++) v[k] = missing;
  }
}
template <class T, int V>
__device__ __forceinline__ void load_parameter_piece(const T* p, int64_t i, int count, bool vectors,
                                                     compute_t<T> missing, compute_t<T> (&v)[V]) {
  if (p) {
    load_piece<T, V>(p + i, count, vectors, compute_t<T>(0), v);
  } else {
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = missing;
  }
}

template <class T, int K, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? kRowThreads : kWarpRows * kWarp, 1)
    layer_norm_row_kernel(const View<T, compute_t<T>> a, T* y, compute_t<T>* means,
                          compute_t<T>* rstds, bool vectors) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  const int64_t row = Threads::first();
  if (row >= a.rows) return;
  const int n = int(a.n);
  C v[K], w[K];
  load_row<T, K, kLanes>(a.x + row * n, n, vectors, C(0), v);
  C mean = 0, squares = 0;
  if (a.centre) {
#pragma unroll
    for (int k = 0; k < K; k++) mean += v[k];
    mean = Threads::sum(mean) / C(n);
  }
  for_row<T, K, kLanes>([&](int k, int i) {
    v[k] -= mean;
    if (i < n) squares += v[k] * v[k];
  });
  squares = Threads::sum(squares);
  const C rstd = C(1) / fn::sqrt(squares / C(n) + a.eps);
  if (Threads::rank() == 0) {
    if (a.centre) means[row] = mean;
    rstds[row] = rstd;
  }
  load_parameter<T, K, kLanes>(a.w, n, vectors, C(1), w);
#pragma unroll
  for (int k = 0; k < K; k++) v[k] = v[k] * rstd * w[k];
  if (a.b) {
    load_parameter<T, K, kLanes>(a.b, n, vectors, C(0), w);
#pragma unroll
    for (int k = 0; k < K; k++) v[k] += w[k];
  }
  store_row<T, K, kLanes>(y + row * n, n, vectors, v);
}

template <class T>
__global__ void __launch_bounds__(kLongThreads, 1)
    layer_norm_long_kernel(const View<T, compute_t<T>> a, T* y, compute_t<T>* means,
                           compute_t<T>* rstds, bool vectors) {
  using C = compute_t<T>;
  constexpr int V = 16 / sizeof(T);
  const int64_t row = blockIdx.x, n = a.n;
  const T* x = a.x + row * n;
  y += row * n;
  RunningMoments<C> running;
  double squares = 0;
  for_pieces<V>(n, [&](int64_t i, int count) {
    C v[V];
    load_piece<T, V>(x + i, count, vectors, C(0), v);
    if (a.centre) {
      running.add(v, count);
    } else {
      C sum = 0;
#pragma unroll
      for (int k = 0; k < V; k++) sum += v[k] * v[k];
      squares += double(sum);
    }
  });
  C mean = 0;
  if (a.centre) {
    const Moments all = block_reduce(running.wide(), Moments{0, 0, 0}, MergeMoments{});
    mean = C(all.mean);
    squares = all.m2;
  } else {
    squares = block_sum(squares);
  }
  const C rstd = C(1) / fn::sqrt(C(squares / double(n)) + a.eps);
  if (threadIdx.x == 0) {
    if (a.centre) means[row] = mean;
    rstds[row] = rstd;
  }
  for_pieces<V>(n, [&](int64_t i, int count) {
    C v[V], w[V], b[V];
    load_piece<T, V>(x + i, count, vectors, C(0), v);
    load_parameter_piece<T, V>(a.w, i, count, vectors, C(1), w);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = (v[k] - mean) * rstd * w[k];
    if (a.b) {
      load_piece<T, V>(a.b + i, count, vectors, C(0), b);
#pragma unroll
      for (int k = 0; k < V; k++) v[k] += b[k];
    }
    store_piece<T, V>(y + i, count, vectors, v);
  });
}

// Registers allow no more.
template <class T>
constexpr int most_threads = sizeof(T) == 8 ? kRowThreads / 2 : kRowThreads;

// --- backward; partial: [first rows, 2, n], dw before db, or null

template <class T, int K, int kLanes>
__global__ void __launch_bounds__(kLanes == kByBlock ? most_threads<T> : kWarpRows * kWarp, 1)
    layer_norm_row_backward_kernel(const View<T, compute_t<T>> a, const T* dy,
                                   const compute_t<T>* means, const compute_t<T>* rstds, T* dx,
                                   compute_t<T>* partial, bool vectors) {
  using C = compute_t<T>;
  using Threads = RowThreads<kLanes>;
  const int n = int(a.n);
  const int64_t first = Threads::first();
  if (first >= a.rows) return;
  C w[K], dw[K], db[K];
  load_parameter<T, K, kLanes>(a.w, n, vectors, C(1), w);
#pragma unroll
  for (int k = 0; k < K; k++) dw[k] = db[k] = 0;
  for (int64_t row = first; row < a.rows; row += Threads::step()) {
    C g[K], xh[K];
    load_row<T, K, kLanes>(dy + row * n, n, vectors, C(0), g);
    load_row<T, K, kLanes>(a.x + row * n, n, vectors, C(0), xh);
    const C mean = a.centre ? means[row] : C(0), rstd = rstds[row];
    Pair<C> sums{C(0), C(0)};
#pragma unroll
    for (int k = 0; k < K; k++) {
      xh[k] = (xh[k] - mean) * rstd;
      dw[k] += g[k] * xh[k];
      db[k] += g[k];
      g[k] *= w[k];  // 0 outside of the row
      sums.a += g[k];
      sums.b += g[k] * xh[k];
    }
    sums = Threads::sum(sums);
    const C c1 = a.centre ? sums.a / C(n) : C(0), c2 = sums.b / C(n);
#pragma unroll
    for (int k = 0; k < K; k++) g[k] = (g[k] - c1 - xh[k] * c2) * rstd;
    store_row<T, K, kLanes>(dx + row * n, n, vectors, g);
  }
  if (!partial) return;
  partial += first * 2 * n;
  for_row<T, K, kLanes>([&](int k, int i) {
    if (i >= n) return;
    partial[i] = dw[k];
    partial[n + i] = db[k];
  });
}

template <class T>
__global__ void __launch_bounds__(kLongThreads, 1)
    layer_norm_long_backward_kernel(const View<T, compute_t<T>> a, const T* dy,
                                    const compute_t<T>* means, const compute_t<T>* rstds, T* dx,
                                    compute_t<T>* partial, bool vectors) {
  using C = compute_t<T>;
  constexpr int V = 16 / sizeof(T);
  const int64_t n = a.n;
  if (partial) partial += int64_t(blockIdx.x) * 2 * n;
  for (int64_t row = blockIdx.x; row < a.rows; row += gridDim.x) {
    const T *g_row = dy + row * n, *x_row = a.x + row * n;
    const C mean = a.centre ? means[row] : C(0), rstd = rstds[row];
    C g[V], xh[V], w[V];
    const auto load_all = [&](int64_t i, int count) {
      load_piece<T, V>(g_row + i, count, vectors, C(0), g);
      load_piece<T, V>(x_row + i, count, vectors, C(0), xh);
      load_parameter_piece<T, V>(a.w, i, count, vectors, C(1), w);
#pragma unroll
      for (int k = 0; k < V; k++) xh[k] = (xh[k] - mean) * rstd;
    };
    Pair<double> sums{0, 0};
    for_pieces<V>(n, [&](int64_t i, int count) {
      load_all(i, count);
      C s1 = 0, s2 = 0;
#pragma unroll
      for (int k = 0; k < V; k++) {
        s1 += g[k] * w[k];
        s2 += g[k] * w[k] * xh[k];
      }
      sums = AddPairs{}(sums, Pair<double>{double(s1), double(s2)});
    });
    sums = block_sum(sums);
    const C c1 = a.centre ? C(sums.a / double(n)) : C(0), c2 = C(sums.b / double(n));
    for_pieces<V>(n, [&](int64_t i, int count) {
      load_all(i, count);
      if (partial) {  // this thread's own columns, row after row
        const bool start = row == blockIdx.x;
        for (int k = 0; k < count; k++) {
          partial[i + k] = (start ? C(0) : partial[i + k]) + g[k] * xh[k];
          partial[n + i + k] = (start ? C(0) : partial[n + i + k]) + g[k];
        }
      }
#pragma unroll
      for (int k = 0; k < V; k++) g[k] = (g[k] * w[k] - c1 - xh[k] * c2) * rstd;
      store_piece<T, V>(dx + row * n + i, count, vectors, g);
    });
  }
}

// --- launchers

int threads_for(int64_t n, int K) { return int(ceil_div(n, K * kWarp)) * kWarp; }

template <class T>
void forward(const LayerNormArgs& args, T* y, compute_t<T>* mean, compute_t<T>* rstd) {
  using C = compute_t<T>;
  const View<T, C> a(args);
  if (a.rows == 0) return;
#define MT_ROWS_(K)                                                                              \
  MT_LAUNCH((layer_norm_row_kernel<T, K, kWarp>), grid_for(a.rows, kWarpRows), kWarpRows* kWarp, \
            0, stream(), a, y, mean, rstd,                                                       \
            rows_aligned<T, kRowVector<T, K>>(a.n, a.x, a.w, a.b, y))
  const bool vectors = rows_aligned<T, 16 / sizeof(T)>(a.n, a.x, a.w, a.b, y);
  if (a.n <= 128) {
    MT_ROWS_(4);
  } else if (a.n <= 512) {
    MT_ROWS_(16);
  } else if (a.n <= kRowThreads * 8) {
    MT_LAUNCH((layer_norm_row_kernel<T, 8, kByBlock>), unsigned(a.rows), threads_for(a.n, 8), 0,
              stream(), a, y, mean, rstd, vectors);
  } else {
    MT_LAUNCH((layer_norm_long_kernel<T>), unsigned(a.rows), kLongThreads, 0, stream(), a, y, mean,
              rstd, vectors);
  }
#undef MT_ROWS_
}

template <class T>
void backward(const LayerNormArgs& args, const T* dy, const compute_t<T>* mean,
              const compute_t<T>* rstd, T* dx, T* dw, T* db) {
  using C = compute_t<T>;
  const View<T, C> a(args);
  const bool by_warp = a.n <= 256;
  const int64_t per_block = by_warp ? kWarpRows : 1;
  const unsigned blocks = grid_for(a.rows, per_block, kMaxBlocks);
  const int64_t most = int64_t(blocks) * per_block, count = most < a.rows ? most : a.rows;
  const Scratch scratch(dw ? size_t(count * 2 * a.n) * sizeof(C) : 0);
  C* partial = dw ? scratch.as<C>() : nullptr;
#define MT_ROWS_(K)                                                                               \
  MT_LAUNCH((layer_norm_row_backward_kernel<T, K, kWarp>), blocks, kWarpRows* kWarp, 0, stream(), \
            a, dy, mean, rstd, dx, partial,                                                       \
            rows_aligned<T, kRowVector<T, K>>(a.n, a.x, a.w, dy, dx))
  const bool vectors = rows_aligned<T, 16 / sizeof(T)>(a.n, a.x, a.w, dy, dx);
  if (a.rows == 0) {
  } else if (a.n <= 128) {
    MT_ROWS_(4);
  } else if (a.n <= 256) {
    MT_ROWS_(8);
  } else if (a.n <= most_threads<T> * 8) {
    MT_LAUNCH((layer_norm_row_backward_kernel<T, 8, kByBlock>), blocks, threads_for(a.n, 8), 0,
              stream(), a, dy, mean, rstd, dx, partial, vectors);
  } else {
    MT_LAUNCH((layer_norm_long_backward_kernel<T>), blocks, kLongThreads, 0, stream(), a, dy, mean,
              rstd, dx, partial, vectors);
  }
#undef MT_ROWS_
  if (dw) add_partials(partial, count, 2 * a.n, a.n, dw);
  if (db) add_partials(partial + a.n, count, 2 * a.n, a.n, db);
}

}  // namespace

void layer_norm_forward(const LayerNormArgs& args, void* y, void* mean, void* rstd) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using C = compute_t<scalar_t>;
    forward(args, static_cast<scalar_t*>(y), static_cast<C*>(mean), static_cast<C*>(rstd));
  })
}

void layer_norm_backward(const LayerNormArgs& args, const void* dy, const void* mean,
                         const void* rstd, void* dx, void* dw, void* db, void*) {
  MT_SWITCH_FLOAT_HALF(args.dtype, {
    using C = compute_t<scalar_t>;
    backward(args, static_cast<const scalar_t*>(dy), static_cast<const C*>(mean),
             static_cast<const C*>(rstd), static_cast<scalar_t*>(dx), static_cast<scalar_t*>(dw),
             static_cast<scalar_t*>(db));
  })
}

}  // namespace mt::cuda
