// y = f(x) and dx = dy * f'(x or y), one loop per line of csrc/ops/unary.h.
// One read and one write per element forward, two reads and one write backward.
#include "ops/unary.h"

#include "kernels/elementwise.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {

void unary_forward(UnaryOp op, DType dtype, const ElementIter& it) {
#define MT_RUN_(name, formula, ...)                                                            \
  case UnaryOp::name:                                                                          \
    run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {             \
      using T = compute_t<scalar_t>;                                                           \
      map1<scalar_t, scalar_t>(data, strides, n, [](T x) -> T { return formula; });            \
    });                                                                                        \
    break;
  MT_SWITCH_FLOAT_HALF(dtype, switch (op) {
    MT_UNARY_FLOAT_OPS(MT_RUN_) MT_UNARY_NUMERIC_OPS(MT_RUN_) MT_UNARY_ROUND_OPS(MT_RUN_) default : break;
  })
  MT_SWITCH_INT(dtype, switch (op) {
    MT_UNARY_NUMERIC_OPS(MT_RUN_) MT_RUN_(bitwise_not, T(~x)) default : break;
  })
  if (dtype == DType::Bool) {
    using scalar_t = bool;
    switch (op) {
      MT_RUN_(bitwise_not, !x)
      default: break;
    }
  }
#undef MT_RUN_
}

void unary_backward(UnaryOp op, DType dtype, const ElementIter& it) {
#define MT_RUN_(name, formula, saved, derivative)                                              \
  case UnaryOp::name:                                                                          \
    run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {             \
      using T = compute_t<scalar_t>;                                                           \
      map2<scalar_t, scalar_t>(data, strides, n, [](T dy, [[maybe_unused]] T saved) -> T {     \
        return dy * (derivative);                                                              \
      });                                                                                      \
    });                                                                                        \
    break;
  MT_SWITCH_FLOAT_HALF(dtype, switch (op) {
    MT_UNARY_FLOAT_OPS(MT_RUN_) MT_UNARY_NUMERIC_OPS(MT_RUN_) default : break;
  })
#undef MT_RUN_
}

void unary_test(TestOp op, DType dtype, const ElementIter& it) {
#define MT_RUN_(name, formula)                                                                 \
  case TestOp::name:                                                                           \
    run_elementwise(it, [](char* const* data, const int64_t* strides, int64_t n) {             \
      using T = compute_t<scalar_t>;                                                           \
      map1<bool, scalar_t>(data, strides, n, [](T x) -> bool { return formula; });             \
    });                                                                                        \
    break;
  MT_SWITCH_FLOAT_HALF(dtype, switch (op) { MT_UNARY_TEST_OPS(MT_RUN_) })
  if (op == TestOp::logical_not) {
    MT_SWITCH_INT(dtype, switch (op) { MT_RUN_(logical_not, x == T(0)) default : break; })
    if (dtype == DType::Bool) {
      using scalar_t = bool;
      switch (op) {
        MT_RUN_(logical_not, !x)
        default: break;
      }
    }
  }
#undef MT_RUN_
}

}  // namespace mt::cpu::MT_ISA
