// One pass over parameter, gradient and states of every parameter: read all, write all but the
// gradient. The parameters lie end to end in one range of elements that is cut into equal chunks,
// so many small parameters cost one loop and a large one uses all threads. Adam in float32 moves 28
// bytes per element for some 15 flops: memory decides.
// The formulas are those of the files in minitorch/optim, with the same names.
#include "ops/optim.h"

#include "kernels/elementwise.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
using C = OptimCoefficients<T>;

template <class T>
MT_INLINE C<T> convert(const C<double>& c) {
  return {T(c.sign),  T(c.decay),           T(c.shrink), T(c.beta1), T(c.one_minus_beta1),
          T(c.beta2), T(c.one_minus_beta2), T(c.eps),    T(c.step),  T(c.step2),
          T(c.scale)};
}

// The gradient with its sign and the weight decay; p with the decoupled decay.
template <class T>
MT_INLINE T prepare(const C<T>& c, T& p, T g) {
  T decayed = c.sign * g + c.decay * p;
  p = c.shrink * p;
  return decayed;
}
template <class T>
MT_INLINE void average(T& mean, T value, T one_minus_beta) {
  mean = mean + one_minus_beta * (value - mean);
}
template <class T>
MT_INLINE void average_square(T& v, T g, T beta, T one_minus_beta) {
  v = beta * v + one_minus_beta * (g * g);
}
template <class T>
MT_INLINE T larger(T a, T b) {
  return a > b ? a : b;
}

struct Sgd {
  static constexpr int states = 0;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T*) {
    p -= c.step * prepare(c, p, g);
  }
};

struct SgdMomentum {
  static constexpr int states = 1;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    s[0] = c.beta1 * s[0] + c.one_minus_beta1 * g;
    p -= c.step * (c.scale * g + c.step2 * s[0]);
  }
};

template <bool amsgrad>
struct Adam {
  static constexpr int states = amsgrad ? 3 : 2;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average(s[0], g, c.one_minus_beta1);
    average_square(s[1], g, c.beta2, c.one_minus_beta2);
    T v = s[1];
    if constexpr (amsgrad) v = s[2] = larger(s[2], v);
    p -= c.step * (s[0] / (fn::sqrt(v) * c.scale + c.eps));
  }
};

template <bool centered, bool momentum>
struct RmsProp {
  static constexpr int states = 1 + centered + momentum;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average_square(s[0], g, c.beta2, c.one_minus_beta2);
    T v = s[0];
    if constexpr (centered) {
      average(s[1], g, c.one_minus_beta2);
      v = v - s[1] * s[1];
    }
    T d = g / (fn::sqrt(v) + c.eps);
    if constexpr (momentum) {
      T& b = s[1 + centered];
      d = b = c.beta1 * b + d;
    }
    p -= c.step * d;
  }
};

struct Adagrad {
  static constexpr int states = 1;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    s[0] += g * g;
    p -= c.step * (g / (fn::sqrt(s[0]) + c.eps));
  }
};

struct Adadelta {
  static constexpr int states = 2;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average_square(s[0], g, c.beta2, c.one_minus_beta2);
    T d = fn::sqrt(s[1] + c.eps) / fn::sqrt(s[0] + c.eps) * g;
    average_square(s[1], d, c.beta2, c.one_minus_beta2);
    p -= c.step * d;
  }
};

struct Adamax {
  static constexpr int states = 2;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average(s[0], g, c.one_minus_beta1);
    s[1] = larger(c.beta2 * s[1], (g < T(0) ? -g : g) + c.eps);
    p -= c.step * (s[0] / s[1]);
  }
};

struct NAdam {
  static constexpr int states = 2;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average(s[0], g, c.one_minus_beta1);
    average_square(s[1], g, c.beta2, c.one_minus_beta2);
    p -= (c.step * g + c.step2 * s[0]) / (fn::sqrt(s[1] * c.scale) + c.eps);
  }
};

// Before the rectification starts, scale is 0 and eps is 1: the denominator is 1.
struct RAdam {
  static constexpr int states = 2;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average(s[0], g, c.one_minus_beta1);
    average_square(s[1], g, c.beta2, c.one_minus_beta2);
    p -= c.step * (s[0] / (fn::sqrt(s[1]) * c.scale + c.eps));
  }
};

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

void optim_step(OptimRule rule, DType dtype, const OptimItem* items, int64_t count, int64_t total) {
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
