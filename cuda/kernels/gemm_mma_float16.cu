// The mma.sync GEMM of float16 operands.
#include "cuda/kernels/gemm_mma_launch.cuh"

namespace mt::cuda {

void gemm_mma_float16(const GemmParams& p, cudaStream_t stream, int splits, int tile) {
  run_mma<float16>(p, stream, splits, tile);
}

}  // namespace mt::cuda
