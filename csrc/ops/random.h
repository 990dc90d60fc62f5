// Random fills: element i is a function of (seed, offset, i) alone.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

// One line is one distribution: u is uniform in [0, 1), a and b are its parameters; T is float for
// 16-bit types. `normal` has a kernel of its own (Box-Muller).
#define MT_DISTRIBUTIONS(X)                                                              \
  X(uniform, a + u * (b - a))                                                            \
  X(bernoulli, u < a ? T(1) : T(0))                                                      \
  X(exponential, -fn::log(T(1) - u) / a)                                                 \
  X(geometric, fn::ceil(fn::log(T(1) - u) / fn::log(T(1) - a)))                          \
  X(cauchy, a + b * fn::tan(T(3.14159265358979324) * (u - T(0.5))))

namespace mt {

#define MT_ENUMERATOR3_(name, ...) name,
enum class Distribution : int { MT_DISTRIBUTIONS(MT_ENUMERATOR3_) normal, log_normal };

// Counters that n elements take: one counter gives four 32-bit numbers, float64 takes two of them
// per element.
constexpr int64_t random_counters(DType dtype, int64_t n) {
  return dtype == DType::Float64 ? (n + 1) / 2 : (n + 3) / 4;
}

}  // namespace mt

MT_KERNEL_CPU_ONLY(random_fill, void(Distribution kind, DType dtype, void* y, int64_t n, uint64_t seed,
                                     uint64_t offset, double a, double b))
// Integers in [low, low + range); range 0 stands for 2^64. Takes n / 2 counters, rounded up.
MT_KERNEL_CPU_ONLY(random_integers, void(DType dtype, void* y, int64_t n, uint64_t seed,
                                         uint64_t offset, int64_t low, uint64_t range))
// A random order of 0 ... n-1 (Fisher-Yates). Takes n / 2 counters, rounded up.
MT_KERNEL_CPU_ONLY(random_permutation, void(int64_t* y, int64_t n, uint64_t seed, uint64_t offset))
