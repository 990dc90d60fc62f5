// y = f(x) and dx = dy * f'(x), one kernel per line of csrc/ops/activation.h and compute type. One
// read and one write per element forward, two reads and one write backward.
#include "ops/activation.h"

#include "cuda/kernels/elementwise.cuh"
#include "kernels/activation_math.h"

namespace mt::cuda {
namespace {

#define MT_FUNCTORS_(name, formula, saved, derivative) \
  template <class T>                                   \
  struct name##_f {                                    \
    T a, b;                                            \
    __device__ T operator()(T x) const {               \
      (void)a, (void)b;                                \
      return formula;                                  \
    }                                                  \
  };                                                   \
  template <class T>                                   \
  struct name##_b {                                    \
    T a, b;                                            \
    __device__ T operator()(T dy, T saved) const {     \
      (void)a, (void)b;                                \
      return dy * (derivative);                        \
    }                                                  \
  };
MT_ACTIVATION_OPS(MT_FUNCTORS_)

#define MT_CASE_FORWARD_(name, ...) \
  case ActivationOp::name:          \
    return run_elementwise<T, T, 1>(it, types, name##_f<T>{a, b});
#define MT_CASE_BACKWARD_(name, ...) \
  case ActivationOp::name:           \
    return run_elementwise<T, T, 2>(it, types, name##_b<T>{a, b});

template <class T>
void forward(ActivationOp op, const OperandTypes& types, const ElementIter& it,
             ActivationNumbers numbers) {
  const T a = T(numbers.a), b = T(numbers.b);
  switch (op) { MT_ACTIVATION_OPS(MT_CASE_FORWARD_) }
}

template <class T>
void backward(ActivationOp op, const OperandTypes& types, const ElementIter& it,
              ActivationNumbers numbers) {
  const T a = T(numbers.a), b = T(numbers.b);
  switch (op) { MT_ACTIVATION_OPS(MT_CASE_BACKWARD_) }
}

template <class T>
struct prelu_f {
  __device__ T operator()(T x, T w) const { return x > T(0) ? x : w * x; }
};
template <class T>
struct glu_f {
  __device__ T operator()(T a, T b) const { return a * fn::sigmoid(b); }
};

}  // namespace

void activation_forward(ActivationOp op, DType compute, OperandTypes types, const ElementIter& it,
                        ActivationNumbers numbers) {
  if (compute == DType::Float32) return forward<float>(op, types, it, numbers);
  forward<double>(op, types, it, numbers);
}

void activation_backward(ActivationOp op, DType compute, OperandTypes types, const ElementIter& it,
                         ActivationNumbers numbers) {
  if (compute == DType::Float32) return backward<float>(op, types, it, numbers);
  backward<double>(op, types, it, numbers);
}

void prelu_forward(DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32)
    return run_elementwise<float, float, 2>(it, types, prelu_f<float>{});
  run_elementwise<double, double, 2>(it, types, prelu_f<double>{});
}

void glu_forward(DType compute, OperandTypes types, const ElementIter& it) {
  if (compute == DType::Float32) return run_elementwise<float, float, 2>(it, types, glu_f<float>{});
  run_elementwise<double, double, 2>(it, types, glu_f<double>{});
}

}  // namespace mt::cuda
