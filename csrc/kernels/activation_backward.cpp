// dx = dy * f'(x), one loop per line of csrc/ops/activation.h. Two reads and one write per element.
#include "kernels/activation_math.h"
#include "kernels/elementwise.h"
#include "ops/activation.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula, saved, derivative)           \
  case ActivationOp::name:                                        \
    return [](char* const* data, int64_t n, const void* params) { \
      auto* p = static_cast<const ActivationNumbers*>(params);    \
      const T a = T(p->a), b = T(p->b);                           \
      map2<T, T>(data, n, [a, b](T dy, T saved) -> T {            \
        (void)a, (void)b;                                         \
        return dy * (derivative);                                 \
      });                                                         \
    };

template <class T>
Loop backward_loop(ActivationOp op) {
  switch (op) { MT_ACTIVATION_OPS(MT_CASE_LOOP_) }
  return nullptr;
}

}  // namespace

void activation_backward(ActivationOp op, DType compute, OperandTypes types, const ElementIter& it,
                         ActivationNumbers numbers) {
  Loop loop = compute == DType::Float32 ? backward_loop<float>(op) : backward_loop<double>(op);
  run_loop(it, types, same_type(loop, compute, &numbers));
}

}  // namespace mt::cpu::MT_ISA
