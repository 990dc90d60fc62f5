// y = f(x), one loop per line of csrc/ops/unary.h. One read and one write per element.
#include "ops/unary.h"

#include "kernels/elementwise.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula, ...)                                             \
  case UnaryOp::name:                                                                 \
    return [](char* const* data, int64_t n, const void*) {                            \
      map1<T, T>(data, n, [](T x) -> T { return formula; });                          \
    };

template <class T> Loop float_loop(UnaryOp op) {
  switch (op) {
    MT_UNARY_FLOAT_OPS(MT_CASE_LOOP_)
    MT_UNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_UNARY_ROUND_OPS(MT_CASE_LOOP_)
    default: return nullptr;
  }
}

Loop int_loop(UnaryOp op) {
  using T = int64_t;
  switch (op) {
    MT_UNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_CASE_LOOP_(bitwise_not, ~x)
    default: return nullptr;
  }
}

#define MT_CASE_TEST_(name, formula)                                                  \
  case TestOp::name:                                                                  \
    return [](char* const* data, int64_t n, const void*) {                            \
      map1<bool, T>(data, n, [](T x) -> bool { return formula; });                    \
    };

template <class T> Loop test_loop(TestOp op) {
  switch (op) { MT_UNARY_TEST_OPS(MT_CASE_TEST_) }
  return nullptr;
}

Loop int_test_loop(TestOp op) {
  using T = int64_t;
  switch (op) {
    MT_CASE_TEST_(logical_not, x == 0)
    default: return nullptr;
  }
}

}  // namespace

void unary_forward(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it) {
  Loop loop = compute == DType::Float32   ? float_loop<float>(op)
              : compute == DType::Float64 ? float_loop<double>(op)
                                          : int_loop(op);
  run_loop(it, types, same_type(loop, compute));
}

void unary_test(TestOp op, DType compute, OperandTypes types, const ElementIter& it) {
  Loop loop = compute == DType::Float32   ? test_loop<float>(op)
              : compute == DType::Float64 ? test_loop<double>(op)
                                          : int_test_loop(op);
  run_loop(it, types, to_bool(loop, compute));
}

}  // namespace mt::cpu::MT_ISA
