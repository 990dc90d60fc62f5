// Losses of pairs of elements. One line is one loss: its value and its derivative by x.
//
// x is the input, t the target, d = x - t, p the loss's parameter, q the weight of positives;
// `T` is float or double; fn:: is csrc/kernels/math.h, the other functions are in
// csrc/kernels/loss_math.h. fn::select evaluates both sides, so that loops have no branches.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"
#include "ops/cross_entropy.h"

#define MT_LOSS_OPS(X)                                                                         \
  X(mse_loss, d* d, T(2) * d)                                                                  \
  X(l1_loss, fn::fabs(d), sign(d))                                                             \
  X(smooth_l1_loss, fn::select(fn::fabs(d) < p, T(0.5) * d * d / p, fn::fabs(d) - T(0.5) * p), \
    clamp(d / p, T(1)))                                                                        \
  X(huber_loss, fn::select(fn::fabs(d) <= p, T(0.5) * d * d, p * (fn::fabs(d) - T(0.5) * p)),  \
    clamp(d, p))                                                                               \
  X(binary_cross_entropy, -(t * log_or_100(fn::log(x)) + (T(1) - t) * log_or_100(log1p(-x))),  \
    (x - t) / at_least((T(1) - x) * x, T(1e-12)))                                              \
  X(bce_with_logits, softplus(x) - t * x, sigmoid(x) - t)                                      \
  X(bce_with_logits_positive, (T(1) - t) * x + ((q - T(1)) * t + T(1)) * softplus(-x),         \
    (T(1) - t) - ((q - T(1)) * t + T(1)) * sigmoid(-x))                                        \
  X(kl_div, fn::select(t == T(0), -t * x, t * (fn::log(t) - x)), -t)                           \
  X(kl_div_log, fn::exp(t) * (t - x), -fn::exp(t))                                             \
  X(soft_margin_loss, softplus(-t* x), -t* sigmoid(-t* x))                                     \
  X(poisson_nll, x - t * fn::log(x + p), T(1) - t / (x + p))                                   \
  X(poisson_nll_log, fn::exp(x) - t * x, fn::exp(x) - t)

namespace mt {

#define MT_LOSS_ENUMERATOR_(name, ...) name,
enum class LossOp : int { MT_LOSS_OPS(MT_LOSS_ENUMERATOR_) };

// n elements, all operands contiguous, float32 or float64.
struct LossArgs {
  LossOp op;
  DType dtype;
  int64_t n;
  const void* x;
  const void* t;
  const void* weight = nullptr;    // of each element; null: ones
  const void* positive = nullptr;  // q
  double parameter = 0;
  Reduction reduction = Reduction::mean;
};

}  // namespace mt

// out: n elements, or one. *in_range becomes false where an x does not lie in [0, 1], for
// binary_cross_entropy; on a GPU an error is raised at a later check instead.
MT_KERNEL(loss_forward, void(const LossArgs& args, void* out, bool* in_range))
// dy: n elements, or one.
MT_KERNEL(loss_backward, void(const LossArgs& args, const void* dy, void* dx))
