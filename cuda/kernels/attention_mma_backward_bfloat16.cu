// Gradients of attention of bfloat16 operands on tensor cores.
#include "cuda/kernels/attention_mma_backward.cuh"

namespace mt::cuda {

void attention_mma_backward_bfloat16(const AttentionArgs& a, const AttentionGradients& g) {
  mma_backward<bfloat16>(a, g);
}

}  // namespace mt::cuda
