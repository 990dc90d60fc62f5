// Products of stacks of matrices over tensors, for every op that multiplies: folds batches into
// one product where memory allows, reaches transposed operands as strides, sums over batch
// dims that the result does not have.
#pragma once
#include <optional>

#include "core/tensor.h"
#include "ops/gemm.h"

namespace mt {

// A stack of matrices in memory; strides in elements.
struct MatrixStack {
  void* data;
  Dims batch;  // strides of the batch dims
  int64_t row, col;
};

struct GemmEpilogue {
  double alpha = 1, beta = 0;
  const void* bias = nullptr;
  bool bias_per_row = false;
  Activation activation = Activation::none;
};

// C = act(alpha * A @ B + beta * C + bias) for every index of `sizes`. A batch stride of 0 in C
// sums over that dim (beta, alpha and the rest then have to be the defaults; C need not be zeroed).
// C's columns, or else its rows, must be contiguous.
void gemm_stacks(DType dtype, Device device, const Dims& sizes, int64_t m, int64_t n, int64_t k,
                 MatrixStack a, MatrixStack b, MatrixStack c, const GemmEpilogue& epilogue = {});

// c = alpha * a @ b + beta * c for matrices or stacks of them with equal batch sizes; c may have
// any strides, and may share memory with a and b.
void gemm_into(const Tensor& c, const Tensor& a, const Tensor& b, double alpha = 1,
               double beta = 0);

// PyTorch's matmul: vectors, matrices, broadcast stacks.
Tensor matmul(const Tensor& a, const Tensor& b);
// x @ w^T + bias; rows of x are its leading dims.
Tensor linear_forward(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
                      Activation activation);

}  // namespace mt
