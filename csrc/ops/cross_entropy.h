// Cross-entropy of logits, and the negative log-likelihood of log-probabilities.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

enum class Reduction : int { none, mean, sum };

// Rows of c classes: x is [n, c, inner], contiguous, float32 or float64, as are weight [c] and the
// losses [n * inner]. Targets are classes [n, inner], or probabilities of x's shape.
struct CrossEntropyArgs {
  DType dtype;
  int64_t n, c, inner;
  const void* x;
  const int64_t* target = nullptr;
  const void* probabilities = nullptr;
  const void* weight = nullptr;  // null: ones
  int64_t ignore_index = -100;   // for classes
  double smoothing = 0;
  Reduction reduction = Reduction::mean;
};

// What the sum over rows gives besides the loss.
struct CrossEntropyTotals {
  double weight = 0;  // the mean's denominator
  int64_t bad = -1;   // the first row whose class is out of range
};

}  // namespace mt

// loss: [n * inner], or one element. stats: per row, the maximum and the log of the sum of
// exp(x - maximum), [n * inner, 2].
MT_KERNEL(cross_entropy_forward,
          void(const CrossEntropyArgs& args, void* loss, void* stats, CrossEntropyTotals* totals))
// dy: [n * inner] or one element.
MT_KERNEL(cross_entropy_backward, void(const CrossEntropyArgs& args, const void* stats,
                                       const void* dy, double total_weight, void* dx))
MT_KERNEL(nll_forward, void(const CrossEntropyArgs& args, void* loss, CrossEntropyTotals* totals))
MT_KERNEL(nll_backward,
          void(const CrossEntropyArgs& args, const void* dy, double total_weight, void* dx))
