// One pass over parameter, gradient and states of every parameter: read all, write all but the
// gradient. The parameters lie end to end in one range of elements that is cut into equal chunks,
// so many small parameters cost one loop and a large one uses all threads. Adam in float32 moves 28
// bytes per element for some 15 flops: memory decides.
#include "ops/optim.h"

#include "kernels/elementwise.h"
#include "kernels/optim_math.h"

namespace mt::cpu::MT_ISA {
namespace {

using namespace fn;

template <class S, class Rule>
MT_INLINE void update_range(const OptimItem& item, int64_t from, int64_t n) {
  using T = compute_t<S>;
  const C<T> c = convert<T>(item.c);
  S* p = static_cast<S*>(item.param) + from;
  const S* g = static_cast<const S*>(item.grad) + from;
  S* s[3] = {};
  for (int k = 0; k < Rule::states; k++) s[k] = static_cast<S*>(item.state[k]) + from;
  S *s0 = s[0], *s1 = s[1], *s2 = s[2];
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) {
    T value = load<S>(p[i]);
    T state[3] = {};
    if constexpr (Rule::states > 0) state[0] = load<S>(s0[i]);
    if constexpr (Rule::states > 1) state[1] = load<S>(s1[i]);
    if constexpr (Rule::states > 2) state[2] = load<S>(s2[i]);
    Rule::update(c, value, load<S>(g[i]), state);
    if constexpr (Rule::states > 0) s0[i] = store_as<S>(state[0]);
    if constexpr (Rule::states > 1) s1[i] = store_as<S>(state[1]);
    if constexpr (Rule::states > 2) s2[i] = store_as<S>(state[2]);
    p[i] = store_as<S>(value);
  }
}

// The item that element `at` of the joint range belongs to.
MT_INLINE int64_t find_item(const OptimItem* items, int64_t count, int64_t at) {
  int64_t low = 0, high = count - 1;
  while (low < high) {
    int64_t middle = (low + high + 1) / 2;
    if (items[middle].begin <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

template <class S, class Rule>
MT_INLINE void run(const OptimItem* items, int64_t count, int64_t total) {
  parallel_for(total, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = find_item(items, count, begin); begin < end; i++) {
      const OptimItem& item = items[i];
      int64_t from = begin - item.begin;
      int64_t n = item.numel - from < end - begin ? item.numel - from : end - begin;
      update_range<S, Rule>(item, from, n);
      begin += n;
    }
  });
}

}  // namespace

void optim_step(OptimRule rule, DType dtype, const OptimItem* items, int64_t count, int64_t total,
                const OptimOnDevice*) {
#define MT_RULE_(name, ...)                          \
  case OptimRule::name:                              \
    run<scalar_t, __VA_ARGS__>(items, count, total); \
    break;
  MT_SWITCH_FLOAT_HALF(
      dtype, switch (rule){
                 MT_RULE_(sgd, Sgd) MT_RULE_(sgd_momentum, SgdMomentum) MT_RULE_(adam, Adam<false>)
                     MT_RULE_(adam_amsgrad, Adam<true>) MT_RULE_(rmsprop, RmsProp<false, false>)
                         MT_RULE_(rmsprop_momentum, RmsProp<false, true>)
                             MT_RULE_(rmsprop_centered, RmsProp<true, false>)
                                 MT_RULE_(rmsprop_centered_momentum, RmsProp<true, true>)
                                     MT_RULE_(adagrad, Adagrad) MT_RULE_(adadelta, Adadelta)
                                         MT_RULE_(adamax, Adamax) MT_RULE_(nadam, NAdam)
                                             MT_RULE_(radam, RAdam)})
#undef MT_RULE_
}

}  // namespace mt::cpu::MT_ISA
