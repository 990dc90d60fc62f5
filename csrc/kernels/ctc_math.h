// One sample of connectionist temporal classification and its states, for the CPU and CUDA.
#pragma once
#include "kernels/fn.h"
#include "ops/ctc.h"

namespace MT_FN {

template <class T>
MT_INLINE T log_add(T a, T b) {
  const T high = a > b ? a : b, low = a > b ? b : a;
  return low == T(-__builtin_inf()) ? high : high + log1p(exp(low - high));
}

template <class T>
struct CtcSample {
  const CtcArgs& a;
  int64_t i, labels, steps;
  const int64_t* target;
  int64_t states, width;

  MT_INLINE CtcSample(const CtcArgs& args, int64_t sample)
      : a(args),
        i(sample),
        labels(a.target_lengths[i]),
        steps(a.input_lengths[i]),
        target(a.targets + a.target_starts[i]),
        states(2 * labels + 1),
        width(2 * a.longest + 1) {}

  MT_INLINE int64_t label(int64_t s) const { return s % 2 ? target[s / 2] : a.blank; }
  // Whether a path may go from state s - 2 straight to s.
  MT_INLINE bool skips(int64_t s) const {
    return s >= 3 && s % 2 && target[s / 2] != target[s / 2 - 1];
  }
  MT_INLINE const T* step(int64_t t) const {
    return static_cast<const T*>(a.log_probs) + (t * a.n + i) * a.classes;
  }
};

}  // namespace MT_FN
