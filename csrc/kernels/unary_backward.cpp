// dx = dy * f'(x or y), one loop per line of csrc/ops/unary.h. Two reads and one write per element.
#include "kernels/elementwise.h"
#include "kernels/guarded.h"
#include "kernels/math.h"
#include "ops/unary.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula, saved, derivative)                                           \
  case UnaryOp::name:                                                                             \
    return [](char* const* data, int64_t n, const void*) {                                        \
      map2<T, T>(data, n, [](T dy, [[maybe_unused]] T saved) -> T { return dy * (derivative); }); \
    };

MT_INLINE bool trig_holds(float, float x) { return fn::fabs(x) <= fn::kTrigLimit; }

Loop trig_loop(UnaryOp op) {
  switch (op) {
    case UnaryOp::sin:
      return [](char* const* data, int64_t n, const void*) {
        map2_guarded(
            data, n, trig_holds, [](float dy, float x) { return dy * fn::cos_fast(x); },
            [](float dy, float x) { return dy * fn::cos(x); });
      };
    case UnaryOp::cos:
      return [](char* const* data, int64_t n, const void*) {
        map2_guarded(
            data, n, trig_holds, [](float dy, float x) { return dy * -fn::sin_fast(x); },
            [](float dy, float x) { return dy * -fn::sin(x); });
      };
    default:
      return nullptr;
  }
}

template <class T>
Loop backward_loop(UnaryOp op) {
  if (__is_same(T, float))
    if (Loop loop = trig_loop(op)) return loop;
  switch (op) {
    MT_UNARY_FLOAT_OPS(MT_CASE_LOOP_)
    MT_UNARY_NUMERIC_OPS(MT_CASE_LOOP_)
    default:
      return nullptr;
  }
}

}  // namespace

void unary_backward(UnaryOp op, DType compute, OperandTypes types, const ElementIter& it) {
  Loop loop = compute == DType::Float32 ? backward_loop<float>(op) : backward_loop<double>(op);
  run_loop(it, types, same_type(loop, compute));
}

}  // namespace mt::cpu::MT_ISA
