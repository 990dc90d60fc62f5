// Gradients of attention of float16 operands on tensor cores.
#include "cuda/kernels/attention_mma_backward.cuh"

namespace mt::cuda {

void attention_mma_backward_float16(const AttentionArgs& a, const AttentionGradients& g) {
  mma_backward<float16>(a, g);
}

}  // namespace mt::cuda
