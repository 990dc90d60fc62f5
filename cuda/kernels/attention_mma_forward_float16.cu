// Attention of float16 operands on tensor cores, forward.
#include "cuda/kernels/attention_mma_forward.cuh"

namespace mt::cuda {

void attention_mma_forward_float16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                   float* lse) {
  mma_forward(a, static_cast<float16*>(out), out_at, lse);
}

}  // namespace mt::cuda
