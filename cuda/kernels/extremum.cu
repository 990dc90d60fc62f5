// Largest and smallest elements, and where they are. One read of x; how the work is split is in
// cuda/kernels/reduce.cuh. The smallest is the largest in reversed order: -x, or ~x of integers.
#include "ops/extremum.h"

#include <limits>

#include "cuda/core/order.h"
#include "cuda/kernels/reduce.cuh"

namespace mt::cuda {
namespace {

// NaN wins.
template <class Stored>
struct Extremum {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = T;
  using Total = T;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  bool largest;
  MT_INLINE Total start() const { return lowest<T>(); }
  MT_INLINE Lane lane() const { return lowest<T>(); }
  MT_INLINE Lane map(S x, Param, int64_t) const { return in_order(largest, load(x)); }
  MT_INLINE Lane join(Lane a, Lane b) const { return a != a ? a : b <= a ? a : b; }
  MT_INLINE Total add(Total a, Lane b) const { return join(a, b); }
  MT_INLINE Total combine(Total a, Total b) const { return join(a, b); }
  __device__ void store(char* y, char*, Total t) const {
    *reinterpret_cast<S*>(y) = store_as<S>(in_order(largest, t));
  }
};

template <class T>
struct Found {
  T value;
  int64_t index;
};

// The first of equal elements, or the first NaN. Operand 2 takes the values, if anyone wants them.
template <class Stored>
struct ArgExtremum {
  using S = Stored;
  using T = compute_t<S>;
  using Lane = Found<T>;
  using Total = Found<T>;
  using Param = NoParam;
  static constexpr int kFlush = 1 << 30;
  bool largest, with_values;
  MT_INLINE Total start() const { return {lowest<T>(), std::numeric_limits<int64_t>::max()}; }
  MT_INLINE Lane lane() const { return start(); }
  MT_INLINE Lane map(S x, Param, int64_t i) const { return {in_order(largest, load(x)), i}; }
  MT_INLINE Lane join(const Lane& a, const Lane& b) const {
    const bool first = b.index < a.index;
    const bool take = a.value != a.value ? b.value != b.value && first
                                         : b.value != b.value || b.value > a.value ||
                                               (b.value == a.value && first);
    return take ? b : a;
  }
  MT_INLINE Total add(const Total& a, const Lane& b) const { return join(a, b); }
  MT_INLINE Total combine(const Total& a, const Total& b) const { return join(a, b); }
  __device__ void store(char* y, char* values, const Total& t) const {
    *reinterpret_cast<int64_t*>(y) = t.index;
    if (with_values) *reinterpret_cast<S*>(values) = store_as<S>(in_order(largest, t.value));
  }
};

}  // namespace

void extremum(bool largest, DType dtype, const ElementIter& kept, const ElementIter& reduced) {
  MT_SWITCH_INT(dtype, return reduce(Extremum<scalar_t>{largest}, kept, reduced))
  MT_SWITCH_FLOAT_HALF(dtype, return reduce(Extremum<scalar_t>{largest}, kept, reduced))
}

void arg_extremum(bool largest, DType dtype, const void* x, void* values, int64_t* indices,
                  int64_t outer, int64_t n, int64_t inner) {
  const int64_t size = int64_t(itemsize(dtype));
  ElementIter kept, reduced;
  kept.nargs = 3;
  kept.numel = outer * inner;
  kept.data[0] = reinterpret_cast<char*>(indices);
  kept.data[1] = static_cast<char*>(const_cast<void*>(x));
  kept.data[2] = static_cast<char*>(values);
  const auto add_dim = [&](int64_t count, int64_t step, int64_t x_stride) {
    if (count == 1 && kept.ndim > 0) return;
    int64_t* strides = kept.strides[kept.ndim];
    kept.shape[kept.ndim++] = count;
    strides[0] = step * 8;
    strides[1] = x_stride * size;
    strides[2] = step * size;
  };
  if (inner > 1) add_dim(inner, 1, 1);
  add_dim(outer, inner, n * inner);
  reduced.nargs = reduced.ndim = 1;
  reduced.numel = reduced.shape[0] = n;
  reduced.strides[0][0] = inner * size;
  reduced.data[0] = kept.data[1];
  const bool with_values = values != nullptr;
#define MT_RUN_ return reduce(ArgExtremum<scalar_t>{largest, with_values}, kept, reduced);
  MT_SWITCH_INT(dtype, MT_RUN_)
  MT_SWITCH_FLOAT_HALF(dtype, MT_RUN_)
#undef MT_RUN_
}

}  // namespace mt::cuda
