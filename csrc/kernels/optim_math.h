// The update rules of the optimizers, for the CPU and CUDA. The formulas are those of the files in
// minitorch/optim, with the same names. A rule has `states` states; update() changes the parameter
// p and its states s by the gradient g.
#pragma once
#include "kernels/fn.h"
#include "ops/optim.h"

namespace MT_FN {

template <class T>
using C = ::mt::OptimCoefficients<T>;

// In the type that a kernel computes in.
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
    p -= c.step * (s[0] / (sqrt(v) * c.scale + c.eps));
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
    T d = g / (sqrt(v) + c.eps);
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
    p -= c.step * (g / (sqrt(s[0]) + c.eps));
  }
};

struct Adadelta {
  static constexpr int states = 2;
  template <class T>
  static MT_INLINE void update(const C<T>& c, T& p, T g, T* s) {
    g = prepare(c, p, g);
    average_square(s[0], g, c.beta2, c.one_minus_beta2);
    T d = sqrt(s[1] + c.eps) / sqrt(s[0] + c.eps) * g;
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
    p -= (c.step * g + c.step2 * s[0]) / (sqrt(s[1] * c.scale) + c.eps);
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
    p -= c.step * (s[0] / (sqrt(s[1]) * c.scale + c.eps));
  }
};

}  // namespace MT_FN
