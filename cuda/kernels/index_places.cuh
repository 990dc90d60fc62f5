// Which elements of an index address the same place of x: a stable sort by place. Places are
// numbered densely, so that few bits are sorted.
#pragma once
#include <numeric>

#include "cuda/core/scratch.h"
#include "cuda/kernels/index.cuh"
#include "cuda/kernels/sort.cuh"

namespace mt::cuda {

// Dims along which the index stays and x moves are the row of an index.
inline bool is_row(const ElementIter& it, int d) { return !it.strides[d][2] && it.strides[d][1]; }
inline Space own_space(const ElementIter& it) {
  return space_of(it, [&](int d) { return !is_row(it, d); });
}
inline Space row_space(const ElementIter& it) {
  return space_of(it, [&](int d) { return is_row(it, d); });
}

// Places of x that the elements of `own` can address, in units of the bytes that divide all of
// them.
struct Places {
  int64_t unit, count;
  bool fit_32_bits() const { return count < 0x7fffffff; }
};
inline Places places_of(const IndexLoop& loop, const Space& own) {
  int64_t unit = 0, last = (loop.size - 1) * loop.step;
  if (loop.size > 1) unit = loop.step;
  for (int d = 0; d < own.ndim; d++) {
    unit = std::gcd(unit, own.strides[d][1]);
    last += (int64_t(own.shape[d].divisor) - 1) * own.strides[d][1];
  }
  if (unit == 0) unit = 1;
  return {unit, last / unit + 1};
}

// Of each element that has an index of its own: the place of x in units of bytes, or `none`.
template <class K>
__global__ void __launch_bounds__(kThreads)
    place_kernel(const Space s, const Target t, int64_t unit, K none, K* places) {
  const uint32_t i = blockIdx.x * kThreads + threadIdx.x;
  if (i >= s.numel) return;
  int64_t offset[3];
  locate(s, i, offset);
  const int64_t k = checked(t, at(t.index + offset[2]));
  places[i] = k < 0 ? none : K((offset[1] + k * t.step) / unit);
}

// The elements of `own` in the order of their places; those that take no part come last.
template <class K>
class SortedPlaces {
 public:
  SortedPlaces(const IndexLoop& loop, const Space& own, const Places& places)
      : none(K(places.count)), keys_(own.numel * sizeof(K)), order_(own.numel * sizeof(uint32_t)) {
    const Scratch unsorted(own.numel * sizeof(K));
    MT_LAUNCH((place_kernel<K>), grid_for(own.numel, kThreads), kThreads, 0, stream(), own,
              target_of(loop), places.unit, none, unsorted.as<K>());
    Sorted to;
    to.values = keys_.as<void>();
    to.order = order_.as<uint32_t>();
    sort_rows(sizeof(K) == 4 ? DType::Int32 : DType::Int64, false, unsorted.as<void>(), 1,
              own.numel, to, bits_for(places.count));
  }
  const K* keys() const { return keys_.as<K>(); }
  const uint32_t* order() const { return order_.as<uint32_t>(); }

  const K none;

 private:
  Scratch keys_, order_;
};

}  // namespace mt::cuda
