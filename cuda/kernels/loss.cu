// y = f(x, t), or its sum or mean; dx = dy * f'(x, t): one pair of kernels per line of
// csrc/ops/loss.h and type.
// Sums: every thread adds its elements in double, every block its threads, and a last block the
// blocks; which elements a thread has depends on n only. Two reads per element forward, two reads
// and one write backward.
#include "ops/loss.h"

#include "cuda/core/index_error.h"
#include "cuda/core/launch.h"
#include "cuda/core/scratch.h"
#include "kernels/loss_math.h"

namespace mt::cuda {
namespace {

using namespace fn::loss;

constexpr unsigned kAll = 0xffffffffu;
constexpr int kWarps = kThreads / 32;
constexpr int64_t kMaxBlocks = 1024, kPerBlock = 8 * kThreads;

// LossArgs as the kernels take them.
template <class T>
struct Operands {
  const T *x, *t, *w, *q;
  T parameter;
  int64_t n;
  IndexErrors* errors = nullptr;  // where binary_cross_entropy reports an x outside of [0, 1]

  explicit Operands(const LossArgs& a)
      : x(static_cast<const T*>(a.x)),
        t(static_cast<const T*>(a.t)),
        w(static_cast<const T*>(a.weight)),
        q(static_cast<const T*>(a.positive)),
        parameter(T(a.parameter)),
        n(a.n) {
    if (a.op == LossOp::binary_cross_entropy) errors = index_errors();
  }
};

#define MT_FUNCTORS_(name, value, derivative)                \
  template <class T>                                         \
  struct name##_f {                                          \
    __device__ T operator()(T x, T t, T d, T p, T q) const { \
      (void)x, (void)t, (void)d, (void)p, (void)q;           \
      return value;                                          \
    }                                                        \
  };                                                         \
  template <class T>                                         \
  struct name##_b {                                          \
    __device__ T operator()(T x, T t, T d, T p, T q) const { \
      (void)x, (void)t, (void)d, (void)p, (void)q;           \
      return derivative;                                     \
    }                                                        \
  };
MT_LOSS_OPS(MT_FUNCTORS_)

template <class T, class F>
__device__ __forceinline__ T element(const Operands<T>& a, int64_t i, const F& f) {
  const T x = a.x[i], t = a.t[i];
  const T v = f(x, t, x - t, a.parameter, a.q ? a.q[i] : T(1));
  return a.w ? v * a.w[i] : v;
}

// The same of the forward pass, which looks at the range.
template <class T, class F>
__device__ __forceinline__ T checked_element(const Operands<T>& a, int64_t i, const F& f) {
  if constexpr (__is_same(F, binary_cross_entropy_f<T>))
    if (!(a.x[i] >= T(0) && a.x[i] <= T(1)))
      report_index(a.errors, IndexOp::binary_cross_entropy, i, a.n);
  return element(a, i, f);
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads, 4) each_kernel(const Operands<T> a, T* y, const F f) {
  for (int64_t i = thread_index(); i < a.n; i += thread_count()) y[i] = checked_element(a, i, f);
}

// The sum of a block's values, in its first thread.
__device__ __forceinline__ double block_sum(double v) {
  MT_SHARED(double, warps, kWarps);
  for (int step = 16; step; step /= 2) v += __shfl_xor_sync(kAll, v, step);
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = v;
  __syncthreads();
  v = 0;
  for (int w = 0; w < kWarps; w++) {
    const double part = warps[w];
    v += part;
  }
  return v;
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads, 4)
    sum_kernel(const Operands<T> a, double* partial, const F f) {
  double sum = 0;
  for (int64_t i = thread_index(); i < a.n; i += thread_count())
    sum += double(checked_element(a, i, f));
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    total_kernel(const double* partial, int count, double divisor, T* y) {
  double sum = 0;
  for (int i = threadIdx.x; i < count; i += kThreads) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) *y = T(sum / divisor);
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads, 4)
    backward_kernel(const Operands<T> a, const T* dy, bool each, double scale, T* dx, const F f) {
  const T g = each ? T(1) : T(double(*dy) * scale);
  for (int64_t i = thread_index(); i < a.n; i += thread_count())
    dx[i] = element(a, i, f) * (each ? dy[i] : g);
}

template <class T, class F>
void forward(const LossArgs& args, T* y, const F& f) {
  const Operands<T> a(args);
  if (args.reduction == Reduction::none) {
    MT_LAUNCH((each_kernel<T, F>), grid_for(a.n, kThreads), kThreads, 0, stream(), a, y, f);
    return;
  }
  const unsigned blocks = grid_for(a.n, kPerBlock, kMaxBlocks);
  const Scratch partial(blocks * sizeof(double));
  MT_LAUNCH((sum_kernel<T, F>), blocks, kThreads, 0, stream(), a, partial.as<double>(), f);
  MT_LAUNCH((total_kernel<T>), 1, kThreads, 0, stream(), partial.as<double>(), int(blocks),
            args.reduction == Reduction::mean ? double(a.n) : 1.0, y);
}

template <class T, class F>
void backward(const LossArgs& args, const T* dy, T* dx, const F& f) {
  if (args.n == 0) return;
  MT_LAUNCH((backward_kernel<T, F>), grid_for(args.n, kThreads), kThreads, 0, stream(),
            Operands<T>(args), dy, args.reduction == Reduction::none,
            args.reduction == Reduction::mean ? 1.0 / double(args.n) : 1.0, dx, f);
}

}  // namespace

#define MT_FORWARD_(name, ...)                             \
  case LossOp::name:                                       \
    forward<T>(args, static_cast<T*>(out), name##_f<T>{}); \
    break;
#define MT_BACKWARD_(name, ...) \
  case LossOp::name:            \
    return backward<T>(args, static_cast<const T*>(dy), static_cast<T*>(dx), name##_b<T>{});

void loss_forward(const LossArgs& args, void* out, bool*) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    switch (args.op) { MT_LOSS_OPS(MT_FORWARD_) }
  })
}

void loss_backward(const LossArgs& args, const void* dy, void* dx) {
  MT_SWITCH_FLOAT(args.dtype, {
    using T = scalar_t;
    switch (args.op) { MT_LOSS_OPS(MT_BACKWARD_) }
  })
}

}  // namespace mt::cuda
