// Connectionist temporal classification.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// log_probs [steps, n, classes], contiguous, float32 or float64. Sample i reads input_lengths[i]
// steps and the labels targets[target_starts[i] ...][0 ... target_lengths[i]).
struct CtcArgs {
  DType dtype;
  int64_t steps, n, classes, blank;
  const void* log_probs;
  const int64_t *targets, *target_starts, *target_lengths, *input_lengths;
  int64_t longest;  // of target_lengths
};

}  // namespace mt

// loss [n]; alpha [n, steps, 2 * longest + 1]: log-probabilities of prefixes.
MT_KERNEL(ctc_forward, void(const CtcArgs& args, void* loss, void* alpha))
// Gradient by the logits in front of the log-softmax; scale [n] multiplies a sample's. beta is
// scratch memory of alpha's shape without steps: [n, 2, 2 * longest + 1].
MT_KERNEL(ctc_backward, void(const CtcArgs& args, const void* loss, const void* alpha,
                             const void* scale, bool zero_infinity, void* beta, void* dx))
