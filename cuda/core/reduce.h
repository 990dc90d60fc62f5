// Reductions within a warp and within a block, in a fixed order: the same bits in every run and on
// every thread that has the result. All threads of the warp (block) take part, and a block is
// one-dimensional and made of whole warps.
#pragma once
#include <type_traits>

#include "core/macros.h"
#include "cuda/core/simt.h"

namespace mt::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

__device__ __forceinline__ int lane_index() { return int(threadIdx.x) % kWarp; }
__device__ __forceinline__ int warp_index() { return int(threadIdx.x) / kWarp; }

// exchange(word) for the words of v: T is a number, or made of whole 32-bit words.
template <class T, class F>
__device__ __forceinline__ T for_words(T v, const F& exchange) {
  if constexpr (std::is_arithmetic_v<T> && sizeof(T) >= 4) {
    return exchange(v);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return T(exchange(int(v)));
  } else {
    static_assert(sizeof(T) % 4 == 0);
    uint32_t words[sizeof(T) / 4];
    memcpy(words, &v, sizeof(T));
#pragma unroll
    for (uint32_t& w : words) w = exchange(w);
    memcpy(&v, words, sizeof(T));
    return v;
  }
}
template <class T>
__device__ __forceinline__ T shuffle_xor(T v, int mask) {
  return for_words(v, [=](auto w) { return __shfl_xor_sync(kAllLanes, w, mask); });
}
// From lane `from` of each group of `width` lanes.
template <class T>
__device__ __forceinline__ T broadcast(T v, int from = 0, int width = kWarp) {
  return for_words(v, [=](auto w) { return __shfl_sync(kAllLanes, w, from, width); });
}
// Of the lane `distance` below; the first lanes keep their own.
template <class T>
__device__ __forceinline__ T shuffle_up(T v, int distance) {
  return for_words(v, [=](auto w) { return __shfl_up_sync(kAllLanes, w, distance); });
}

// Over groups of `width` neighbouring lanes, a power of two; every lane has the result.
template <class T, class F>
__device__ __forceinline__ T warp_reduce(T v, const F& f, int width = kWarp) {
#pragma unroll
  for (int d = kWarp / 2; d > 0; d /= 2)
    if (d < width) v = f(v, shuffle_xor(v, d));
  // The lanes of a pair combine with the operands swapped. That changes no sum or maximum of
  // numbers, but may round a formula differently.
  if constexpr (!std::is_arithmetic_v<T>) v = broadcast(v, 0, width);
  return v;
}

// `identity` changes nothing when combined. May be called again without a barrier in between.
template <class T, class F>
__device__ __forceinline__ T block_reduce(T v, T identity, const F& f) {
  MT_SHARED(T, part, kWarp);
  const int warps = int(blockDim.x) / kWarp, lane = lane_index();
  v = warp_reduce(v, f);
  if (warps == 1) return v;
  __syncthreads();  // an earlier call may still read
  if (lane == 0) part[warp_index()] = v;
  __syncthreads();
  T all = identity;
  if (lane < warps) all = part[lane];
  return warp_reduce(all, f);
}

struct AddValues {
  template <class T>
  MT_INLINE T operator()(T a, T b) const {
    return a + b;
  }
};
struct LargerValue {
  template <class T>
  MT_INLINE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

template <class T>
__device__ __forceinline__ T warp_sum(T v, int width = kWarp) {
  return warp_reduce(v, AddValues{}, width);
}
template <class T>
__device__ __forceinline__ T block_sum(T v) {
  return block_reduce(v, T(0), AddValues{});
}

// Two sums at once.
template <class T>
struct Pair {
  T a, b;
};
struct AddPairs {
  template <class T>
  MT_INLINE Pair<T> operator()(Pair<T> x, Pair<T> y) const {
    return {x.a + y.a, x.b + y.b};
  }
};
template <class T>
__device__ __forceinline__ Pair<T> block_sum(Pair<T> v) {
  return block_reduce(v, Pair<T>{T(0), T(0)}, AddPairs{});
}

// Count, mean and sum of squared deviations (Chan, Golub and LeVeque 1979).
struct Moments {
  double n, mean, m2;
};
struct MergeMoments {
  MT_INLINE Moments operator()(const Moments& x, const Moments& y) const {
    const double n = x.n + y.n, share = n > 0 ? 1 / n : 0, d = x.mean - y.mean;
    return {n, (x.n * x.mean + y.n * y.mean) * share, x.m2 + y.m2 + d * d * (x.n * y.n * share)};
  }
};

// The moments of the values that one thread has seen, in the type that it computes in.
template <class C>
struct RunningMoments {
  C n = 0, mean = 0, m2 = 0;

  template <int V>
  __device__ __forceinline__ void add(const C (&v)[V], int count) {
    if (count == 0) return;
    C sum = 0, own = 0;
#pragma unroll
    for (int k = 0; k < V; k++) sum += k < count ? v[k] : C(0);
    const C m = C(count), average = sum / m;
#pragma unroll
    for (int k = 0; k < V; k++) own += k < count ? (v[k] - average) * (v[k] - average) : C(0);
    const C d = average - mean, share = m / (n + m);
    mean += d * share;
    m2 += own + d * d * (n * share);
    n += m;
  }
  __device__ __forceinline__ Moments wide() const { return {double(n), double(mean), double(m2)}; }
};

}  // namespace mt::cuda
