// Attention of 16-bit operands on tensor cores; attention.cu and attention_backward.cu choose it.
#pragma once
#include "ops/attention.h"

namespace mt::cuda {

// The gradients' operands.
struct AttentionGradients {
  const void *out, *dout;
  const float* lse;
  void *dq, *dk, *dv;
  HeadStrides out_at, dout_at, dq_at, dk_at, dv_at;
};

void attention_mma_forward_float16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                   float* lse);
void attention_mma_forward_bfloat16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                    float* lse);
// False where the kernel does not take it, which only Hopper's tensor cores run.
bool attention_wgmma_forward_float16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                     float* lse);
bool attention_wgmma_forward_bfloat16(const AttentionArgs& a, void* out, const HeadStrides& out_at,
                                      float* lse);
void attention_mma_backward_float16(const AttentionArgs& a, const AttentionGradients& g);
void attention_mma_backward_bfloat16(const AttentionArgs& a, const AttentionGradients& g);

}  // namespace mt::cuda
