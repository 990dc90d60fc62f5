// A short row in the registers of the threads that work on it, K elements each: thread t of
// `threads` has the elements (j * threads + t) * V + k for j < K / V, k < V, so that a load is 16
// bytes wide where the row is aligned.
#pragma once
#include "cuda/core/reduce.h"
#include "cuda/core/vec.h"

namespace mt::cuda {

template <class T, int K>
constexpr int kRowVector = K < int(16 / sizeof(T)) ? K : int(16 / sizeof(T));

// Who works on one row: kLanes neighbouring lanes of a warp (a power of two), or the whole block.
constexpr int kByBlock = 0;
template <int kLanes>
struct RowThreads {
  static constexpr bool kBlock = kLanes == kByBlock;

  __device__ __forceinline__ static int rank() {
    if constexpr (kBlock) return int(threadIdx.x);
    else return int(threadIdx.x) % kLanes;
  }
  __device__ __forceinline__ static int count() {
    if constexpr (kBlock) return int(blockDim.x);
    else return kLanes;
  }
  // The first row of this thread, and the distance to the next one.
  __device__ __forceinline__ static int64_t first() {
    if constexpr (kBlock) return int64_t(blockIdx.x);
    else return int64_t(blockIdx.x) * (int(blockDim.x) / kLanes) + int(threadIdx.x) / kLanes;
  }
  __device__ __forceinline__ static int64_t step() {
    if constexpr (kBlock) return int64_t(gridDim.x);
    else return int64_t(gridDim.x) * (int(blockDim.x) / kLanes);
  }
  template <class V, class F>
  __device__ __forceinline__ static V reduce(V v, V identity, const F& f) {
    if constexpr (kBlock) return block_reduce(v, identity, f);
    else return warp_reduce(v, f, kLanes);
  }
  template <class V>
  __device__ __forceinline__ static V sum(V v) {
    if constexpr (std::is_arithmetic_v<V>) return reduce(v, V(0), AddValues{});
    else return reduce(v, V{}, AddPairs{});
  }
};

// f(k, position) for the elements of this thread; position >= n for those outside of the row.
template <class T, int K, int kLanes, class F>
__device__ __forceinline__ void for_row(const F& f) {
  constexpr int V = kRowVector<T, K>;
  const int t = RowThreads<kLanes>::rank(), threads = RowThreads<kLanes>::count();
#pragma unroll
  for (int j = 0; j < K / V; j++)
#pragma unroll
    for (int k = 0; k < V; k++) f(j * V + k, (j * threads + t) * V + k);
}

// `vectors`: n is a multiple of kRowVector and x aligned to as many elements.
template <class T, int K, int kLanes>
__device__ __forceinline__ void load_row(const T* x, int n, bool vectors, compute_t<T> outside,
                                         compute_t<T> (&v)[K]) {
  constexpr int V = kRowVector<T, K>;
  if (!vectors) {
    for_row<T, K, kLanes>([&](int k, int i) { v[k] = i < n ? load(x[i]) : outside; });
    return;
  }
  const int t = RowThreads<kLanes>::rank(), threads = RowThreads<kLanes>::count();
#pragma unroll
  for (int j = 0; j < K / V; j++) {
    const int i = (j * threads + t) * V;
    if (i < n) {
      const Vec<T, V> part = *reinterpret_cast<const Vec<T, V>*>(x + i);
#pragma unroll
      for (int k = 0; k < V; k++) v[j * V + k] = load(part.v[k]);
    } else {
#pragma unroll
      for (int k = 0; k < V; k++) v[j * V + k] = outside;
    }
  }
}

template <class T, int K, int kLanes>
__device__ __forceinline__ void store_row(T* y, int n, bool vectors, const compute_t<T> (&v)[K]) {
  constexpr int V = kRowVector<T, K>;
  if (!vectors) {
    for_row<T, K, kLanes>([&](int k, int i) {
      if (i < n) y[i] = store_as<T>(v[k]);
    });
    return;
  }
  const int t = RowThreads<kLanes>::rank(), threads = RowThreads<kLanes>::count();
#pragma unroll
  for (int j = 0; j < K / V; j++) {
    const int i = (j * threads + t) * V;
    if (i >= n) continue;
    Vec<T, V> part;
#pragma unroll
    for (int k = 0; k < V; k++) part.v[k] = store_as<T>(v[j * V + k]);
    *reinterpret_cast<Vec<T, V>*>(y + i) = part;
  }
}

// Whether all rows of n elements at these addresses can be read in vectors of V.
template <class T, int V, class... P>
bool rows_aligned(int64_t n, const P*... rows) {
  return n % V == 0 && ((reinterpret_cast<uintptr_t>(rows) % (sizeof(T) * V) == 0) && ...);
}

// A long row, walked by the block or a warp: f(i, count) for pieces of up to V elements from i on.
template <int V, int kLanes = kByBlock, class F>
__device__ __forceinline__ void for_pieces(int64_t n, const F& f) {
  using Threads = RowThreads<kLanes>;
  for (int64_t i = int64_t(Threads::rank()) * V; i < n; i += int64_t(Threads::count()) * V)
    f(i, n - i < V ? int(n - i) : V);
}
// `vectors`: x is aligned to V elements; `outside` fills up what is behind `count`.
template <class T, int V>
__device__ __forceinline__ void load_piece(const T* x, int count, bool vectors,
                                           compute_t<T> outside, compute_t<T> (&v)[V]) {
  if (vectors && count == V) {
    const Vec<T, V> part = *reinterpret_cast<const Vec<T, V>*>(x);
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = load(part.v[k]);
  } else {
#pragma unroll
    for (int k = 0; k < V; k++) v[k] = k < count ? load(x[k]) : outside;
  }
}
template <class T, int V>
__device__ __forceinline__ void store_piece(T* y, int count, bool vectors,
                                            const compute_t<T> (&v)[V]) {
  if (vectors && count == V) {
    Vec<T, V> part;
#pragma unroll
    for (int k = 0; k < V; k++) part.v[k] = store_as<T>(v[k]);
    *reinterpret_cast<Vec<T, V>*>(y) = part;
  } else {
#pragma unroll
    for (int k = 0; k < V; k++)
      if (k < count) y[k] = store_as<T>(v[k]);
  }
}

}  // namespace mt::cuda
