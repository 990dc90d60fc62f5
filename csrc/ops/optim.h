// One step of an optimizer over many parameters at once.
#pragma once
#include "core/dtype.h"
#include "core/isa.h"

namespace mt {

// The states of a parameter are, in this order:
enum class OptimRule : int {
  sgd,                        // none
  sgd_momentum,               // b
  adam,                       // m, v
  adam_amsgrad,               // m, v, largest v
  rmsprop,                    // v
  rmsprop_momentum,           // v, b
  rmsprop_centered,           // v, mean
  rmsprop_centered_momentum,  // v, mean, b
  adagrad,                    // s
  adadelta,                   // v, u
  adamax,                     // m, u
  nadam,                      // m, v
  radam,                      // m, v
};

// What the formulas multiply with. Everything that depends on the step's number is folded in, in
// double, before the kernel converts to the type it computes in.
template <class T>
struct OptimCoefficients {
  T sign;    // -1 to maximise: g = sign g
  T decay;   // g = g + decay p
  T shrink;  // p = shrink p, the decoupled decay
  T beta1;   // decay of the first average or of the momentum
  T one_minus_beta1;
  T beta2;  // decay of the second average
  T one_minus_beta2;
  T eps;
  T step;   // step size
  T step2;  // nadam: step size of the momentum; sgd: weight of b
  T scale;  // factor inside the denominator; sgd: weight of g
};

// What an optimizer was given; csrc/ops/optim_schedule.h makes coefficients of it.
struct OptimOptions {
  double lr, beta1, beta2, eps, weight_decay;
  double dampening, lr_decay, momentum_decay;  // sgd, adagrad, nadam
  bool maximize, decoupled, nesterov;
};

struct OptimItem {
  void* param;
  void* grad;  // changed only by `scale` below
  void* state[3];
  int64_t begin;  // elements of the parameters before this one
  int64_t numel;
  OptimCoefficients<double> c;
  // With OptimOnDevice: the count of steps (none for sgd) and NAdam's product, counted up.
  float* step;
  float* product;
};

// A step whose coefficients a GPU computes when it runs; all pointers are to its memory. They may
// be null, but for `options`, which lies on the host.
struct OptimOnDevice {
  const OptimOptions* options;
  const double* lr;    // in place of the options'
  const float* scale;  // the gradients are divided by it, in place
  const float* found;  // not 0: nothing is changed but the gradients
};

}  // namespace mt

// p and its states of `count` parameters, updated in place; `total` elements in all. `device` is
// null where the items hold their coefficients, as they must on the CPU.
MT_KERNEL(optim_step, void(OptimRule rule, DType dtype, const OptimItem* items, int64_t count,
                           int64_t total, const OptimOnDevice* device))
