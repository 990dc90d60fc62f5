// Matrix products on tensor cores: what a dispatcher calls before it falls back to plain float32.
#pragma once
#include "cuda/core/simt.h"
#include "ops/gemm.h"

namespace mt::cuda {

// For tests and measurements; the defaults choose.
struct GemmTuning {
  enum class Path { automatic, mma, wgmma } path = Path::automatic;
  int splits = 0;  // parts of K, summed by a second pass (mma); 0 chooses
  int tile = 0;    // columns of a tile: 64, 128 or (wgmma) 256; 0 chooses
  enum class Pack { automatic, never, always } pack = Pack::automatic;  // of operands not aligned
};

// C = act(alpha A B + beta C + bias) as ops/gemm.h describes it; false, with nothing done, where
// the request is not supported. Supported: float16, bfloat16, and float32 where `allow_tf32`
// (operands rounded to 10 bits of mantissa); sums are float32 and run in the same order every time.
// Any strides, sizes below 2^31; a compute capability of 8.0, on 9.0 with tensor maps the wgmma
// kernel. Operands with 16-byte aligned rows or columns are fast; others are copied into such rows
// for large products, else loaded element by element. Errors of launches stay with
// cudaGetLastError().
bool gemm_tensor_core(const GemmArgs& args, bool allow_tf32, cudaStream_t stream,
                      const GemmTuning& tuning = {});

// The two kernels behind it, each with its own conditions.
bool gemm_mma(const GemmArgs& args, cudaStream_t stream, int splits = 0, int tile = 0);
bool gemm_wgmma(const GemmArgs& args, cudaStream_t stream, int tile = 0);

}  // namespace mt::cuda
