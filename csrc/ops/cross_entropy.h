// Cross-entropy of logits, and the negative log-likelihood of log-probabilities.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

enum class Reduction : int { none, mean, sum };

// Rows of c classes: x is [n, c, inner], contiguous, float32 or float64, as are weight [c] and the
// losses [n * inner]. Targets are classes [n, inner], or probabilities of x's shape. On CUDA x,
// weight and probabilities may be of a 16-bit float; losses and statistics are float32 then.
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

}  // namespace mt

// loss: [n * inner], or one element. stats: per row, the maximum and the log of the sum of
// exp(x - maximum), [n * inner, 2]. total: the mean's denominator, on x's device; left alone where
// CUDA reduces nothing. bad: the first row whose class is out of range, or -1; CUDA leaves it alone
// and reports through cuda/core/index_error.h.
MT_KERNEL(cross_entropy_forward,
          void(const CrossEntropyArgs& args, void* loss, void* stats, double* total, int64_t* bad))
// dy: [n * inner] or one element. total is read for the mean only.
MT_KERNEL(cross_entropy_backward, void(const CrossEntropyArgs& args, const void* stats,
                                       const void* dy, const double* total, void* dx))
MT_KERNEL(nll_forward, void(const CrossEntropyArgs& args, void* loss, double* total, int64_t* bad))
MT_KERNEL(nll_backward,
          void(const CrossEntropyArgs& args, const void* dy, const double* total, void* dx))
