// CUDA's device functions that are plain arithmetic: conversions, bit operations, integer and float
// intrinsics, cached loads. Fast-math variants compute the exact function.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <limits>

#include "cuda/emulator/vector_types.h"

#define MT_EMU_DEVICE_ __attribute__((always_inline)) inline

// Bits.
MT_EMU_DEVICE_ int __float_as_int(float x) { return std::bit_cast<int>(x); }
MT_EMU_DEVICE_ unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
MT_EMU_DEVICE_ float __int_as_float(int x) { return std::bit_cast<float>(x); }
MT_EMU_DEVICE_ float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
MT_EMU_DEVICE_ long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
MT_EMU_DEVICE_ double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
MT_EMU_DEVICE_ int __popc(unsigned x) { return std::popcount(x); }
MT_EMU_DEVICE_ int __popcll(unsigned long long x) { return std::popcount(x); }
MT_EMU_DEVICE_ int __clz(int x) { return std::countl_zero(unsigned(x)); }
MT_EMU_DEVICE_ int __clzll(long long x) { return std::countl_zero((unsigned long long)(x)); }
MT_EMU_DEVICE_ int __ffs(int x) { return __builtin_ffs(x); }
MT_EMU_DEVICE_ int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned r = 0;
  for (int i = 0; i < 32; ++i) r |= ((x >> i) & 1u) << (31 - i);
  return r;
}
inline unsigned long long __brevll(unsigned long long x) {
  return ((unsigned long long)(__brev(unsigned(x))) << 32) | __brev(unsigned(x >> 32));
}
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  unsigned long long bytes = ((unsigned long long)(y) << 32) | x;
  unsigned r = 0;
  for (int i = 0; i < 4; ++i) {
    unsigned pick = (selector >> (4 * i)) & 7u;
    r |= unsigned((bytes >> (8 * pick)) & 0xffu) << (8 * i);
  }
  return r;
}
MT_EMU_DEVICE_ unsigned __funnelshift_l(unsigned lo, unsigned hi, unsigned shift) {
  return unsigned(((((unsigned long long)(hi) << 32) | lo) << (shift & 31)) >> 32);
}
MT_EMU_DEVICE_ unsigned __funnelshift_r(unsigned lo, unsigned hi, unsigned shift) {
  return unsigned((((unsigned long long)(hi) << 32) | lo) >> (shift & 31));
}

// Integers.
MT_EMU_DEVICE_ int __mulhi(int a, int b) { return int(((long long)(a)*b) >> 32); }
MT_EMU_DEVICE_ unsigned __umulhi(unsigned a, unsigned b) {
  return unsigned(((unsigned long long)(a)*b) >> 32);
}
MT_EMU_DEVICE_ unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)(((unsigned __int128)(a)*b) >> 64);
}
MT_EMU_DEVICE_ long long __mul64hi(long long a, long long b) {
  return (long long)(((__int128)(a)*b) >> 64);
}
MT_EMU_DEVICE_ int __mul24(int a, int b) { return ((a << 8) >> 8) * ((b << 8) >> 8); }
MT_EMU_DEVICE_ int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 4; ++i) c += int(int8_t(a >> (8 * i))) * int(int8_t(b >> (8 * i)));
  return c;
}
MT_EMU_DEVICE_ int __sad(int a, int b, unsigned c) { return int(unsigned(std::abs(a - b)) + c); }

// Floats; the host rounds to nearest even, as the _rn forms ask.
MT_EMU_DEVICE_ float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
MT_EMU_DEVICE_ double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
MT_EMU_DEVICE_ float __fadd_rn(float a, float b) { return a + b; }
MT_EMU_DEVICE_ float __fsub_rn(float a, float b) { return a - b; }
MT_EMU_DEVICE_ float __fmul_rn(float a, float b) { return a * b; }
MT_EMU_DEVICE_ float __fdiv_rn(float a, float b) { return a / b; }
MT_EMU_DEVICE_ float __frcp_rn(float a) { return 1.0f / a; }
MT_EMU_DEVICE_ float __fsqrt_rn(float a) { return std::sqrt(a); }
MT_EMU_DEVICE_ float __frsqrt_rn(float a) { return float(1.0 / std::sqrt(double(a))); }
MT_EMU_DEVICE_ double __dadd_rn(double a, double b) { return a + b; }
MT_EMU_DEVICE_ double __dmul_rn(double a, double b) { return a * b; }
MT_EMU_DEVICE_ double __ddiv_rn(double a, double b) { return a / b; }
MT_EMU_DEVICE_ double __dsqrt_rn(double a) { return std::sqrt(a); }
MT_EMU_DEVICE_ float __fdividef(float a, float b) { return a / b; }
MT_EMU_DEVICE_ float __saturatef(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
MT_EMU_DEVICE_ float normcdff(float x) { return 0.5f * std::erfc(-x * 0.70710678118654752f); }
MT_EMU_DEVICE_ double normcdf(double x) { return 0.5 * std::erfc(-x * 0.70710678118654752); }

// The inverse of erf: bisection for a start, then Newton's method on log(erfc), which is nearly a
// parabola in the tail.
MT_EMU_DEVICE_ double erfinv(double x) {
  const double a = std::fabs(x);
  if (!(a < 1)) return a == 1 ? x * std::numeric_limits<double>::infinity() : NAN;
  double low = 0, high = 6;
  for (int i = 0; i < 20; i++) {
    const double middle = (low + high) / 2;
    (std::erf(middle) < a ? low : high) = middle;
  }
  double y = (low + high) / 2;
  for (int i = 0; i < 4 && a > 0; i++) {
    const double slope = 1.1283791670955126 * std::exp(-y * y), tail = std::erfc(y);
    if (a < 0.5) y -= (std::erf(y) - a) / slope;
    else y += (std::log(tail) - std::log1p(-a)) * tail / slope;
  }
  return std::copysign(a > 0 ? y : 0.0, x);
}
MT_EMU_DEVICE_ float erfinvf(float x) { return float(erfinv(double(x))); }

// Macros, since C libraries declare functions of the same names.
namespace mt::emu {
MT_EMU_DEVICE_ float rsqrt_(float x) { return 1.0f / std::sqrt(x); }
MT_EMU_DEVICE_ double rsqrt_(double x) { return 1.0 / std::sqrt(x); }
template <class F>
MT_EMU_DEVICE_ F sinpi_(F x) {
  return F(std::sin(3.141592653589793 * std::fmod(double(x), 2.0)));
}
template <class F>
MT_EMU_DEVICE_ F cospi_(F x) {
  return F(std::cos(3.141592653589793 * std::fmod(double(x), 2.0)));
}
}  // namespace mt::emu
#define __expf(x) (std::exp(float(x)))
#define __exp10f(x) (std::pow(10.0f, float(x)))
#define __logf(x) (std::log(float(x)))
#define __log2f(x) (std::log2(float(x)))
#define __log10f(x) (std::log10(float(x)))
#define __powf(x, y) (std::pow(float(x), float(y)))
#define __sinf(x) (std::sin(float(x)))
#define __cosf(x) (std::cos(float(x)))
#define __tanf(x) (std::tan(float(x)))
#define rsqrtf(x) (::mt::emu::rsqrt_(float(x)))
#define rsqrt(x) (::mt::emu::rsqrt_(double(x)))
#define rcbrtf(x) (1.0f / std::cbrt(float(x)))
#define exp10f(x) (std::pow(10.0f, float(x)))
#define exp10(x) (std::pow(10.0, double(x)))
#define sinpif(x) (::mt::emu::sinpi_(float(x)))
#define cospif(x) (::mt::emu::cospi_(float(x)))
#define sinpi(x) (::mt::emu::sinpi_(double(x)))
#define cospi(x) (::mt::emu::cospi_(double(x)))
MT_EMU_DEVICE_ void sincospif(float x, float* s, float* c) { *s = sinpif(x), *c = cospif(x); }
MT_EMU_DEVICE_ void sincospi(double x, double* s, double* c) { *s = sinpi(x), *c = cospi(x); }

// Conversions saturate and turn NaN into 0, as the hardware's do.
template <class I, class F>
MT_EMU_DEVICE_ I mt_emu_convert_(F x) {
  constexpr I lowest = std::numeric_limits<I>::min(), highest = std::numeric_limits<I>::max();
  // As a float, `highest` rounds up to the first value that does not fit.
  if (x >= F(highest)) return highest;
  if (x <= F(lowest)) return lowest;
  return x == x ? I(x) : I(0);
}
#define MT_EMU_CONVERSIONS_(from, F, to, I)                                                    \
  MT_EMU_DEVICE_ I __##from##2##to##_rn(F x) { return mt_emu_convert_<I>(std::nearbyint(x)); } \
  MT_EMU_DEVICE_ I __##from##2##to##_rz(F x) { return mt_emu_convert_<I>(std::trunc(x)); }     \
  MT_EMU_DEVICE_ I __##from##2##to##_ru(F x) { return mt_emu_convert_<I>(std::ceil(x)); }      \
  MT_EMU_DEVICE_ I __##from##2##to##_rd(F x) { return mt_emu_convert_<I>(std::floor(x)); }
MT_EMU_CONVERSIONS_(float, float, int, int)
MT_EMU_CONVERSIONS_(float, float, uint, unsigned)
MT_EMU_CONVERSIONS_(float, float, ll, long long)
MT_EMU_CONVERSIONS_(float, float, ull, unsigned long long)
MT_EMU_CONVERSIONS_(double, double, int, int)
MT_EMU_CONVERSIONS_(double, double, uint, unsigned)
MT_EMU_CONVERSIONS_(double, double, ll, long long)
MT_EMU_CONVERSIONS_(double, double, ull, unsigned long long)
#undef MT_EMU_CONVERSIONS_
MT_EMU_DEVICE_ float __int2float_rn(int x) { return float(x); }
MT_EMU_DEVICE_ float __uint2float_rn(unsigned x) { return float(x); }
MT_EMU_DEVICE_ float __ll2float_rn(long long x) { return float(x); }
MT_EMU_DEVICE_ float __ull2float_rn(unsigned long long x) { return float(x); }
MT_EMU_DEVICE_ double __int2double_rn(int x) { return double(x); }
MT_EMU_DEVICE_ float __double2float_rn(double x) { return float(x); }

// CUDA declares min and max outside of any namespace.
#define MT_EMU_MIN_MAX_(A, B, R)   \
  MT_EMU_DEVICE_ R min(A a, B b) { \
    const R c = a, d = b;          \
    return c < d ? c : d;          \
  }                                \
  MT_EMU_DEVICE_ R max(A a, B b) { \
    const R c = a, d = b;          \
    return c > d ? c : d;          \
  }
MT_EMU_MIN_MAX_(int, int, int)
MT_EMU_MIN_MAX_(unsigned, unsigned, unsigned)
MT_EMU_MIN_MAX_(int, unsigned, unsigned)
MT_EMU_MIN_MAX_(unsigned, int, unsigned)
MT_EMU_MIN_MAX_(long, long, long)
MT_EMU_MIN_MAX_(unsigned long, unsigned long, unsigned long)
MT_EMU_MIN_MAX_(long long, long long, long long)
MT_EMU_MIN_MAX_(unsigned long long, unsigned long long, unsigned long long)
#undef MT_EMU_MIN_MAX_
MT_EMU_DEVICE_ float min(float a, float b) { return std::fmin(a, b); }
MT_EMU_DEVICE_ float max(float a, float b) { return std::fmax(a, b); }
MT_EMU_DEVICE_ double min(double a, double b) { return std::fmin(a, b); }
MT_EMU_DEVICE_ double max(double a, double b) { return std::fmax(a, b); }
MT_EMU_DEVICE_ double min(float a, double b) { return std::fmin(double(a), b); }
MT_EMU_DEVICE_ double max(float a, double b) { return std::fmax(double(a), b); }
MT_EMU_DEVICE_ double min(double a, float b) { return std::fmin(a, double(b)); }
MT_EMU_DEVICE_ double max(double a, float b) { return std::fmax(a, double(b)); }

// Loads and stores with a cache hint.
#define MT_EMU_HINTS_(load, store)           \
  template <class T>                         \
  MT_EMU_DEVICE_ T load(const T* p) {        \
    return *p;                               \
  }                                          \
  template <class T>                         \
  MT_EMU_DEVICE_ void store(T* p, T value) { \
    *p = value;                              \
  }
MT_EMU_HINTS_(__ldcg, __stcg)
MT_EMU_HINTS_(__ldcs, __stcs)
MT_EMU_HINTS_(__ldca, __stwb)
MT_EMU_HINTS_(__ldcv, __stwt)
#undef MT_EMU_HINTS_
template <class T>
MT_EMU_DEVICE_ T __ldg(const T* p) {
  return *p;
}

// Ordering between blocks: they run one after the other or on threads of the host.
MT_EMU_DEVICE_ void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
MT_EMU_DEVICE_ void __threadfence_block() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
MT_EMU_DEVICE_ void __threadfence_system() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

inline long long clock64() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}
