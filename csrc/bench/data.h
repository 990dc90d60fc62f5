// Inputs of benchmarks: aligned arrays of random numbers, and shorthands for kernel arguments.
#pragma once
#include <memory>

#include "bench/shapes.h"
#include "ops/elementwise.h"

namespace mt::bench {

using Floats = std::shared_ptr<float>;
using Longs = std::shared_ptr<int64_t>;

// Normally distributed; the same in every run.
Floats floats(int64_t n);
// 0 ... below - 1
Longs longs(int64_t n, int64_t below);

// n contiguous float32 elements per operand.
ElementIter flat(int64_t n, std::initializer_list<const void*> operands);
// All operands are float32.
OperandTypes float_types(int operands);

}  // namespace mt::bench
