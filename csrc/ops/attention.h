// Scaled dot-product attention.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// A tensor [batch, heads, rows, columns], columns contiguous; strides in elements.
struct HeadStrides {
  int64_t batch = 0, head = 0, row = 0;
};

// Which of CUDA's kernels for 16-bit operands: by sizes, or where it can.
enum class AttentionKernel : int { any, mma, wgmma };

// Query head h reads key and value head h / (heads / kv_heads). Everything is float32 or float64.
// CUDA takes 16-bit operands, too, where takes_tensor_cores() and rows lie at multiples of 16
// bytes: lse is float32 then, and a mask that is added has either type.
struct AttentionArgs {
  DType dtype;
  int64_t batch, heads, kv_heads, queries, keys, width, value_width;
  const void *q, *k, *v;
  HeadStrides q_at, k_at, v_at;
  const void* mask = nullptr;  // [batch, heads, queries, keys]: added, or bool (true: takes part)
  bool mask_is_bool = false, mask_is_float32 = false;
  HeadStrides mask_at;
  int64_t mask_column = 0;
  bool causal = false;  // query i sees keys 0 ... i
  double scale = 1;
  // Of 16-bit operands on CUDA: weight [batch][head][query][key] is zero where its word, as of
  // dropout_forward on the matrix of weights, is below `drop`, else multiplied by `keep_scale`.
  uint32_t drop = 0;
  float keep_scale = 1;
  uint64_t seed = 0, offset = 0;
  AttentionKernel kernel = AttentionKernel::any;

  // Whether 16-bit operands of these sizes can be read in pieces of 16 bytes, by kernels that count
  // rows in 32 bits.
  bool takes_tensor_cores() const {
    return width > 0 && width % 8 == 0 && width <= 256 && value_width > 0 && value_width % 8 == 0 &&
           value_width <= 256 && queries <= kFarthest && keys <= kFarthest;
  }
  static constexpr int64_t kFarthest = int64_t(1) << 24;  // also the strides of their mask
};

}  // namespace mt

// lse [batch, heads, queries]: log of the sum of exp(scores), +inf where a query sees no key.
MT_KERNEL(attention_forward,
          void(const AttentionArgs& args, void* out, const mt::HeadStrides& out_at, void* lse))
MT_KERNEL(attention_backward,
          void(const AttentionArgs& args, const void* out, const mt::HeadStrides& out_at,
               const void* lse, const void* dout, const mt::HeadStrides& dout_at, void* dq,
               const mt::HeadStrides& dq_at, void* dk, const mt::HeadStrides& dk_at, void* dv,
               const mt::HeadStrides& dv_at))
