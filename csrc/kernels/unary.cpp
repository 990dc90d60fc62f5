// y = f(x), one loop per line of csrc/ops/unary.h. One read and one write per element.
#include "ops/unary.h"

#include "kernels/elementwise.h"
#include "kernels/guarded.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula, ...)                    \
  case UnaryOp::name:                                        \
    return [](char* const* data, int64_t n, const void*) {   \
      map1<T, T>(data, n, [](T x) -> T { return formula; }); \
    };

// sin, cos and tan of floats: vectorised where a block's arguments lie within kTrigLimit.
#define MT_CASE_TRIG_(name)                                                                 \
  case UnaryOp::name:                                                                       \
    return [](char* const* data, int64_t n, const void*) {                                  \
      map1_guarded(                                                                         \
          data, n, [](float x) { return fn::fabs(x) <= fn::kTrigLimit; },                   \
          [](float x) { return fn::name##_fast(x); }, [](float x) { return fn::name(x); }); \
    };

Loop trig_loop(UnaryOp op) {
  switch (op) {
    MT_CASE_TRIG_(sin)
    MT_CASE_TRIG_(cos)
    MT_CASE_TRIG_(tan)
    default:
      return nullptr;
  }
}

template <class T>
Loop float_loop(UnaryOp op) {
  if (__is_same(T, float))
    if (Loop loop = trig_loop(op)) return loop;
  switch (op) {
    MT_UNARY_FLOAT_OPS(MT_CASE_LOOP_)
    MT_UNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_UNARY_ROUND_OPS(MT_CASE_LOOP_)
    default:
      return nullptr;
  }
}

Loop int_loop(UnaryOp op) {
  using T = int64_t;
  switch (op) {
    MT_UNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    MT_CASE_LOOP_(bitwise_not, ~x)
    default:
      return nullptr;
  }
}

#define MT_CASE_TEST_(name, formula)                               \
  case TestOp::name:                                               \
    return [](char* const* data, int64_t n, const void*) {         \
      map1<bool, T>(data, n, [](T x) -> bool { return formula; }); \
    };

template <class T>
Loop test_loop(TestOp op) {
  switch (op) { MT_UNARY_TEST_OPS(MT_CASE_TEST_) }
  return nullptr;
}

template <class T>
Loop not_loop() {
  return [](char* const* data, int64_t n, const void*) {
    map1<uint8_t, T>(data, n, [](T x) -> uint8_t { return x == T(0); });
  };
}

}  // namespace

void unary_forward(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it) {
  Loop loop = compute == DType::Float32   ? float_loop<float>(op)
              : compute == DType::Float64 ? float_loop<double>(op)
                                          : int_loop(op);
  run_loop(it, types, same_type(loop, compute));
}

void unary_test(TestOp op, DType compute, OperandTypes types, const ElementIter& it) {
  // Of integers only logical_not is asked; bytes without the detour through int64.
  if (itemsize(types.t[1]) == 1)
    return run_loop(it, types, to_bool(not_loop<uint8_t>(), types.t[1]));
  Loop loop = compute == DType::Float32   ? test_loop<float>(op)
              : compute == DType::Float64 ? test_loop<double>(op)
                                          : not_loop<int64_t>();
  run_loop(it, types, to_bool(loop, compute));
}

}  // namespace mt::cpu::MT_ISA
