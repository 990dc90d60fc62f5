// Device memory of benchmarks, filled with random numbers on the device, and shorthands for kernel
// arguments.
#pragma once
#include <initializer_list>
#include <vector>

#include "bench/shapes.h"
#include "ops/elementwise.h"

namespace mt::cuda::bench {

using mt::bench::conv_params;
using mt::bench::pool_params;

// The operands of one call; they live as long as this does.
class Operands {
 public:
  Operands() = default;
  ~Operands();
  Operands(const Operands&) = delete;
  Operands& operator=(const Operands&) = delete;

  void* empty(DType t, int64_t n);
  // Normally distributed; the same in every run.
  void* normal(DType t, int64_t n);
  void* uniform(DType t, int64_t n);
  // 0 ... below - 1
  int64_t* indices(int64_t n, int64_t below);

  float* floats(int64_t n) { return static_cast<float*>(normal(DType::Float32, n)); }
  size_t bytes() const { return bytes_; }

 private:
  struct Block {
    void *data, *stream;
    size_t bytes;
  };
  std::vector<Block> blocks_;
  size_t bytes_ = 0;
};

// n contiguous elements of type t per operand.
ElementIter flat(DType t, int64_t n, std::initializer_list<const void*> operands);
// y (contiguous) = x with its last two dims exchanged: x is [batch, cols, rows], y [batch, rows,
// cols].
ElementIter transposed(DType t, void* y, const void* x, int64_t batch, int64_t rows, int64_t cols);
// All operands are of type t.
OperandTypes types_of(DType t, int operands);

}  // namespace mt::cuda::bench
