// Host side shared by the tensor-core GEMM kernels.
#pragma once
#include "cuda/core/launch.h"
#include "cuda/kernels/gemm_epilogue.cuh"

namespace mt::cuda {

inline bool is_aligned(const void* p, int64_t bytes) {
  return reinterpret_cast<uintptr_t>(p) % uintptr_t(bytes) == 0;
}

// Whether lines of an operand that run along a stride of 1 all start at multiples of 16 bytes.
inline bool has_aligned_lines(const void* p, int64_t lines, int64_t line_stride, int64_t batch,
                              int64_t batch_stride, int64_t itemsize) {
  return is_aligned(p, 16) && (lines == 1 || line_stride * itemsize % 16 == 0) &&
         (batch == 1 || batch_stride * itemsize % 16 == 0);
}

inline int device_attribute(cudaDeviceAttr attribute) {
  int device = 0, value = 0;
  cudaGetDevice(&device);
  cudaDeviceGetAttribute(&value, attribute, device);
  return value;
}

inline bool fits_int(const GemmArgs& args) {
  constexpr int64_t limit = int64_t(1) << 30;
  return args.m < limit && args.n < limit && args.k < limit && args.batch < limit;
}

inline GemmParams make_params(const GemmArgs& args) {
  GemmParams p{};
  p.a = args.a;
  p.b = args.b;
  p.c = args.c;
  p.bias = args.bias;
  p.a_batch = args.a_batch;
  p.a_row = args.a_row;
  p.a_col = args.a_col;
  p.b_batch = args.b_batch;
  p.b_row = args.b_row;
  p.b_col = args.b_col;
  p.c_batch = args.c_batch;
  p.c_row = args.c_row;
  p.m = int(args.m);
  p.n = int(args.n);
  p.k = p.k_split = int(args.k);
  p.splits = 1;
  p.batch = int(args.batch);
  p.alpha = float(args.alpha);
  p.beta = float(args.beta);
  p.bias_per_row = args.bias_per_row;
  p.aligned_c = is_aligned(args.c, 4 * int64_t(itemsize(args.dtype))) &&
                (args.m == 1 || args.c_row % 4 == 0) && (args.batch == 1 || args.c_batch % 4 == 0);
  p.activation = args.activation;
  return p;
}

// The part of the batch that starts at `first`, of `count` matrices.
inline GemmParams part_of_batch(GemmParams p, int64_t first, int64_t count, int64_t itemsize) {
  p.a = static_cast<const char*>(p.a) + first * p.a_batch * itemsize;
  p.b = static_cast<const char*>(p.b) + first * p.b_batch * itemsize;
  p.c = static_cast<char*>(p.c) + first * p.c_batch * itemsize;
  p.batch = int(count);
  return p;
}

}  // namespace mt::cuda
