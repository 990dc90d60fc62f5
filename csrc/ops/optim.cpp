#include "ops/optim.h"

#include <cmath>

#include "ops/dispatch.h"

namespace mt {
namespace {

using Tensors = std::vector<Tensor>;
using Coefficients = OptimCoefficients<double>;

// Coefficients that change nothing: to be filled by each optimizer.
Coefficients neutral(bool maximize, double weight_decay = 0) {
  Coefficients c{};
  c.sign = maximize ? -1 : 1;
  c.decay = weight_decay;
  c.shrink = 1;
  return c;
}
void set_betas(Coefficients& c, double beta1, double beta2) {
  c.beta1 = beta1;
  c.one_minus_beta1 = 1 - beta1;
  c.beta2 = beta2;
  c.one_minus_beta2 = 1 - beta2;
}
void set_decay(Coefficients& c, double lr, double weight_decay, bool decoupled) {
  c.decay = decoupled ? 0 : weight_decay;
  c.shrink = decoupled ? 1 - lr * weight_decay : 1;
}

// Whether the elements fill one block of memory, in whatever order.
bool is_dense(const Tensor& t) {
  if (t.is_contiguous()) return true;
  bool seen[kMaxDims] = {};
  int64_t expected = 1;
  for (int done = 0; done < t.dim(); done++) {
    int next = -1;
    for (int i = 0; i < t.dim(); i++)
      if (!seen[i] && (t.size(i) == 1 || t.stride(i) == expected)) next = i;
    if (next < 0) return false;
    seen[next] = true;
    expected *= t.size(next);
  }
  return true;
}
bool same_layout(const Tensor& a, const Tensor& b) {
  return a.is_contiguous() ? b.is_contiguous() : a.strides() == b.strides();
}

// `t` where its elements lie as those of `like`, else a copy that does.
Tensor in_layout_of(const Tensor& like, const Tensor& t) {
  if (same_layout(like, t) && is_dense(t)) return t;
  Tensor copy = like.is_contiguous()
                    ? empty(like.sizes(), t.dtype(), t.device())
                    : empty_strided(like.sizes(), like.strides(), t.dtype(), t.device());
  copy_into(copy, t);
  return copy;
}

void check(const char* name, const Tensor& p, const Tensor& t, const char* what) {
  MT_CHECK(p.same_shape(t), name, "(): ", what, " has shape ", t.sizes(), ", the parameter ",
           p.sizes());
  check_same_device(p, t, name);
}

// A step of `rule` for all parameters; coefficients(i) are those of parameter i.
template <class F>
void run(const char* name, OptimRule rule, const Tensors& params, const Tensors& grads,
         const std::vector<const Tensors*>& states, const F& coefficients) {
  size_t count = params.size();
  MT_CHECK(grads.size() == count, name, "(): got ", count, " parameters and ", grads.size(),
           " gradients");
  for (const Tensors* s : states)
    MT_CHECK(s->size() == count, name, "(): got ", count, " parameters and ", s->size(),
             " states of one kind");
  // Every check comes before the first change.
  for (size_t i = 0; i < count; i++) {
    const Tensor& p = params[i];
    check_floating(p, name, "parameters");
    check_no_overlap(p, name);
    check(name, p, grads[i], "a gradient");
    for (const Tensors* s : states) {
      check(name, p, (*s)[i], "a state");
      MT_CHECK((*s)[i].dtype() == p.dtype(), name, "(): a state has dtype ", (*s)[i].dtype(),
               ", its parameter ", p.dtype());
    }
  }

  struct Copy {
    Tensor work, original;
  };
  std::vector<Copy> copies;
  Tensors keep;
  std::vector<OptimItem> items;
  std::vector<bool> done(count, false);
  for (size_t first = 0; first < count; first++) {
    if (done[first]) continue;
    // All parameters of one dtype and device go into one call.
    DType dtype = params[first].dtype();
    items.clear();
    int64_t total = 0;
    for (size_t i = first; i < count; i++) {
      const Tensor& p = params[i];
      if (done[i] || p.dtype() != dtype || !(p.device() == params[first].device())) continue;
      done[i] = true;
      if (p.numel() == 0) continue;
      Tensor work = is_dense(p) ? p : contiguous(p);
      auto inplace = [&](const Tensor& original, const Tensor& t) {
        if (t.data() != original.data()) copies.push_back({t, original});
        original.bump_version();
        return t.data();
      };
      OptimItem item{};
      item.param = inplace(p, work);
      Tensor g = in_layout_of(work, to_dtype(grads[i], dtype));
      item.grad = g.data();
      keep.push_back(g);
      for (size_t k = 0; k < states.size(); k++) {
        const Tensor& state = (*states[k])[i];
        item.state[k] = inplace(state, in_layout_of(work, state));
      }
      item.begin = total;
      item.numel = p.numel();
      item.c = coefficients(i);
      total += item.numel;
      items.push_back(item);
    }
    if (total > 0)
      MT_DISPATCH(params[first].device(), total, optim_step, rule, dtype, items.data(),
                  int64_t(items.size()), total);
  }
  for (const Copy& c : copies) copy_into(c.original, c.work);
}

double read(const Tensor& t, const char* name) {
  MT_CHECK(t.numel() == 1, name, "(): a step count must have one element, got shape ", t.sizes());
  if (!t.device().is_cpu()) return read(to_device(t, {}), name);
  if (t.dtype() == DType::Float32) return *t.data<float>();
  if (t.dtype() == DType::Float64) return *t.data<double>();
  return *to_dtype(t, DType::Float64).data<double>();
}
void write(const Tensor& t, double value) {
  if (t.device().is_cpu() && t.dtype() == DType::Float32) *t.data<float>() = float(value);
  else copy_into(t, scalar_tensor(Scalar::of(value), DType::Float64, {}));
  t.bump_version();
}

// The numbers of the steps to take; `count_up` writes them back once the step is done, so that a
// step that raises changes nothing.
std::vector<double> next_steps(const char* name, const Tensors& params, const Tensors& steps) {
  MT_CHECK(steps.size() == params.size(), name, "(): got ", params.size(), " parameters and ",
           steps.size(), " step counts");
  std::vector<double> t;
  t.reserve(steps.size());
  for (const Tensor& s : steps) t.push_back(read(s, name) + 1);
  return t;
}
void count_up(const Tensors& steps, const std::vector<double>& t) {
  for (size_t i = 0; i < t.size(); i++) write(steps[i], t[i]);
}

void sgd_step(const Tensors& params, const Tensors& grads, const Tensors& buffers, double lr,
              double momentum, double dampening, double weight_decay, bool nesterov,
              bool maximize) {
  Coefficients c = neutral(maximize, weight_decay);
  c.step = lr;
  if (momentum == 0) {
    run("sgd_step", OptimRule::sgd, params, grads, {}, [&](size_t) { return c; });
    return;
  }
  c.beta1 = momentum;
  c.one_minus_beta1 = 1 - dampening;
  c.scale = nesterov ? 1 : 0;
  c.step2 = nesterov ? momentum : 1;
  run("sgd_step", OptimRule::sgd_momentum, params, grads, {&buffers}, [&](size_t) { return c; });
}

void adam_step(const Tensors& params, const Tensors& grads, const Tensors& steps, const Tensors& m,
               const Tensors& v, const Tensors& largest_v, double lr, double beta1, double beta2,
               double eps, double weight_decay, bool amsgrad, bool maximize, bool decoupled) {
  std::vector<double> t = next_steps("adam_step", params, steps);
  Coefficients c = neutral(maximize);
  set_betas(c, beta1, beta2);
  set_decay(c, lr, weight_decay, decoupled);
  c.eps = eps;
  auto coefficients = [&](size_t i) {
    c.step = lr / (1 - std::pow(beta1, t[i]));
    c.scale = 1 / std::sqrt(1 - std::pow(beta2, t[i]));
    return c;
  };
  if (amsgrad)
    run("adam_step", OptimRule::adam_amsgrad, params, grads, {&m, &v, &largest_v}, coefficients);
  else run("adam_step", OptimRule::adam, params, grads, {&m, &v}, coefficients);
  count_up(steps, t);
}

void rmsprop_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                  const Tensors& v, const Tensors& means, const Tensors& buffers, double lr,
                  double alpha, double eps, double weight_decay, double momentum, bool centered,
                  bool maximize) {
  std::vector<double> t = next_steps("rmsprop_step", params, steps);
  Coefficients c = neutral(maximize, weight_decay);
  set_betas(c, momentum, alpha);
  c.eps = eps;
  c.step = lr;
  auto coefficients = [&](size_t) { return c; };
  std::vector<const Tensors*> states = {&v};
  if (centered) states.push_back(&means);
  if (momentum > 0) states.push_back(&buffers);
  OptimRule rule =
      centered ? (momentum > 0 ? OptimRule::rmsprop_centered_momentum : OptimRule::rmsprop_centered)
               : (momentum > 0 ? OptimRule::rmsprop_momentum : OptimRule::rmsprop);
  run("rmsprop_step", rule, params, grads, states, coefficients);
  count_up(steps, t);
}

void adagrad_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                  const Tensors& sums, double lr, double lr_decay, double eps, double weight_decay,
                  bool maximize) {
  std::vector<double> t = next_steps("adagrad_step", params, steps);
  Coefficients c = neutral(maximize, weight_decay);
  c.eps = eps;
  run("adagrad_step", OptimRule::adagrad, params, grads, {&sums}, [&](size_t i) {
    c.step = lr / (1 + (t[i] - 1) * lr_decay);
    return c;
  });
  count_up(steps, t);
}

void adadelta_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                   const Tensors& v, const Tensors& u, double lr, double rho, double eps,
                   double weight_decay, bool maximize) {
  std::vector<double> t = next_steps("adadelta_step", params, steps);
  Coefficients c = neutral(maximize, weight_decay);
  set_betas(c, 0, rho);
  c.eps = eps;
  c.step = lr;
  run("adadelta_step", OptimRule::adadelta, params, grads, {&v, &u}, [&](size_t) { return c; });
  count_up(steps, t);
}

void adamax_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                 const Tensors& m, const Tensors& u, double lr, double beta1, double beta2,
                 double eps, double weight_decay, bool maximize) {
  std::vector<double> t = next_steps("adamax_step", params, steps);
  Coefficients c = neutral(maximize, weight_decay);
  set_betas(c, beta1, beta2);
  c.eps = eps;
  run("adamax_step", OptimRule::adamax, params, grads, {&m, &u}, [&](size_t i) {
    c.step = lr / (1 - std::pow(beta1, t[i]));
    return c;
  });
  count_up(steps, t);
}

void nadam_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                const Tensors& mu_products, const Tensors& m, const Tensors& v, double lr,
                double beta1, double beta2, double eps, double weight_decay, double momentum_decay,
                bool decoupled, bool maximize) {
  const char* name = "nadam_step";
  MT_CHECK(mu_products.size() == params.size(), name, "(): got ", params.size(), " parameters and ",
           mu_products.size(), " momentum products");
  std::vector<double> t = next_steps(name, params, steps), product;
  auto momentum = [&](double step) {
    return beta1 * (1 - 0.5 * std::pow(0.96, step * momentum_decay));
  };
  // Rounded to float32 like the stored product.
  for (size_t i = 0; i < t.size(); i++)
    product.push_back(double(float(read(mu_products[i], name) * momentum(t[i]))));
  Coefficients c = neutral(maximize);
  set_betas(c, beta1, beta2);
  set_decay(c, lr, weight_decay, decoupled);
  c.eps = eps;
  run(name, OptimRule::nadam, params, grads, {&m, &v}, [&](size_t i) {
    double mu = momentum(t[i]), mu_next = momentum(t[i] + 1);
    c.scale = 1 / (1 - std::pow(beta2, t[i]));
    c.step = lr * (1 - mu) / (1 - product[i]);
    c.step2 = lr * mu_next / (1 - product[i] * mu_next);
    return c;
  });
  count_up(mu_products, product);
  count_up(steps, t);
}

void radam_step(const Tensors& params, const Tensors& grads, const Tensors& steps, const Tensors& m,
                const Tensors& v, double lr, double beta1, double beta2, double eps,
                double weight_decay, bool decoupled, bool maximize) {
  std::vector<double> t = next_steps("radam_step", params, steps);
  Coefficients c = neutral(maximize);
  set_betas(c, beta1, beta2);
  set_decay(c, lr, weight_decay, decoupled);
  double rho_inf = 2 / (1 - beta2) - 1;
  run("radam_step", OptimRule::radam, params, grads, {&m, &v}, [&](size_t i) {
    double power = std::pow(beta2, t[i]);
    double rho = rho_inf - 2 * t[i] * power / (1 - power);
    c.step = lr / (1 - std::pow(beta1, t[i]));
    c.scale = rho > 5 ? 1 : 0;
    c.eps = rho > 5 ? eps : 1;
    if (rho > 5) {
      double top = (rho - 4) * (rho - 2) * rho_inf;
      c.step *= std::sqrt(top / ((rho_inf - 4) * (rho_inf - 2) * rho)) * std::sqrt(1 - power);
    }
    return c;
  });
  count_up(steps, t);
}

}  // namespace

// Step counts may lie on the CPU.
MT_BIND(optim) {
  def_plain<&sgd_step, kAnyDevice>(m, "sgd_step");
  def_plain<&adam_step, kAnyDevice>(m, "adam_step");
  def_plain<&rmsprop_step, kAnyDevice>(m, "rmsprop_step");
  def_plain<&adagrad_step, kAnyDevice>(m, "adagrad_step");
  def_plain<&adadelta_step, kAnyDevice>(m, "adadelta_step");
  def_plain<&adamax_step, kAnyDevice>(m, "adamax_step");
  def_plain<&nadam_step, kAnyDevice>(m, "nadam_step");
  def_plain<&radam_step, kAnyDevice>(m, "radam_step");
}

}  // namespace mt
