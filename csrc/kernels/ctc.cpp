// Graves et al., "Connectionist temporal classification", ICML 2006, in logarithms. The labels of a
// sample with blanks around them are the states; alpha(t, s) is the log-probability of all paths
// that are in state s after t steps, beta(t, s) of all that finish from there.
// loss = -log(exp alpha(T, last) + exp alpha(T, last - 1));
// dx(t, k) = exp(lp(t, k)) - sum over states s of label k of exp(alpha + beta - lp(t, k) + loss).
// One sample per task.
#include "ops/ctc.h"

#include "core/parallel.h"
#include "kernels/ctc_math.h"

namespace mt::cpu::MT_ISA {
namespace {

using fn::log_add;
template <class T>
using Sample = fn::CtcSample<T>;

template <class T>
T forward_sample(const Sample<T>& m, T* alpha) {
  const T none = T(-__builtin_inf());
  if (m.steps == 0) return m.labels == 0 ? T(0) : T(__builtin_inf());
  for (int64_t s = 0; s < m.states; s++) alpha[s] = s < 2 ? m.step(0)[m.label(s)] : none;
  for (int64_t t = 1; t < m.steps; t++) {
    const T* before = alpha + (t - 1) * m.width;
    T* now = alpha + t * m.width;
    const T* lp = m.step(t);
    for (int64_t s = 0; s < m.states; s++) {
      T v = before[s];
      if (s >= 1) v = log_add(v, before[s - 1]);
      if (m.skips(s)) v = log_add(v, before[s - 2]);
      now[s] = v + lp[m.label(s)];
    }
  }
  const T* end = alpha + (m.steps - 1) * m.width;
  T total = end[m.states - 1];
  if (m.states > 1) total = log_add(total, end[m.states - 2]);
  return -total;
}

template <class T>
void backward_sample(const Sample<T>& m, T loss, const T* alpha, T scale, T* beta, T* dx) {
  const T none = T(-__builtin_inf());
  const int64_t row = m.a.n * m.a.classes;
  for (int64_t t = m.steps - 1; t >= 0; t--) {
    const T* lp = m.step(t);
    T *now = beta + t % 2 * m.width, *next = beta + (t + 1) % 2 * m.width;
    T* d = dx + t * row;
    for (int64_t k = 0; k < m.a.classes; k++) d[k] = none;
    for (int64_t s = m.states - 1; s >= 0; s--) {
      T v = none;
      if (t == m.steps - 1) {
        if (s >= m.states - 2) v = T(0);
      } else {
        v = next[s];
        if (s + 1 < m.states) v = log_add(v, next[s + 1]);
        if (s + 2 < m.states && m.skips(s + 2)) v = log_add(v, next[s + 2]);
      }
      const int64_t k = m.label(s);
      now[s] = v + lp[k];
      // alpha and beta both hold lp(t, k).
      const T both = alpha[t * m.width + s] + now[s];
      d[k] = log_add(d[k], both);
    }
    for (int64_t k = 0; k < m.a.classes; k++)
      d[k] = (fn::exp(lp[k]) - (d[k] == none ? T(0) : fn::exp(d[k] + loss - lp[k]))) * scale;
  }
}

template <class T>
void backward(const CtcArgs& a, const T* loss, const T* alpha, const T* scale, bool zero_infinity,
              T* beta, T* dx) {
  const int64_t width = 2 * a.longest + 1;
  parallel_for(a.n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const Sample<T> m(a, i);
      T* d = dx + i * a.classes;
      const bool hopeless = zero_infinity && loss[i] == T(__builtin_inf());
      for (int64_t t = hopeless ? 0 : m.steps; t < a.steps; t++)
        for (int64_t k = 0; k < a.classes; k++) d[t * a.n * a.classes + k] = 0;
      if (!hopeless)
        backward_sample(m, loss[i], alpha + i * a.steps * width, scale[i], beta + i * 2 * width, d);
    }
  });
}

}  // namespace

void ctc_forward(const CtcArgs& args, void* loss, void* alpha) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const int64_t size = args.steps * (2 * args.longest + 1);
    parallel_for(args.n, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++)
        static_cast<T*>(loss)[i] =
            forward_sample(Sample<T>(args, i), static_cast<T*>(alpha) + i * size);
    });
  })
}

void ctc_backward(const CtcArgs& args, const void* loss, const void* alpha, const void* scale,
                  bool zero_infinity, void* beta, void* dx) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    backward(args, static_cast<const T*>(loss), static_cast<const T*>(alpha),
             static_cast<const T*>(scale), zero_infinity, static_cast<T*>(beta),
             static_cast<T*>(dx));
  })
}

}  // namespace mt::cpu::MT_ISA
