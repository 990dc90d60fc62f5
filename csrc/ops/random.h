// Random numbers: element i is a function of (seed, offset, i) alone, the same for any number of
// threads and on any instruction set.
//
// Numbers come in groups. A group takes 16 Philox counters, from offset + 16 * group; word w of its
// counter c belongs to element 64 * group + 16 * w + c, so that vectors of counters fill vectors of
// elements. An element of 64 bits takes two words: words 2w and 2w + 1 of counter c make element
// 32 * group + 16 * w + c.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// Each with its two numbers: uniform [a, b); normal mean a, deviation b; exponential rate a;
// geometric success a; cauchy median a, width b; log_normal of mean a, deviation b.
enum class RandomOp : int { uniform, normal, exponential, geometric, cauchy, log_normal };

}  // namespace mt

// y[n], of a floating dtype (geometric: of any).
MT_KERNEL_CPU_ONLY(random_fill, void(RandomOp op, DType dtype, void* y, int64_t n, uint64_t seed,
                                     uint64_t offset, double a, double b))
// y[n] = low + integers below range; range 0 stands for 2^64. `wide`: two words per element.
MT_KERNEL_CPU_ONLY(random_integers, void(DType dtype, void* y, int64_t n, uint64_t seed,
                                         uint64_t offset, int64_t low, uint64_t range, bool wide))
// y[n] = 1 with probability p[i], else 0; p is float32, of one element where p_step is 0.
MT_KERNEL_CPU_ONLY(random_bernoulli, void(DType dtype, void* y, const float* p, int64_t p_step,
                                          int64_t n, uint64_t seed, uint64_t offset))
// y[n] ~ Poisson(rate[i]), float32 or float64.
MT_KERNEL_CPU_ONLY(random_poisson, void(DType dtype, void* y, const void* rate, int64_t n,
                                        uint64_t seed, uint64_t offset))
// A permutation of 0 .. n - 1.
MT_KERNEL_CPU_ONLY(random_permutation, void(int64_t* y, int64_t n, uint64_t seed, uint64_t offset))
// y[rows, draws]: indices into weights[rows, n], float64; work is of that size. Without replacement
// draws <= n.
MT_KERNEL_CPU_ONLY(random_multinomial,
                   void(const double* weights, int64_t* y, int64_t rows, int64_t n, int64_t draws,
                        bool replacement, double* work, uint64_t seed, uint64_t offset))
