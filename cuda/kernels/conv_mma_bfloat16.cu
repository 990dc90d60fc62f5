// Tensor-core convolutions by mma.sync, bfloat16.
#include "cuda/kernels/conv_mma.cuh"
#include "cuda/kernels/conv_mma_weight.cuh"

namespace mt::cuda {

template <>
void conv_gather_mma<bfloat16>(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_gather_mma<bfloat16>(p, tiles, stream);
}
template <>
void conv_gather_sum<bfloat16>(const ConvGatherParams& p, cudaStream_t stream) {
  run_gather_sum<bfloat16>(p, stream);
}
template <>
void conv_weight_mma<bfloat16>(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream) {
  run_weight_mma<bfloat16>(p, tiles, stream);
}

}  // namespace mt::cuda
