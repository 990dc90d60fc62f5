// The mma.sync GEMM of tf32 operands.
#include "cuda/kernels/gemm_mma_launch.cuh"

namespace mt::cuda {

void gemm_mma_tf32(const GemmParams& p, cudaStream_t stream, int splits, int tile) {
  run_mma<float>(p, stream, splits, tile);
}

}  // namespace mt::cuda
