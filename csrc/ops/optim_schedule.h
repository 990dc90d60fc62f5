// What the coefficients of a step are, given its number. The host computes them where it keeps the
// count of steps; where the count lives on a GPU, so that a captured graph can go on counting, the
// GPU does.
#pragma once
#include <cmath>

#include "ops/optim.h"

namespace mt {

// u_t of NAdam, the momentum of step t.
MT_INLINE double nadam_momentum(const OptimOptions& o, double t) {
  return o.beta1 * (1 - 0.5 * ::pow(0.96, t * o.momentum_decay));
}

// The product of NAdam's momenta up to step t, rounded to float32 like the one that is kept.
MT_INLINE double nadam_product(const OptimOptions& o, double t, double before) {
  return double(float(before * nadam_momentum(o, t)));
}

// Of step t = 1, 2, ...; `product` is NAdam's of that step.
MT_INLINE OptimCoefficients<double> coefficients_at(OptimRule rule, const OptimOptions& o, double t,
                                                    double product) {
  OptimCoefficients<double> c{};
  c.sign = o.maximize ? -1 : 1;
  c.decay = o.decoupled ? 0 : o.weight_decay;
  c.shrink = o.decoupled ? 1 - o.lr * o.weight_decay : 1;
  c.beta1 = o.beta1;
  c.one_minus_beta1 = 1 - o.beta1;
  c.beta2 = o.beta2;
  c.one_minus_beta2 = 1 - o.beta2;
  c.eps = o.eps;
  c.step = o.lr;
  switch (rule) {
    case OptimRule::sgd_momentum:
      c.one_minus_beta1 = 1 - o.dampening;
      c.scale = o.nesterov ? 1 : 0;
      c.step2 = o.nesterov ? o.beta1 : 1;
      break;
    case OptimRule::adam:
    case OptimRule::adam_amsgrad:
      c.step = o.lr / (1 - ::pow(o.beta1, t));
      c.scale = 1 / ::sqrt(1 - ::pow(o.beta2, t));
      break;
    case OptimRule::adagrad:
      c.step = o.lr / (1 + (t - 1) * o.lr_decay);
      break;
    case OptimRule::adamax:
      c.step = o.lr / (1 - ::pow(o.beta1, t));
      break;
    case OptimRule::nadam: {
      const double mu = nadam_momentum(o, t), mu_next = nadam_momentum(o, t + 1);
      c.scale = 1 / (1 - ::pow(o.beta2, t));
      c.step = o.lr * (1 - mu) / (1 - product);
      c.step2 = o.lr * mu_next / (1 - product * mu_next);
      break;
    }
    case OptimRule::radam: {
      const double rho_inf = 2 / (1 - o.beta2) - 1, power = ::pow(o.beta2, t);
      const double rho = rho_inf - 2 * t * power / (1 - power);
      c.step = o.lr / (1 - ::pow(o.beta1, t));
      c.scale = rho > 5 ? 1 : 0;
      c.eps = rho > 5 ? o.eps : 1;
      if (rho > 5) {
        const double top = (rho - 4) * (rho - 2) * rho_inf;
        c.step *= ::sqrt(top / ((rho_inf - 4) * (rho_inf - 2) * rho)) * ::sqrt(1 - power);
      }
      break;
    }
    default:
      break;
  }
  return c;
}

}  // namespace mt
