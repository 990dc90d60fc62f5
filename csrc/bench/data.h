// Inputs of benchmarks: aligned arrays of random numbers, and shorthands for kernel arguments.
#pragma once
#include <memory>

#include "ops/conv.h"
#include "ops/elementwise.h"
#include "ops/pool.h"

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

// Square images and kernels, stride 1 to s, padding that keeps the size at stride 1.
ConvParams conv_params(int64_t batch, int64_t c, int64_t o, int64_t size, int64_t kernel,
                       int64_t stride = 1, int64_t groups = 1);
PoolParams pool_params(int64_t planes, int64_t size, int64_t kernel, int64_t stride,
                       int64_t padding = 0);

}  // namespace mt::bench
