// Maximum m and sum s of exp(x - m) in one pass over x (Milakov and Gimelshein 2018).
#pragma once
#include <limits>

#include "cuda/core/math.h"
#include "cuda/core/reduce.h"

namespace mt::cuda {

template <class C>
struct ExpSum {
  C m, s;

  static MT_INLINE C lowest() { return -std::numeric_limits<C>::infinity(); }
  static MT_INLINE ExpSum none() { return {lowest(), C(0)}; }

  // Elements of -inf add nothing.
  template <int V>
  __device__ __forceinline__ void add(const C (&v)[V]) {
    C high = m;
#pragma unroll
    for (int k = 0; k < V; k++) high = v[k] > high ? v[k] : high;
    C sum = s * fn::exp(m - high);
#pragma unroll
    for (int k = 0; k < V; k++) sum += fn::exp(v[k] - high);
    // While everything is -inf, only a NaN counts.
    if (high == lowest()) {
#pragma unroll
      for (int k = 0; k < V; k++) s = v[k] == v[k] ? s : v[k];
      return;
    }
    m = high;
    s = sum;
  }
  // Where m is infinite there is no softmax: everything is NaN.
  __device__ __forceinline__ C finite_sum() const { return m - m == C(0) ? s : C(NAN); }
};

struct MergeExpSums {
  template <class C>
  MT_INLINE ExpSum<C> operator()(const ExpSum<C>& a, const ExpSum<C>& b) const {
    const C m = a.m > b.m ? a.m : b.m;
    if (m == ExpSum<C>::lowest()) return {m, a.s + b.s};
    return {m, a.s * fn::exp(a.m - m) + b.s * fn::exp(b.m - m)};
  }
};

}  // namespace mt::cuda
