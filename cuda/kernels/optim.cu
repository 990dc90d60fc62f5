// One pass over parameter, gradient and states of every parameter: read all, write all but the
// gradient. Adam in float32 moves 28 bytes per element for some 15 flops: memory decides. The
// parameters of a step share launches (cuda/kernels/tensor_list.cuh). The formulas are in
// csrc/kernels/optim_math.h. Where the count of steps lives on the device, a launch before it
// counts and computes the coefficients (csrc/ops/optim_schedule.h), so that a captured step goes on
// counting in every replay.
#include "ops/optim.h"

#include "cuda/core/math.h"
#include "cuda/core/scratch.h"
#include "cuda/kernels/tensor_list.cuh"
#include "kernels/optim_math.h"
#include "ops/optim_schedule.h"

namespace mt::cuda {
namespace {

struct Parameter {
  void* param;
  void* grad;
  void* state[3];
  int64_t numel;
};

// Coefficients that this device computed: of the launch's first item and those after it.
template <class T>
struct Computed {
  const OptimCoefficients<T>* c;  // null: the launch's argument holds for all
  const float* scale;
  const float* found;
};

// Two blocks: without a bound ptxas stops at 64 registers and spills in float64.
template <class S, class Rule>
__global__ void __launch_bounds__(kThreads, 2)
    optim_step_kernel(const TensorList<Parameter> list, OptimCoefficients<compute_t<S>> c,
                      const Computed<compute_t<S>> computed) {
  using T = compute_t<S>;
  constexpr int V = 16 / sizeof(S), kStates = Rule::states;
  int64_t begin;
  const int at = list.find(&begin);
  const Parameter& item = list.items[at];
  if (computed.c) c = computed.c[at];
  const bool skip = computed.found && *computed.found != 0;
  const bool unscale = computed.scale;
  if (skip && !unscale) return;
  S* p = static_cast<S*>(item.param);
  S* g = static_cast<S*>(item.grad);
  uintptr_t addresses = reinterpret_cast<uintptr_t>(p) | reinterpret_cast<uintptr_t>(g);
#pragma unroll
  for (int s = 0; s < kStates; s++) addresses |= reinterpret_cast<uintptr_t>(item.state[s]);
  const bool aligned = addresses % 16 == 0;
  for_chunk<V>(begin, item.numel, [&](int64_t i, int count) {
    T value[V], gradient[V], state[kStates > 0 ? kStates : 1][V];
    load_piece<S, V>(g + i, count, aligned, T(0), gradient);
    if (unscale) {
      const T inverse = T(1) / T(*computed.scale);  // cached; no register of the loop's
#pragma unroll
      for (int k = 0; k < V; k++) gradient[k] *= inverse;
      store_piece<S, V>(g + i, count, aligned, gradient);
      if (skip) return;
    }
    load_piece<S, V>(p + i, count, aligned, T(0), value);
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

// --- coefficients on the device

constexpr int kCounters = 128;

struct Counters {
  int count;
  float* step[kCounters];
  float* product[kCounters];
};

// A thread per parameter counts its step and computes the coefficients, unless the step is skipped.
template <class T>
__global__ void __launch_bounds__(kCounters)
    optim_schedule_kernel(const Counters list, OptimRule rule, OptimOptions options,
                          const double* lr, const float* found, OptimCoefficients<T>* c) {
  const int i = int(threadIdx.x);
  if (i >= list.count || (found && *found != 0)) return;
  if (lr) options.lr = *lr;
  double t = 0, product = 0;
  if (list.step[i]) {
    t = double(*list.step[i]) + 1;
    *list.step[i] = float(t);
  }
  if (list.product[i]) {
    product = nadam_product(options, t, double(*list.product[i]));
    *list.product[i] = float(product);
  }
  c[i] = fn::convert<T>(coefficients_at(rule, options, t, product));
}

template <class T>
void schedule(OptimRule rule, const OptimItem* items, int64_t count, const OptimOnDevice& device,
              OptimCoefficients<T>* c) {
  Counters list{};
  int64_t first = 0;
  const auto flush = [&] {
    if (list.count == 0) return;
    MT_LAUNCH((optim_schedule_kernel<T>), 1, kCounters, 0, stream(), list, rule, *device.options,
              device.lr, device.found, c + first);
    first += list.count;
    list.count = 0;
  };
  // Parameters with elements first, in the order in which the launches of the step take them.
  for (const bool empty : {false, true})
    for (int64_t i = 0; i < count; i++) {
      if ((items[i].numel == 0) != empty) continue;
      list.step[list.count] = items[i].step;
      list.product[list.count] = items[i].product;
      if (++list.count == kCounters) flush();
    }
  flush();
}

bool same(const OptimCoefficients<double>& a, const OptimCoefficients<double>& b) {
  return memcmp(&a, &b, sizeof a) == 0;
}

// Parameters with the same coefficients share a launch; where the device computes them, all do.
template <class S, class Rule>
void run(OptimRule rule, const OptimItem* items, int64_t count, const OptimOnDevice* device) {
  using T = compute_t<S>;
  OptimCoefficients<double> c = items[0].c;
  Computed<T> computed{};
  const Scratch memory(device ? size_t(count) * sizeof(OptimCoefficients<T>) : 0);
  if (device) {
    schedule(rule, items, count, *device, memory.as<OptimCoefficients<T>>());
    computed = {memory.as<OptimCoefficients<T>>(), device->scale, device->found};
  }
  const auto launch = [&](const TensorList<Parameter>& list, unsigned blocks) {
    MT_LAUNCH((optim_step_kernel<S, Rule>), blocks, kThreads, 0, stream(), list, fn::convert<T>(c),
              computed);
    if (device) computed.c += list.count;
  };
  ListLauncher<Parameter, decltype(launch)> launcher(launch);
  for (int64_t i = 0; i < count; i++) {
    const OptimItem& item = items[i];
    if (!device && !same(item.c, c)) {
      launcher.flush();
      c = item.c;
    }
    launcher.add(
        {item.param, item.grad, {item.state[0], item.state[1], item.state[2]}, item.numel});
  }
  launcher.flush();
}

}  // namespace

void optim_step(OptimRule rule, DType dtype, const OptimItem* items, int64_t count, int64_t,
                const OptimOnDevice* device) {
  using namespace fn;
#define MT_RULE_(name, ...)                                 \
  case OptimRule::name:                                     \
    run<scalar_t, __VA_ARGS__>(rule, items, count, device); \
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
