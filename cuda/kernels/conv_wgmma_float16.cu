// Tensor-core convolutions by wgmma, float16.
#include "cuda/kernels/conv_wgmma.cuh"

namespace mt::cuda {

template <>
void conv_gather_wgmma<float16>(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_wgmma<float16>(p, tiles, stream);
}
template <>
void conv_weight_wgmma<float16>(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_wgmma<float16>(p, tiles, stream);
}

}  // namespace mt::cuda
