// The wgmma GEMM of tf32 operands.
#include <algorithm>

#include "cuda/kernels/gemm_wgmma_launch.cuh"

namespace mt::cuda {

bool gemm_wgmma_tf32(const GemmParams& p, cudaStream_t stream, int tile_n) {
  return run_wgmma<float>(p, stream, tile_n);
}

}  // namespace mt::cuda
