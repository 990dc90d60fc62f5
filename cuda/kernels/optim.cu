// One pass over parameter, gradient and states of every parameter: read all, write all but the
// gradient. Adam in float32 moves 28 bytes per element for some 15 flops: memory decides. The
// parameters of a step share launches (cuda/kernels/tensor_list.cuh). The formulas are in
// csrc/kernels/optim_math.h.
#include "ops/optim.h"

#include "cuda/core/math.h"
#include "cuda/kernels/tensor_list.cuh"
#include "kernels/optim_math.h"

namespace mt::cuda {
namespace {

struct Parameter {
  void* param;
  const void* grad;
  void* state[3];
  int64_t numel;
};

template <class S, class Rule>
__global__ void __launch_bounds__(kThreads)
    optim_step_kernel(const TensorList<Parameter> list, const OptimCoefficients<compute_t<S>> c) {
  using T = compute_t<S>;
  constexpr int V = 16 / sizeof(S), kStates = Rule::states;
  int64_t begin;
  const Parameter& item = list.items[list.find(&begin)];
  S* p = static_cast<S*>(item.param);
  const S* g = static_cast<const S*>(item.grad);
  uintptr_t addresses = reinterpret_cast<uintptr_t>(p) | reinterpret_cast<uintptr_t>(g);
#pragma unroll
  for (int s = 0; s < kStates; s++) addresses |= reinterpret_cast<uintptr_t>(item.state[s]);
  const bool aligned = addresses % 16 == 0;
  for_chunk<V>(begin, item.numel, [&](int64_t i, int count) {
    T value[V], gradient[V], state[kStates > 0 ? kStates : 1][V];
    load_piece<S, V>(p + i, count, aligned, T(0), value);
    load_piece<S, V>(g + i, count, aligned, T(0), gradient);
#pragma unroll
    for (int s = 0; s < kStates; s++)
      load_piece<S, V>(static_cast<const S*>(item.state[s]) + i, count, aligned, T(0), state[s]);
#pragma unroll
    for (int k = 0; k < V; k++) {
      T own[kStates > 0 ? kStates : 1];
#pragma unroll
      for (int s = 0; s < kStates; s++) own[s] = state[s][k];
      Rule::update(c, value[k], gradient[k], own);
#pragma unroll
      for (int s = 0; s < kStates; s++) state[s][k] = own[s];
    }
#pragma unroll
    for (int s = 0; s < kStates; s++)
      store_piece<S, V>(static_cast<S*>(item.state[s]) + i, count, aligned, state[s]);
    store_piece<S, V>(p + i, count, aligned, value);
  });
}

bool same(const OptimCoefficients<double>& a, const OptimCoefficients<double>& b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

// Parameters with the same coefficients share a launch.
template <class S, class Rule>
void run(const OptimItem* items, int64_t count) {
  OptimCoefficients<double> c = items[0].c;
  const auto launch = [&](const TensorList<Parameter>& list, unsigned blocks) {
    MT_LAUNCH((optim_step_kernel<S, Rule>), blocks, kThreads, 0, stream(), list,
              fn::convert<compute_t<S>>(c));
  };
  ListLauncher<Parameter, decltype(launch)> launcher(launch);
  for (int64_t i = 0; i < count; i++) {
    const OptimItem& item = items[i];
    if (!same(item.c, c)) {
      launcher.flush();
      c = item.c;
    }
    launcher.add(
        {item.param, item.grad, {item.state[0], item.state[1], item.state[2]}, item.numel});
  }
  launcher.flush();
}

}  // namespace

void optim_step(OptimRule rule, DType dtype, const OptimItem* items, int64_t count, int64_t) {
  using namespace fn;
#define MT_RULE_(name, ...)                   \
  case OptimRule::name:                       \
    run<scalar_t, __VA_ARGS__>(items, count); \
    break;
  // clang-format off
#define MT_RULES_                                                                \
  switch (rule) {                                                                \
    MT_RULE_(sgd, Sgd)                                                           \
    MT_RULE_(sgd_momentum, SgdMomentum)                                          \
    MT_RULE_(adam, Adam<false>)                                                  \
    MT_RULE_(adam_amsgrad, Adam<true>)                                           \
    MT_RULE_(rmsprop, RmsProp<false, false>)                                     \
    MT_RULE_(rmsprop_momentum, RmsProp<false, true>)                             \
    MT_RULE_(rmsprop_centered, RmsProp<true, false>)                             \
    MT_RULE_(rmsprop_centered_momentum, RmsProp<true, true>)                     \
    MT_RULE_(adagrad, Adagrad)                                                   \
    MT_RULE_(adadelta, Adadelta)                                                 \
    MT_RULE_(adamax, Adamax)                                                     \
    MT_RULE_(nadam, NAdam)                                                       \
    MT_RULE_(radam, RAdam)                                                       \
  }
  // clang-format on
  MT_SWITCH_FLOAT_HALF(dtype, MT_RULES_)
#undef MT_RULES_
#undef MT_RULE_
}

}  // namespace mt::cuda
