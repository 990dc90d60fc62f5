// Attention of float16 operands with wgmma, forward.
#include "cuda/kernels/attention_mma.h"
#include "cuda/kernels/attention_wgmma_forward.cuh"

namespace mt::cuda {

bool attention_wgmma_forward_float16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                     float* lse) {
  return wgmma_forward(a, static_cast<float16*>(out), out_at, lse);
}

}  // namespace mt::cuda
