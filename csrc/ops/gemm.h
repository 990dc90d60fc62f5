// General matrix multiplication: the one seam through which matmul, linear and friends reach
// hand-written kernels.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

enum class Activation : int { none, relu, gelu, gelu_tanh, silu, sigmoid, tanh };

// For each batch: C = act(alpha * A @ B + beta * C + bias).
// A is [m, k], B is [k, n], with any element strides (transposes cost nothing); rows of C are
// contiguous. float32, float64; float16 and bfloat16 accumulate in float32; integer types wrap.
struct GemmArgs {
  DType dtype;
  int64_t batch = 1, m, n, k;
  const void* a;
  int64_t a_batch = 0, a_row, a_col;
  const void* b;
  int64_t b_batch = 0, b_row, b_col;
  void* c;
  int64_t c_batch = 0, c_row;
  double alpha = 1, beta = 0;  // beta = 0 does not read C
  const void* bias = nullptr;  // of C's dtype
  bool bias_per_row = false;   // [m] instead of [n]
  Activation activation = Activation::none;
};

}  // namespace mt

MT_KERNEL(gemm, void(const GemmArgs& args))
// C = A @ B of int8 matrices, C in int32 modulo 2^32; dtype, alpha and what follows are not read.
MT_KERNEL(gemm_int8, void(const GemmArgs& args))
