// What a running sum, product or log-sum-exp joins, for the CPU and CUDA. `a` comes before `x`.
#pragma once
#include "kernels/fn.h"
#include "ops/scan.h"

namespace MT_FN {

template <ScanOp op, class A>
struct Combine {
  static MT_INLINE A identity() {
    if constexpr (op == ScanOp::sum) return A(0);
    if constexpr (op == ScanOp::prod) return A(1);
    return A(-__builtin_inf());
  }
  static MT_INLINE A join(A a, A x) {
    if constexpr (op == ScanOp::sum) {
      if constexpr (__is_same(A, int64_t)) return A(uint64_t(a) + uint64_t(x));
      return a + x;
    } else if constexpr (op == ScanOp::prod) {
      if constexpr (__is_same(A, int64_t)) return A(uint64_t(a) * uint64_t(x));
      return a * x;
    } else {
      const A hi = a > x ? a : x, lo = a > x ? x : a;
      if (a != a || x != x) return a + x;
      if (hi - lo != hi - lo) return hi;  // both the same infinity, or lo is -inf
      return hi + log1p(exp(lo - hi));
    }
  }
};

}  // namespace MT_FN
