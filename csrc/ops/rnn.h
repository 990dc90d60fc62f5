// One layer of a recurrent network over a whole sequence, one direction.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

enum class RnnKind : int { lstm, gru, tanh, relu };

// Gates per hidden unit: i f g o, r z n, or one.
constexpr int64_t rnn_gates(RnnKind kind) {
  return kind == RnnKind::lstm ? 4 : kind == RnnKind::gru ? 3 : 1;
}
// Neighbouring hidden units whose gates are computed together.
constexpr int64_t rnn_slice(RnnKind kind) { return rnn_gates(kind) == 1 ? 64 : 16; }

// Everything is contiguous, float32 or float64. w_hh is [gates * hidden, hidden].
struct RnnArgs {
  DType dtype;
  RnnKind kind;
  int64_t steps, n, hidden;
  bool reverse;  // from the last step to the first
  const void* w_hh;
  const void* b_hn = nullptr;  // GRU: the bias inside of the product with r, or null
};

}  // namespace mt

// sum [gates * hidden] = b_ih + b_hh, of which each may be null; b_hh without what GRU adds inside
// of the product with r.
MT_KERNEL(rnn_biases, void(DType dtype, mt::RnnKind kind, int64_t hidden, const void* b_ih,
                           const void* b_hh, void* sum))
// gates [steps, n, gates * hidden]: on entry W_ih x + biases; on return the activated gates (LSTM,
// GRU). extra [steps, n, hidden]: LSTM: the cells; GRU: W_hn h + b_hn. out [steps, n, hidden].
// panels: rearranged w_hh, [ceil(hidden / slice), hidden, gates * slice]; CPU only, else null.
MT_KERNEL(rnn_forward, void(const RnnArgs& args, void* gates, void* extra, const void* h0,
                            const void* c0, void* out, void* panels))
// dgates: gradient of W_ih x + biases; dhidden: of W_hh h + b_hh, the same memory but for GRU.
// dout, dh_n, dc_n may be null. dh0, dc0 [n, hidden] (dc0: LSTM; for GRU it is scratch memory).
MT_KERNEL(rnn_backward,
          void(const RnnArgs& args, const void* gates, const void* extra, const void* h0,
               const void* c0, const void* out, const void* dout, const void* dh_n,
               const void* dc_n, void* dgates, void* dhidden, void* dh0, void* dc0))
