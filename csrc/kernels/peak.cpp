// The roofs of the roofline, per instruction set. peak_fma keeps 12 independent chains of
// multiply-adds, enough for the latency of two pipes; it touches no memory. peak_stream moves 4n
// bytes in (read) or 4n in and 4n out (copy, stream) with full vectors. Single-threaded: the caller
// runs one per thread.
#include "ops/peak.h"

#include "kernels/vector_bytes.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mt::cpu::MT_ISA {
namespace {

constexpr int kLanes = kVectorBytes / 4;
constexpr int kChains = 12;
typedef float vec __attribute__((vector_size(kVectorBytes)));

MT_INLINE void store_past_caches(float* y, vec v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(y, (__m512)v);
#elif defined(__AVX__)
  _mm256_stream_ps(y, (__m256)v);
#elif defined(__x86_64__)
  _mm_stream_ps(y, (__m128)v);
#else
  *reinterpret_cast<vec*>(y) = v;
#endif
}

MT_INLINE float sum_lanes(vec v) {
  float sum = 0;
  for (int i = 0; i < kLanes; i++) sum += v[i];
  return sum;
}

}  // namespace

float peak_fma(int64_t rounds, double* flops) {
  vec chain[kChains], a = {}, b = {};
  a += 0.999f;
  b += 0.001f;
  __asm__ volatile("" : "+m"(a), "+m"(b));  // the compiler may not know the values
  for (int i = 0; i < kChains; i++) chain[i] = a + float(i);
  const vec scale = a, shift = b;
  for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 12
    for (int i = 0; i < kChains; i++) chain[i] = chain[i] * scale + shift;
  }
  vec sum = chain[0];
  for (int i = 1; i < kChains; i++) sum += chain[i];
  *flops += double(rounds) * kChains * kLanes * 2;
  return sum_lanes(sum);
}

float peak_stream(StreamKind kind, const float* x, float* y, int64_t n, int64_t repeats) {
  constexpr int unroll = 8;
  constexpr int64_t step = unroll * kLanes;
  vec sums[unroll] = {};
  for (int64_t r = 0; r < repeats; r++) {
    if (kind == StreamKind::read) {
      for (int64_t i = 0; i < n; i += step)
#pragma GCC unroll 8
        for (int u = 0; u < unroll; u++)
          sums[u] += *reinterpret_cast<const vec*>(x + i + u * kLanes);
    } else if (kind == StreamKind::copy) {
      for (int64_t i = 0; i < n; i += step)
#pragma GCC unroll 8
        for (int u = 0; u < unroll; u++)
          *reinterpret_cast<vec*>(y + i + u * kLanes) =
              *reinterpret_cast<const vec*>(x + i + u * kLanes);
    } else {
      for (int64_t i = 0; i < n; i += step)
#pragma GCC unroll 8
        for (int u = 0; u < unroll; u++)
          store_past_caches(y + i + u * kLanes, *reinterpret_cast<const vec*>(x + i + u * kLanes));
    }
    __asm__ volatile("" : : "r"(x), "r"(y) : "memory");  // every repeat happens
  }
  vec sum = sums[0];
  for (int u = 1; u < unroll; u++) sum += sums[u];
  return sum_lanes(sum);
}

}  // namespace mt::cpu::MT_ISA
