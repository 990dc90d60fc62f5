// Philox in groups of 16 counters, so that its integer multiplications vectorise; then the
// distribution's formula on the 64 numbers of a group. Bound by arithmetic: about 60 integer
// operations per four numbers, and a logarithm, a square root and a sine for every two normal ones.
#include "ops/random.h"

#include "core/parallel.h"
#include "core/random.h"
#include "kernels/elementwise.h"
#include "kernels/math.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int kLanes = 16;
constexpr int kNumbers = 4 * kLanes;

// out[4 * lane + k] = number k of counter first + lane.
MT_INLINE void philox_group(uint64_t seed, uint64_t first, uint32_t* __restrict out) {
  uint32_t c0[kLanes], c1[kLanes], c2[kLanes], c3[kLanes];
  for (int l = 0; l < kLanes; l++) {
    uint64_t counter = first + uint64_t(l);
    c0[l] = uint32_t(counter);
    c1[l] = uint32_t(counter >> 32);
    c2[l] = c3[l] = 0;
  }
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; round++) {
    for (int l = 0; l < kLanes; l++) {
      uint64_t p0 = uint64_t(0xD2511F53u) * c0[l], p1 = uint64_t(0xCD9E8D57u) * c2[l];
      uint32_t a = uint32_t(p1 >> 32) ^ c1[l] ^ k0, b = uint32_t(p0 >> 32) ^ c3[l] ^ k1;
      c1[l] = uint32_t(p1);
      c3[l] = uint32_t(p0);
      c0[l] = a;
      c2[l] = b;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int l = 0; l < kLanes; l++) {
    out[4 * l] = c0[l];
    out[4 * l + 1] = c1[l];
    out[4 * l + 2] = c2[l];
    out[4 * l + 3] = c3[l];
  }
}

// Uniform numbers in [0, 1): 64 floats or 32 doubles of a group.
MT_INLINE void uniforms(const uint32_t* bits, float* u) {
  for (int i = 0; i < kNumbers; i++) u[i] = float(int32_t(bits[i] >> 8)) * 0x1p-24f;
}
MT_INLINE void uniforms(const uint32_t* bits, double* u) {
  for (int i = 0; i < kNumbers / 2; i++) u[i] = uniform_double(bits[2 * i], bits[2 * i + 1]);
}
template <class T> constexpr int per_group() { return sizeof(T) == 8 ? kNumbers / 2 : kNumbers; }

// sin and cos of 2 pi u: the quarter turn is exact, the rest is at most pi / 4.
MT_INLINE void sincos_turns(float u, float* s, float* c) {
  float t = 4.0f * u;
  int32_t q = int32_t(t + 0.5f);
  float r = (t - float(q)) * 1.57079632679f;
  float z = r * r;
  float ps = ((-1.9515295891e-4f * z + 8.3321608736e-3f) * z - 1.6666654611e-1f) * z * r + r;
  float pc = ((2.443315711809948e-5f * z - 1.388731625493765e-3f) * z + 4.166664568298827e-2f) * z * z -
             0.5f * z + 1.0f;
  bool swap = q & 1;
  float sine = swap ? pc : ps, cosine = swap ? ps : pc;
  *s = (q & 2) ? -sine : sine;
  *c = ((q + 1) & 2) ? -cosine : cosine;
}
MT_INLINE void sincos_turns(double u, double* s, double* c) {
  *s = __builtin_sin(6.283185307179586477 * u);
  *c = __builtin_cos(6.283185307179586477 * u);
}

// Box-Muller on the pairs (u[i], u[i + half]); 1 - u is in (0, 1], where the logarithm is finite.
template <class T> MT_INLINE void normals(const T* u, T* z) {
  constexpr int half = per_group<T>() / 2;
  for (int i = 0; i < half; i++) {
    T radius = fn::sqrt(T(-2) * fn::log(T(1) - u[i]));
    T s, c;
    sincos_turns(u[i + half], &s, &c);
    z[i] = radius * c;
    z[i + half] = radius * s;
  }
}

// make(bits, values): the values of one group.
template <class S, class T, class F>
void fill_groups(S* y, int64_t n, uint64_t seed, uint64_t offset, const F& make) {
  constexpr int64_t size = per_group<T>();
  parallel_for(ceil_div(n, size), 256, [&](int64_t begin, int64_t end) {
    uint32_t bits[kNumbers];
    T values[size];
    for (int64_t g = begin; g < end; g++) {
      philox_group(seed, offset + uint64_t(g) * kLanes, bits);
      make(bits, values);
      int64_t first = g * size, count = n - first < size ? n - first : size;
      for (int64_t i = 0; i < count; i++) y[first + i] = store_as<S>(values[i]);
    }
  });
}

template <class S>
void fill_typed(Distribution kind, S* y, int64_t n, uint64_t seed, uint64_t offset, double pa, double pb) {
  using T = compute_t<S>;
  constexpr int size = per_group<T>();
  const T a = T(pa), b = T(pb);
  switch (kind) {
#define MT_RUN_(name, formula)                                                              \
  case Distribution::name:                                                                  \
    return fill_groups<S, T>(y, n, seed, offset, [a, b](const uint32_t* bits, T* values) {  \
      T us[size];                                                                           \
      uniforms(bits, us);                                                                   \
      (void)a, (void)b;                                                                     \
      for (int i = 0; i < size; i++) {                                                      \
        T u = us[i];                                                                        \
        values[i] = formula;                                                                \
      }                                                                                     \
    });
    MT_DISTRIBUTIONS(MT_RUN_)
#undef MT_RUN_
    case Distribution::normal:
    case Distribution::log_normal: {
      bool exponentiate = kind == Distribution::log_normal;
      return fill_groups<S, T>(y, n, seed, offset, [=](const uint32_t* bits, T* values) {
        T us[size];
        uniforms(bits, us);
        normals<T>(us, values);
        for (int i = 0; i < size; i++) values[i] = a + b * values[i];
        if (exponentiate)
          for (int i = 0; i < size; i++) values[i] = fn::exp(values[i]);
      });
    }
  }
}

}  // namespace

void random_fill(Distribution kind, DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset, double a,
                 double b) {
  MT_SWITCH_FLOAT_HALF(dtype, fill_typed(kind, static_cast<scalar_t*>(y), n, seed, offset, a, b))
}

// A 64-bit number per element; the high half of its product with the range is unbiased to 2^-64.
void random_integers(DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset, int64_t low,
                     uint64_t range) {
  parallel_for(ceil_div(n, kNumbers / 2), 256, [&](int64_t begin, int64_t end) {
    uint32_t bits[kNumbers];
    for (int64_t g = begin; g < end; g++) {
      philox_group(seed, offset + uint64_t(g) * kLanes, bits);
      int64_t first = g * (kNumbers / 2), count = n - first < kNumbers / 2 ? n - first : kNumbers / 2;
      MT_SWITCH_ALL(dtype, {
        auto* out = static_cast<scalar_t*>(y) + first;
        for (int64_t i = 0; i < count; i++) {
          uint64_t u = uint64_t(bits[2 * i]) << 32 | bits[2 * i + 1];
          uint64_t v = range ? uint64_t((unsigned __int128)u * range >> 64) : u;
          out[i] = store_as<scalar_t>(compute_t<scalar_t>(int64_t(uint64_t(low) + v)));
        }
      })
    }
  });
}

void random_permutation(int64_t* y, int64_t n, uint64_t seed, uint64_t offset) {
  for (int64_t i = 0; i < n; i++) y[i] = i;
  Philox4 four{};
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t k = n - 1 - i;
    if (k % 2 == 0) four = philox(seed, offset + uint64_t(k / 2));
    uint64_t u = uint64_t(four.v[2 * (k % 2)]) << 32 | four.v[2 * (k % 2) + 1];
    int64_t j = int64_t((unsigned __int128)u * uint64_t(i + 1) >> 64);
    int64_t swap = y[i];
    y[i] = y[j];
    y[j] = swap;
  }
}

}  // namespace mt::cpu::MT_ISA
