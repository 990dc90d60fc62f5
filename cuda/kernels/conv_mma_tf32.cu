// Tensor-core convolutions by mma.sync, float32 as tf32.
#include "cuda/kernels/conv_mma.cuh"
#include "cuda/kernels/conv_mma_weight.cuh"

namespace mt::cuda {

template <>
void conv_gather_mma<float>(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_gather_mma<float>(p, tiles, stream);
}
template <>
void conv_gather_sum<float>(const ConvGatherParams& p, cudaStream_t stream) {
  run_gather_sum<float>(p, stream);
}
template <>
void conv_weight_mma<float>(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_weight_mma<float>(p, tiles, stream);
}

}  // namespace mt::cuda
