// Attention of bfloat16 operands on tensor cores, forward.
#include "cuda/kernels/attention_mma_forward.cuh"

namespace mt::cuda {

void attention_mma_forward_bfloat16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                    float* lse) {
  mma_forward(a, static_cast<bfloat16*>(out), out_at, lse);
}

}  // namespace mt::cuda
