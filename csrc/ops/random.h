// Random numbers: element i is a function of (seed, offset, i) alone, the same for any number of
// threads and on any instruction set.
//
// Numbers come in groups. A group takes 16 Philox counters, from offset + 16 * group; word w of its
// counter c belongs to element 64 * group + 16 * w + c, so that vectors of counters fill vectors of
// elements. An element of 64 bits takes two words: words 2w and 2w + 1 of counter c make element
// 32 * group + 16 * w + c.
//
// Note [Places in a captured graph]
// A graph must draw other numbers in every replay, so while a GPU's stream is captured kernels get
// a relative place: the offset has its top bit set and counts from the start of the recording, and
// the seed is the address of two numbers in device memory, the seed and the first counter, which
// CUDAGraph.replay() writes before it launches the graph. Places that are not relative have offsets
// below 2^63.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

constexpr uint64_t kRelativePlace = uint64_t(1) << 63;

// Each with its two numbers: uniform [a, b); normal mean a, deviation b; exponential rate a;
// geometric success a; cauchy median a, width b; log_normal of mean a, deviation b.
enum class RandomOp : int { uniform, normal, exponential, geometric, cauchy, log_normal };

// What is wrong with the weights of a draw.
enum class WeightProblem : int { none, too_few, all_zero, invalid };

}  // namespace mt

// place[2] = seed, offset.
MT_KERNEL(write_place, void(uint64_t* place, uint64_t seed, uint64_t offset))
// y[n], of a floating dtype (geometric: of any).
MT_KERNEL(random_fill, void(RandomOp op, DType dtype, void* y, int64_t n, uint64_t seed,
                            uint64_t offset, double a, double b))
// y[n] = low + integers below range; range 0 stands for 2^64. `wide`: two words per element.
MT_KERNEL(random_integers, void(DType dtype, void* y, int64_t n, uint64_t seed, uint64_t offset,
                                int64_t low, uint64_t range, bool wide))
// y[n] = 1 with probability p[i], else 0; where p is null with probability `one`.
MT_KERNEL(random_bernoulli, void(DType dtype, void* y, const float* p, float one, int64_t n,
                                 uint64_t seed, uint64_t offset))
// Whether all lie in [0, 1]. On a GPU *good is not touched: an error is raised at a later check.
MT_KERNEL(all_probabilities, void(const double* p, int64_t n, bool* good))
// y[n] ~ Poisson(rate[i]), float32 or float64.
MT_KERNEL(random_poisson,
          void(DType dtype, void* y, const void* rate, int64_t n, uint64_t seed, uint64_t offset))
// A permutation of 0 .. n - 1, which is a chain of swaps: made on the CPU for all devices.
MT_KERNEL_CPU_ONLY(random_permutation, void(int64_t* y, int64_t n, uint64_t seed, uint64_t offset))
// Weights must be finite and not negative, and at least `draws` of a row's above 0.
MT_KERNEL(multinomial_problem, void(const double* weights, int64_t rows, int64_t n, int64_t draws,
                                    WeightProblem* problem))
// y[rows, draws]: indices into weights[rows, n], float64; work is of that size. Without replacement
// draws <= n.
MT_KERNEL(random_multinomial,
          void(const double* weights, int64_t* y, int64_t rows, int64_t n, int64_t draws,
               bool replacement, double* work, uint64_t seed, uint64_t offset))
