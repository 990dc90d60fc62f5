// x[k] = reduce(x[k], value) for indices of which many may be the same. Backward of gather,
// index_select, embedding.
//
// The index's elements are sorted by the place of x that they address, which is numbered densely so
// that few bits are sorted; then the values of each place are combined in the order of the loop, a
// row of x per place (cuda/kernels/segments.cuh). Bytes: index, values and x once; the sort of the
// indices that differ (sort.cu).
#include "ops/index.h"

#include "cuda/kernels/index_places.cuh"
#include "cuda/kernels/segments.cuh"

namespace mt::cuda {
namespace {

// kVector: rows are contiguous and aligned to as many elements.
template <IndexReduce op, class Value, int kVector>
struct Reduce {
  using T = Value;
  static constexpr int kEach = kVector;
  Space own, row;
  uint32_t width;
  char *y, *x;
  int64_t unit;

  __device__ __forceinline__ void in_row(uint32_t r, int64_t (&offset)[3]) const {
    if constexpr (kVector > 1) offset[0] = offset[1] = int64_t(r) * int64_t(sizeof(T));
    else locate(row, r, offset);
  }
  __device__ __forceinline__ static void read(const char* from, T (&v)[kEach]) {
    const auto all = *reinterpret_cast<const Vec<T, kEach>*>(from);
#pragma unroll
    for (int k = 0; k < kEach; k++) v[k] = all.v[k];
  }
  __device__ __forceinline__ void get(uint32_t entry, uint32_t r, T (&v)[kEach]) const {
    int64_t offset[3], place[3];
    in_row(r, offset);
    locate(own, entry, place);
    read(y + place[0] + offset[0], v);
  }
  __device__ __forceinline__ char* at_key(uint64_t key, uint32_t r) const {
    int64_t offset[3];
    in_row(r, offset);
    return x + int64_t(key) * unit + offset[1];
  }
  __device__ __forceinline__ void target(uint64_t key, uint32_t r, T (&v)[kEach]) const {
    read(at_key(key, r), v);
  }
  __device__ __forceinline__ void set_target(uint64_t key, uint32_t r, const T (&v)[kEach]) const {
    Vec<T, kEach> all;
#pragma unroll
    for (int k = 0; k < kEach; k++) all.v[k] = v[k];
    *reinterpret_cast<Vec<T, kEach>*>(at_key(key, r)) = all;
  }
  __device__ __forceinline__ static T combine(T a, T b) {
    if constexpr (op == IndexReduce::add) return T(a + b);
    if constexpr (op == IndexReduce::mul) return T(a * b);
    // A NaN on either side stays.
    if constexpr (op == IndexReduce::amin) return b < a || b != b ? b : a;
    return b > a || b != b ? b : a;
  }
};

template <class Op, class K>
void reduce_by(const IndexLoop& loop, const Op& op, const Places& places) {
  const SortedPlaces<K> sorted(loop, op.own, places);
  reduce_segments(op, sorted.keys(), sorted.order(), op.own.numel, sorted.none, true);
}

template <class Op>
void reduce_with(const IndexLoop& loop, const Space& own, const Space& row) {
  const Places places = places_of(loop, own);
  const Op op{own, row, row.numel, loop.it.data[0], loop.it.data[1], places.unit};
  if (places.fit_32_bits()) reduce_by<Op, uint32_t>(loop, op, places);
  else reduce_by<Op, uint64_t>(loop, op, places);
}

// Whether rows can be read in vectors of `bytes`.
bool vectors_fit(const IndexLoop& loop, const Space& own, const Space& row, int64_t itemsize,
                 int64_t bytes) {
  const auto multiple = [=](int64_t n) { return n % bytes == 0; };
  bool fit = row.ndim == 1 && row.strides[0][0] == itemsize && row.strides[0][1] == itemsize &&
             multiple(row.numel * itemsize) && multiple(loop.step) &&
             multiple(int64_t(reinterpret_cast<uintptr_t>(loop.it.data[0]))) &&
             multiple(int64_t(reinterpret_cast<uintptr_t>(loop.it.data[1])));
  for (int d = 0; d < own.ndim; d++)
    fit = fit && multiple(own.strides[d][0]) && multiple(own.strides[d][1]);
  return fit;
}

template <IndexReduce op, class T>
void reduce_typed(const IndexLoop& loop) {
  const Space own = own_space(loop.it), row = row_space(loop.it);
  if constexpr (op == IndexReduce::add && __is_same(T, float)) {
    if (vectors_fit(loop, own, row, sizeof(T), 16))
      return reduce_with<Reduce<op, T, 4>>(loop, own, row);
  }
  reduce_with<Reduce<op, T, 1>>(loop, own, row);
}

template <class T>
void reduce_op(IndexReduce op, const IndexLoop& loop) {
  switch (op) {
    case IndexReduce::add:
      return reduce_typed<IndexReduce::add, T>(loop);
    case IndexReduce::mul:
      return reduce_typed<IndexReduce::mul, T>(loop);
    case IndexReduce::amin:
      return reduce_typed<IndexReduce::amin, T>(loop);
    default:
      return reduce_typed<IndexReduce::amax, T>(loop);
  }
}

}  // namespace

void index_reduce(DType dtype, IndexReduce op, const IndexLoop& loop) {
  if (loop.it.numel == 0 || loop.size == 0) return;
  MT_SWITCH_INT_FLOAT(dtype, reduce_op<scalar_t>(op, loop))
  if (dtype != DType::Bool) return;
  // Bool: a sum is "or", a product "and".
  IndexReduce bits = op == IndexReduce::add   ? IndexReduce::amax
                     : op == IndexReduce::mul ? IndexReduce::amin
                                              : op;
  reduce_op<uint8_t>(bits, loop);
}

}  // namespace mt::cuda
