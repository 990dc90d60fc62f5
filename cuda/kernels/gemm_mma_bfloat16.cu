// The mma.sync GEMM of bfloat16 operands.
#include "cuda/kernels/gemm_mma_launch.cuh"

namespace mt::cuda {

void gemm_mma_bfloat16(const GemmParams& p, cudaStream_t stream, int splits, int tile) {
  run_mma<bfloat16>(p, stream, splits, tile);
}

}  // namespace mt::cuda
