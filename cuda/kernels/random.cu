// Distributions over Philox words. Box-Muller for normals: two words give two numbers,
// sqrt(-2 log u) * (cos, sin)(2 pi v). One write per element; a thread draws the words of one
// counter.
#include "ops/random.h"

#include "cuda/core/vec.h"
#include "cuda/kernels/random_words.cuh"
#include "kernels/random_laws.h"

namespace mt::cuda {
namespace {

// u * range + a, rounded twice as on the CPU.
template <class T>
__device__ __forceinline__ T stretched(T u, T range, T a) {
#if defined(__CUDA_ARCH__)
  if constexpr (__is_same(T, float)) return __fadd_rn(__fmul_rn(u, range), a);
  else return __dadd_rn(__dmul_rn(u, range), a);
#else
  return u * range + a;
#endif
}

// Uniform numbers of as many bits as T's mantissa holds, so that none rounds up to 1.
template <class T>
__device__ __forceinline__ float unit(uint32_t u) {
  constexpr int bits = __is_same(T, float16) ? 11 : __is_same(T, bfloat16) ? 8 : 24;
  return float(u >> (32 - bits)) * (1.0f / float(1 << bits));
}

template <class T>
__device__ __forceinline__ T law(RandomOp op, T u, T a, T b) {
  return op == RandomOp::exponential ? fn::Exponential::from(u, a, b)
         : op == RandomOp::geometric ? fn::Geometric::from(u, a, b)
                                     : fn::Cauchy::from(u, a, b);
}

// Two normals of a length's and an angle's words; the angle in units of pi.
__device__ __forceinline__ void box_muller(float u, float angle, float* x, float* y) {
  const float r = sqrtf(-2.0f * logf(u));
  float s, c;
  sincospif(angle, &s, &c);
  *x = r * c;
  *y = r * s;
}

__device__ __forceinline__ void draw(RandomOp op, const Philox4& w, float a, float b,
                                     float (&v)[4]) {
  if (op == RandomOp::normal || op == RandomOp::log_normal) {
#pragma unroll
    for (int half = 0; half < 4; half += 2) {
      const float angle = float(int32_t(w.v[half + 1])) * 0x1p-31f;
      box_muller(fn::open_unit(w.v[half]), angle, &v[half], &v[half + 1]);
    }
#pragma unroll
    for (int k = 0; k < 4; k++) {
      v[k] = v[k] * b + a;
      if (op == RandomOp::log_normal) v[k] = expf(v[k]);
    }
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; k++) v[k] = law(op, fn::open_unit(w.v[k]), a, b);
}

__device__ __forceinline__ void draw(RandomOp op, const Philox4& w, double a, double b,
                                     double (&v)[2]) {
  if (op == RandomOp::uniform) {
    v[0] = stretched(uniform_double(w.v[0], w.v[1]), b - a, a);
    v[1] = stretched(uniform_double(w.v[2], w.v[3]), b - a, a);
    return;
  }
  const double u = fn::open_unit(w.v[0], w.v[1]), u2 = fn::open_unit(w.v[2], w.v[3]);
  if (op == RandomOp::normal || op == RandomOp::log_normal) {
    const double r = sqrt(-2.0 * log(u)), angle = 6.283185307179586 * u2;
    v[0] = r * cos(angle) * b + a;
    v[1] = r * sin(angle) * b + a;
    if (op == RandomOp::log_normal) v[0] = exp(v[0]), v[1] = exp(v[1]);
    return;
  }
  v[0] = law(op, u, a, b);
  v[1] = law(op, u2, a, b);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    fill_kernel(RandomOp op, T* y, int64_t n, int64_t counters, uint64_t seed, uint64_t offset,
                compute_t<T> a, compute_t<T> b) {
  resolve_place(&seed, &offset);
  constexpr bool wide = __is_same(T, double);
  constexpr int count = wide ? 2 : 4;
  for (int64_t c = thread_index(); c < counters; c += thread_count()) {
    const Philox4 words = philox(seed, offset + uint64_t(c));
    compute_t<T> v[count];
    bool done = false;
    if constexpr (!wide) {
      if (op == RandomOp::uniform) {
        const float range = b - a;
#pragma unroll
        for (int k = 0; k < 4; k++) v[k] = stretched(unit<T>(words.v[k]), range, a);
        done = true;
      }
    }
    if (!done) draw(op, words, a, b, v);
#pragma unroll
    for (int k = 0; k < count; k++) {
      const int64_t i = element_of(c, k, wide);
      if (i < n) y[i] = store_as<T>(v[k]);
    }
  }
}

__global__ void write_place_kernel(uint64_t* place, uint64_t seed, uint64_t offset) {
  place[0] = seed;
  place[1] = offset;
}

}  // namespace

// The values are arguments of the launch, so the host need not wait, and replays that are queued
// one after the other each read their own.
void write_place(uint64_t* place, uint64_t seed, uint64_t offset) {
  MT_LAUNCH(write_place_kernel, 1, 1, 0, stream(), place, seed, offset);
}

void random_fill(RandomOp op, DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset,
                 double a, double b) {
  if (n == 0) return;
  MT_SWITCH_FLOAT_HALF(dtype, {
    using C = compute_t<scalar_t>;
    const int64_t counters = counters_of(n, __is_same(scalar_t, double));
    MT_LAUNCH((fill_kernel<scalar_t>), grid_for(counters, kThreads), kThreads, 0, stream(), op,
              static_cast<scalar_t*>(y), n, counters, seed, offset, C(a), C(b));
  })
}

}  // namespace mt::cuda
