// z = f(x, y), one loop per line of csrc/ops/binary.h. Two reads and one write per element.
#include "ops/binary.h"

#include "kernels/binary_math.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {

#define MT_RUN_(name, formula)                                                                 \
  case BinaryOp::name:                                                                         \
    run_elementwise(it, [alpha](char* const* data, const int64_t* strides, int64_t n) {        \
      using T = compute_t<scalar_t>;                                                           \
      map2<scalar_t, scalar_t>(data, strides, n, [alpha](T x, T y) -> T {                      \
        (void)alpha;                                                                           \
        return formula;                                                                        \
      });                                                                                      \
    });                                                                                        \
    break;

namespace {

template <class scalar_t> void run_float(BinaryOp op, const ElementIter& it, double alpha) {
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_RUN_)
    MT_BINARY_FLOAT_OPS(MT_RUN_)
    default: break;
  }
}

template <class scalar_t> void run_int(BinaryOp op, const ElementIter& it, double alpha) {
  switch (op) {
    MT_BINARY_NUMERIC_OPS(MT_RUN_)
    MT_BINARY_BIT_OPS(MT_RUN_)
    MT_BINARY_INT_OPS(MT_RUN_)
    default: break;
  }
}

}  // namespace

void binary_forward(BinaryOp op, DType dtype, const ElementIter& it, double alpha) {
  MT_SWITCH_FLOAT_HALF(dtype, run_float<scalar_t>(op, it, alpha))
  MT_SWITCH_INT(dtype, run_int<scalar_t>(op, it, alpha))
  if (dtype == DType::Bool) {
    using scalar_t = bool;
    switch (op) {
      MT_RUN_(add, x || y)
      MT_RUN_(add_scaled, x || (alpha != 0 && y))
      MT_RUN_(mul, x && y)
      MT_RUN_(maximum, x || y)
      MT_RUN_(minimum, x && y)
      MT_RUN_(fmax, x || y)
      MT_RUN_(fmin, x && y)
      MT_BINARY_BIT_OPS(MT_RUN_)
      default: break;
    }
  }
}
#undef MT_RUN_

void compare_forward(CompareOp op, DType dtype, const ElementIter& it) {
#define MT_RUN_(name, formula)                                                                 \
  case CompareOp::name:                                                                        \
    run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {             \
      using T = compute_t<scalar_t>;                                                           \
      map2<bool, scalar_t>(data, strides, n, [](T x, T y) -> bool { return formula; });        \
    });                                                                                        \
    break;
  MT_SWITCH_ALL(dtype, switch (op) { MT_COMPARE_OPS(MT_RUN_) })
#undef MT_RUN_
}

}  // namespace mt::cpu::MT_ISA
