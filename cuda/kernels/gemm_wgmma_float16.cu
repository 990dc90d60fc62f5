// The wgmma GEMM of float16 operands.
#include <algorithm>

#include "cuda/kernels/gemm_wgmma_launch.cuh"

namespace mt::cuda {

bool gemm_wgmma_float16(const GemmParams& p, cudaStream_t stream, int tile_n) {
  return run_wgmma<float16>(p, stream, tile_n);
}

}  // namespace mt::cuda
