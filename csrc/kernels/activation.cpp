// y = f(x), one loop per line of csrc/ops/activation.h. One read and one write per element.
#include "ops/activation.h"

#include "kernels/activation_math.h"
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

#define MT_CASE_LOOP_(name, formula, ...)                         \
  case ActivationOp::name:                                        \
    return [](char* const* data, int64_t n, const void* params) { \
      auto* p = static_cast<const ActivationNumbers*>(params);    \
      const T a = T(p->a), b = T(p->b);                           \
      map1<T, T>(data, n, [a, b](T x) -> T {                      \
        (void)a, (void)b;                                         \
        return formula;                                           \
      });                                                         \
    };

template <class T>
Loop forward_loop(ActivationOp op) {
  switch (op) { MT_ACTIVATION_OPS(MT_CASE_LOOP_) }
  return nullptr;
}

template <class T>
void prelu_loop(char* const* data, int64_t n, const void*) {
  map2<T, T>(data, n, [](T x, T w) -> T { return x > T(0) ? x : w * x; });
}
template <class T>
void glu_loop(char* const* data, int64_t n, const void*) {
  map2<T, T>(data, n, [](T a, T b) -> T { return a * fn::sigmoid(b); });
}
template <class T>
void glu_gate_loop(char* const* data, int64_t n, const void*) {
  map3<T>(data, n, [](T da, T a, T s) -> T { return da * a * (T(1) - s); });
}

}  // namespace

void activation_forward(ActivationOp op, DType compute, OperandTypes types, const ElementIter& it,
                        ActivationNumbers numbers) {
  Loop loop = compute == DType::Float32 ? forward_loop<float>(op) : forward_loop<double>(op);
  run_loop(it, types, same_type(loop, compute, &numbers));
}

void prelu_forward(DType compute, OperandTypes types, const ElementIter& it) {
  run_loop(
      it, types,
      same_type(compute == DType::Float32 ? &prelu_loop<float> : &prelu_loop<double>, compute));
}

void glu_gate_backward(DType compute, OperandTypes types, const ElementIter& it) {
  run_loop(it, types,
           same_type(compute == DType::Float32 ? &glu_gate_loop<float> : &glu_gate_loop<double>,
                     compute));
}

void glu_forward(DType compute, OperandTypes types, const ElementIter& it) {
  run_loop(it, types,
           same_type(compute == DType::Float32 ? &glu_loop<float> : &glu_loop<double>, compute));
}

}  // namespace mt::cpu::MT_ISA
