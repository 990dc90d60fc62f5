// Connectionist temporal classification (Graves et al., ICML 2006), in logarithms; the formulas are
// in csrc/kernels/ctc.cpp. A block per sample: its threads take the states of a step, and the steps
// follow each other. The gradient of a label that has several states is added up along the chain of
// its places, in order; that of the blank by the whole block.
#include "ops/ctc.h"

#include "cuda/core/launch.h"
#include "cuda/core/reduce.h"
#include "cuda/core/scratch.h"
#include "kernels/ctc_math.h"

namespace mt::cuda {
namespace {

template <class T>
using Sample = fn::CtcSample<T>;

template <class T>
MT_INLINE T infinity() {
  return T(__builtin_inf());
}

struct LogAdd {
  template <class T>
  MT_INLINE T operator()(T a, T b) const {
    return fn::log_add(a, b);
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads)
    ctc_forward_kernel(const CtcArgs args, T* loss, T* alpha) {
  const Sample<T> m(args, blockIdx.x);
  const int t0 = int(threadIdx.x), threads = int(blockDim.x);
  alpha += m.i * args.steps * m.width;
  if (m.steps == 0) {
    if (t0 == 0) loss[m.i] = m.labels == 0 ? T(0) : infinity<T>();
    return;
  }
  for (int64_t s = t0; s < m.states; s += threads)
    alpha[s] = s < 2 ? m.step(0)[m.label(s)] : -infinity<T>();
  for (int64_t t = 1; t < m.steps; t++) {
    __syncthreads();
    const T* before = alpha + (t - 1) * m.width;
    T* now = alpha + t * m.width;
    const T* lp = m.step(t);
    for (int64_t s = t0; s < m.states; s += threads) {
      T v = before[s];
      if (s >= 1) v = fn::log_add(v, before[s - 1]);
      if (m.skips(s)) v = fn::log_add(v, before[s - 2]);
      now[s] = v + lp[m.label(s)];
    }
  }
  __syncthreads();
  if (t0 != 0) return;
  const T* end = alpha + (m.steps - 1) * m.width;
  T total = end[m.states - 1];
  if (m.states > 1) total = fn::log_add(total, end[m.states - 2]);
  loss[m.i] = -total;
}

// Scratch memory of a sample.
template <class T>
struct Work {
  T* both;    // [width]: alpha + beta of a step's states
  int* next;  // [longest]: the next place of the same label, or -1
  int* head;  // [longest]: whether there is none before
};

// next and head of this thread's labels.
template <class T>
__device__ void link_labels(const Sample<T>& m, const Work<T>& work) {
  for (int j = int(threadIdx.x); j < m.labels; j += int(blockDim.x)) {
    int next = -1, head = 1;
    for (int k = int(m.labels) - 1; k > j; k--)
      if (m.target[k] == m.target[j]) next = k;
    for (int k = 0; k < j; k++)
      if (m.target[k] == m.target[j]) head = 0;
    work.next[j] = next;
    work.head[j] = head;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2)
    ctc_backward_kernel(const CtcArgs args, const T* losses, const T* alpha, const T* scales,
                        bool zero_infinity, T* beta, T* boths, int* links, T* dx) {
  const Sample<T> m(args, blockIdx.x);
  const int t0 = int(threadIdx.x), threads = int(blockDim.x);
  const T loss = losses[m.i], scale = scales[m.i], none = -infinity<T>();
  const int64_t row = args.n * args.classes;
  const Work<T> work{boths + m.i * m.width, links + m.i * 2 * args.longest,
                     links + (m.i * 2 + 1) * args.longest};
  alpha += m.i * args.steps * m.width;
  beta += m.i * 2 * m.width;
  dx += m.i * args.classes;
  const bool hopeless = zero_infinity && loss == infinity<T>();
  for (int64_t t = hopeless ? 0 : m.steps; t < args.steps; t++)
    for (int64_t k = t0; k < args.classes; k += threads) dx[t * row + k] = 0;
  if (hopeless) return;
  link_labels(m, work);
  const auto gradient = [&](T lp, T sum) {
    return (fn::exp(lp) - (sum == none ? T(0) : fn::exp(sum + loss - lp))) * scale;
  };
  for (int64_t t = m.steps - 1; t >= 0; t--) {
    const T* lp = m.step(t);
    T *now = beta + t % 2 * m.width, *next = beta + (t + 1) % 2 * m.width, *d = dx + t * row;
    T blanks = none;
    for (int64_t s = t0; s < m.states; s += threads) {
      T v = none;
      if (t == m.steps - 1) {
        if (s >= m.states - 2) v = T(0);
      } else {
        v = next[s];
        if (s + 1 < m.states) v = fn::log_add(v, next[s + 1]);
        if (s + 2 < m.states && m.skips(s + 2)) v = fn::log_add(v, next[s + 2]);
      }
      const int64_t k = m.label(s);
      now[s] = v + lp[k];
      const T both = alpha[t * m.width + s] + now[s];  // both hold lp(t, k)
      work.both[s] = both;
      if (k == args.blank) blanks = fn::log_add(blanks, both);
    }
    for (int64_t k = t0; k < args.classes; k += threads) d[k] = gradient(lp[k], none);
    blanks = block_reduce(blanks, none, LogAdd{});
    __syncthreads();
    for (int64_t j = t0; j < m.labels; j += threads) {
      if (!work.head[j] || m.target[j] == args.blank) continue;
      T sum = none;
      for (int64_t k = j; k >= 0; k = work.next[k]) sum = fn::log_add(sum, work.both[2 * k + 1]);
      d[m.target[j]] = gradient(lp[m.target[j]], sum);
    }
    if (t0 == 0) d[args.blank] = gradient(lp[args.blank], blanks);
    __syncthreads();
  }
}

// Threads for the wider of states and classes, whole warps.
int threads_for(const CtcArgs& a) {
  const int64_t wide = 2 * a.longest + 1 > a.classes ? 2 * a.longest + 1 : a.classes;
  const int64_t warps = ceil_div(wide, kWarp);
  return int(warps * kWarp < kThreads ? warps * kWarp : kThreads);
}

}  // namespace

void ctc_forward(const CtcArgs& args, void* loss, void* alpha) {
  if (args.n == 0) return;
  MT_SWITCH_FLOAT(
      args.dtype,
      MT_LAUNCH((ctc_forward_kernel<scalar_t>), unsigned(args.n), threads_for(args), 0, stream(),
                args, static_cast<scalar_t*>(loss), static_cast<scalar_t*>(alpha)))
}

void ctc_backward(const CtcArgs& args, const void* loss, const void* alpha, const void* scale,
                  bool zero_infinity, void* beta, void* dx) {
  if (args.n == 0) return;
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    const Scratch both(size_t(args.n * (2 * args.longest + 1)) * sizeof(T));
    const Scratch links(size_t(args.n * 2 * args.longest + 1) * sizeof(int));
    MT_LAUNCH((ctc_backward_kernel<T>), unsigned(args.n), threads_for(args), 0, stream(), args,
              static_cast<const T*>(loss), static_cast<const T*>(alpha),
              static_cast<const T*>(scale), zero_infinity, static_cast<T*>(beta), both.as<T>(),
              links.as<int>(), static_cast<T*>(dx));
  })
}

}  // namespace mt::cuda
