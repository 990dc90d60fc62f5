// What the kernels of sort.cu read and write.
#pragma once
#include "cuda/kernels/sort.cuh"
#include "cuda/kernels/sort_digits.cuh"

namespace mt::cuda {

template <class S>
using SortKey = typename SortKeys<S>::Key;

// Rows of x, and what is wanted of the first k elements of each in order (struct Sorted).
template <class S>
struct SortRows {
  const S* x;
  int64_t rows, n;
  bool descending;
  uint32_t* order;
  S* values;
  int64_t* indices;
  const uint32_t* map;
  int64_t k;

  __device__ __forceinline__ SortKey<S> key(int64_t row, int64_t i) const {
    const SortKey<S> key = SortKeys<S>::of(x[row * n + i]);
    return descending ? SortKey<S>(~key) : key;
  }
  // The element at `place` is the i-th in order.
  __device__ __forceinline__ void put(int64_t row, int64_t i, uint32_t place) const {
    if (i >= k) return;
    if (values) values[row * k + i] = x[row * n + place];
    put_place(row, i, place);
  }
  // The key spares a read of x at a random place.
  __device__ __forceinline__ void put(int64_t row, int64_t i, SortKey<S> key,
                                      uint32_t place) const {
    if (i >= k) return;
    if (values) {
      if (descending) key = ~key;
      key &= SortKeys<S>::kLast;
      values[row * k + i] = SortKeys<S>::exact(key) ? SortKeys<S>::value(key) : x[row * n + place];
    }
    put_place(row, i, place);
  }
  __device__ __forceinline__ void put_place(int64_t row, int64_t i, uint32_t place) const {
    if (order) order[row * k + i] = place;
    if (indices) indices[row * k + i] = map ? map[row * n + place] : place;
  }
};

}  // namespace mt::cuda
