// z = x < y and the like, to bool. Two reads and a byte written per element.
#include "kernels/elementwise.h"
#include "ops/binary.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula)                                    \
  case CompareOp::name:                                                 \
    return [](char* const* data, int64_t n, const void*) {              \
      map2<bool, T>(data, n, [](T x, T y) -> bool { return formula; }); \
    };

template <class T>
Loop compare_loop(CompareOp op) {
  switch (op) { MT_COMPARE_OPS(MT_CASE_LOOP_) }
  return nullptr;
}

}  // namespace

void compare_forward(CompareOp op, DType compute, OperandTypes types, const ElementIter& it) {
  Loop loop = compute == DType::Float32   ? compare_loop<float>(op)
              : compute == DType::Float64 ? compare_loop<double>(op)
                                          : compare_loop<int64_t>(op);
  run_loop(it, types, to_bool(loop, compute));
}

}  // namespace mt::cpu::MT_ISA
