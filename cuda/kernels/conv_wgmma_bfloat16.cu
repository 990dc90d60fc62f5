// Tensor-core convolutions by wgmma, bfloat16.
#include "cuda/kernels/conv_wgmma.cuh"

namespace mt::cuda {

template <>
void conv_gather_wgmma<bfloat16>(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_wgmma<bfloat16>(p, tiles, stream);
}
template <>
void conv_weight_wgmma<bfloat16>(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_wgmma<bfloat16>(p, tiles, stream);
}

}  // namespace mt::cuda
