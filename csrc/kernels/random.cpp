// Distributions over Philox words. Box-Muller for normals: two words give two numbers,
// sqrt(-2 log u) * (cos, sin)(2 pi v). About 160 vector instructions per 64 words besides the
// transformation; threads take whole groups.
//
// Without contraction to FMA, so that every instruction set rounds alike.
#pragma GCC optimize("fp-contract=off")
#include "ops/random.h"

#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "kernels/random_laws.h"
#include "kernels/random_words.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kGroup = 4 * kLanes;

// sin and cos of pi * t, |t| <= 1, from polynomials on [-1/4, 1/4].
MT_INLINE void sincos_pi(float t, float* s, float* c) {
  float q = fn::nearbyint(t * 2.0f);
  float r = t - q * 0.5f;
  float z = r * r;
  float sp = fn::horner(z, 3.141592654f, -5.167712769f, 2.550162642f, -5.992019101e-01f,
                        8.100003472e-02f) *
             r;
  float cp = fn::horner(z, 1.0f, -4.934802200f, 4.058712116f, -1.335262014f, 2.353063912e-01f,
                        -2.545305971e-02f);
  int32_t k = int32_t(q);
  float a = k & 1 ? cp : sp, b = k & 1 ? sp : cp;
  *s = k & 2 ? -a : a;
  *c = (k + 1) & 2 ? -b : b;
}

// emit(values, n) for consecutive groups of 64 (float) or 32 (double) values.
template <class T, class Make, class Store>
MT_INLINE void groups(int64_t n, uint64_t seed, uint64_t offset, const Make& make,
                      const Store& store) {
  constexpr int64_t size = sizeof(T) == 8 ? kGroup / 2 : kGroup;
  int64_t count = ceil_div(n, size);
  parallel_for(count, kGrain / 2 / size, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; g++) {
      Words w;
      alignas(64) T values[size];
      philox16(seed, offset + uint64_t(g) * kLanes, w);
      make(w, values);
      store(g * size, values, n - g * size < size ? n - g * size : size);
    }
  });
}

template <class T>
MT_INLINE void store_values(void* y, int64_t begin, const compute_t<T>* v, int64_t n) {
  T* to = static_cast<T*>(y) + begin;
  if constexpr (sizeof(T) == sizeof(compute_t<T>)) {
    __builtin_memcpy(to, v, size_t(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; i++) to[i] = store_as<T>(v[i]);
  }
}

// Uniform numbers of as many bits as T's mantissa holds, so that none rounds up to 1.
template <class T>
MT_INLINE float unit(uint32_t u) {
  constexpr int bits = __is_same(T, float16) ? 11 : __is_same(T, bfloat16) ? 8 : 24;
  return float(u >> (32 - bits)) * (1.0f / float(1 << bits));
}

template <class Law, class T>
void from_unit(void* y, int64_t n, uint64_t seed, uint64_t offset, float a, float b) {
  groups<float>(
      n, seed, offset,
      [=](const Words& w, float* v) {
        for (int k = 0; k < kGroup; k++) v[k] = Law::from(fn::open_unit((&w.v[0][0])[k]), a, b);
      },
      [&](int64_t begin, const float* v, int64_t m) { store_values<T>(y, begin, v, m); });
}

template <class T>
void fill_float(RandomOp op, void* y, int64_t n, uint64_t seed, uint64_t offset, float a, float b) {
  auto store = [&](int64_t begin, const float* v, int64_t m) { store_values<T>(y, begin, v, m); };
  if (op == RandomOp::uniform) {
    float range = b - a;
    groups<float>(
        n, seed, offset,
        [=](const Words& w, float* v) {
          for (int k = 0; k < kGroup; k++) v[k] = unit<T>((&w.v[0][0])[k]) * range + a;
        },
        store);
  } else if (op == RandomOp::normal || op == RandomOp::log_normal) {
    bool log_normal = op == RandomOp::log_normal;
    groups<float>(
        n, seed, offset,
        [=](const Words& w, float* v) {
          for (int half = 0; half < 2; half++) {
            const uint32_t *first = w.v[2 * half], *second = w.v[2 * half + 1];
            float *x = v + half * 2 * kLanes, *y2 = x + kLanes;
            for (int l = 0; l < kLanes; l++) {
              float s, c;
              float r = fn::sqrt(-2.0f * fn::log(fn::open_unit(first[l])));
              sincos_pi(float(int32_t(second[l])) * 0x1p-31f, &s, &c);
              x[l] = r * c * b + a;
              y2[l] = r * s * b + a;
            }
          }
          if (log_normal)
            for (int k = 0; k < kGroup; k++) v[k] = fn::exp(v[k]);
        },
        store);
  } else if (op == RandomOp::exponential) {
    from_unit<fn::Exponential, T>(y, n, seed, offset, a, b);
  } else if (op == RandomOp::geometric) {
    from_unit<fn::Geometric, T>(y, n, seed, offset, a, b);
  } else {
    from_unit<fn::Cauchy, T>(y, n, seed, offset, a, b);
  }
}

void fill_double(RandomOp op, void* y, int64_t n, uint64_t seed, uint64_t offset, double a,
                 double b) {
  auto store = [&](int64_t begin, const double* v, int64_t m) {
    store_values<double>(y, begin, v, m);
  };
  groups<double>(
      n, seed, offset,
      [=](const Words& w, double* v) {
        for (int l = 0; l < kLanes; l++) {
          double *x = v + l, *x2 = v + kLanes + l;
          if (op == RandomOp::uniform) {
            *x = uniform_double(w.v[0][l], w.v[1][l]) * (b - a) + a;
            *x2 = uniform_double(w.v[2][l], w.v[3][l]) * (b - a) + a;
            continue;
          }
          double u = fn::open_unit(w.v[0][l], w.v[1][l]), u2 = fn::open_unit(w.v[2][l], w.v[3][l]);
          if (op == RandomOp::normal || op == RandomOp::log_normal) {
            double r = fn::sqrt(-2.0 * fn::log(u)), angle = 6.283185307179586 * u2;
            *x = r * fn::cos(angle) * b + a;
            *x2 = r * fn::sin(angle) * b + a;
            if (op == RandomOp::log_normal) *x = fn::exp(*x), *x2 = fn::exp(*x2);
          } else {
            auto law = [&](double v) {
              return op == RandomOp::exponential ? fn::Exponential::from(v, a, b)
                     : op == RandomOp::geometric ? fn::Geometric::from(v, a, b)
                                                 : fn::Cauchy::from(v, a, b);
            };
            *x = law(u);
            *x2 = law(u2);
          }
        }
      },
      store);
}

}  // namespace

void random_fill(RandomOp op, DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset,
                 double a, double b) {
  switch (dtype) {
    case DType::Float64:
      return fill_double(op, y, n, seed, offset, a, b);
    case DType::Float16:
      return fill_float<float16>(op, y, n, seed, offset, float(a), float(b));
    case DType::BFloat16:
      return fill_float<bfloat16>(op, y, n, seed, offset, float(a), float(b));
    default:
      return fill_float<float>(op, y, n, seed, offset, float(a), float(b));
  }
}

}  // namespace mt::cpu::MT_ISA
