#include "ops/optim.h"

#include "ops/amp.h"
#include "ops/dispatch.h"
#include "ops/layout.h"
#include "ops/optim_schedule.h"

namespace mt {
namespace {

using Tensors = std::vector<Tensor>;

OptimOptions with_betas(double beta1, double beta2, double eps, double weight_decay, bool maximize,
                        bool decoupled = false) {
  OptimOptions o{};
  o.beta1 = beta1;
  o.beta2 = beta2;
  o.eps = eps;
  o.weight_decay = weight_decay;
  o.maximize = maximize;
  o.decoupled = decoupled;
  return o;
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

// A step of one optimizer for all its parameters. `steps`, `products` and the parts of `states`
// have a tensor per parameter; the first two may be null.
struct Step {
  const char* name;
  OptimRule rule;
  const Tensors& params;
  const Tensors& grads;
  const Tensors* steps;
  const Tensors* products;
  std::vector<const Tensors*> states;
  OptimOptions options;
  const Operand& lr;
  // Of a GradScaler: the gradients are divided by `scale`; where `found` is not 0 nothing else is
  // done.
  std::optional<Tensor> scale = {}, found = {};

  void check_all() const;
  bool on_device(size_t i) const;
  void run();
};

// Every check comes before the first change.
void Step::check_all() const {
  for (const std::optional<Tensor>& t : {scale, found})
    MT_CHECK(!t || (t->numel() == 1 && t->dtype() == DType::Float32), name,
             "(): grad_scale and found_inf must be float32 tensors of one element");
  const size_t count = params.size();
  MT_CHECK(grads.size() == count, name, "(): got ", count, " parameters and ", grads.size(),
           " gradients");
  const auto check_count = [&](const Tensors* s) {
    MT_CHECK(!s || s->size() == count, name, "(): got ", count, " parameters and ", s->size(),
             " states of one kind");
  };
  for (const Tensors* s : states) check_count(s);
  check_count(steps);
  check_count(products);
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
}

// Whether the GPU that has parameter i computes the coefficients of its step.
bool Step::on_device(size_t i) const {
  const Device device = params[i].device();
  if (device.is_cpu()) return false;
  const auto there = [&](const Tensor& t) {
    return t.device() == device && t.dtype() == DType::Float32 && t.numel() == 1;
  };
  if (steps) return there((*steps)[i]) && (!products || there((*products)[i]));
  return found || scale || (lr.tensor && lr.tensor->device() == device);
}

// g /= scale
void unscale(const Tensor& g, double scale) {
  const Tensor inverse = scalar_tensor(Scalar::of(1 / scale), DType::Float32, g.device());
  const Tensor ignored = scalar_tensor(Scalar::of(0.0), DType::Float32, g.device());
  MT_DISPATCH(g.device(), g.numel(), unscale, g.dtype(), g.data(), g.numel(), inverse.data<float>(),
              ignored.data<float>());
}

void Step::run() {
  const size_t count = params.size();
  check_all();
  struct Copy {
    Tensor work, original;
  };
  std::vector<Copy> copies;
  Tensors keep;
  std::vector<OptimItem> items;
  std::vector<bool> done(count, false);
  // New counts on the host are written once all is done, so that a step that raises changes none.
  struct Count {
    const Tensor& tensor;
    double value;
  };
  std::vector<Count> counts;
  counts.reserve(steps ? (products ? 2 : 1) * count : 0);
  keep.reserve(count);
  bool lr_read = !lr.tensor;
  if (lr_read) options.lr = lr.scalar.d;
  for (size_t first = 0; first < count; first++) {
    if (done[first]) continue;
    // All parameters of one dtype and device go into one call.
    const DType dtype = params[first].dtype();
    const Device device = params[first].device();
    const bool counted_there = on_device(first);
    bool skip = false;
    if (!counted_there) {
      if (!lr_read) options.lr = read(*lr.tensor, name);
      lr_read = true;
      skip = found && read(*found, name) != 0;
    }
    items.clear();
    items.reserve(count - first);
    int64_t total = 0;
    for (size_t i = first; i < count; i++) {
      const Tensor& p = params[i];
      if (done[i] || p.dtype() != dtype || !(p.device() == device) || on_device(i) != counted_there)
        continue;
      done[i] = true;
      Tensor work = is_dense(p) ? p : contiguous(p);
      auto inplace = [&](const Tensor& original, const Tensor& t) {
        if (t.data() != original.data()) copies.push_back({t, original});
        original.bump_version();
        return t.data();
      };
      OptimItem item{};
      item.param = inplace(p, work);
      Tensor g = in_layout_of(work, to_dtype(grads[i], dtype));
      item.grad = scale ? inplace(grads[i], g) : g.data();
      keep.push_back(g);
      if (scale && !counted_there) unscale(g, read(*scale, name));
      if (skip) continue;
      for (size_t k = 0; k < states.size(); k++) {
        const Tensor& state = (*states[k])[i];
        item.state[k] = inplace(state, in_layout_of(work, state));
      }
      item.begin = total;
      item.numel = p.numel();
      if (counted_there) {
        if (steps) item.step = static_cast<float*>((*steps)[i].data());
        if (products) item.product = static_cast<float*>((*products)[i].data());
        for (const Tensors* s : {steps, products})
          if (s) (*s)[i].bump_version();
      } else {
        const double t = steps ? read((*steps)[i], name) + 1 : 0;
        double product = 0;
        if (products) {
          product = nadam_product(options, t, read((*products)[i], name));
          counts.push_back({(*products)[i], product});
        }
        if (steps) counts.push_back({(*steps)[i], t});
        item.c = coefficients_at(rule, options, t, product);
      }
      total += item.numel;
      // Without elements there is only a count to keep.
      if (item.numel > 0 || item.step) items.push_back(item);
    }
    if (items.empty()) continue;
    OptimOnDevice later{&options, nullptr, nullptr, nullptr};
    Tensor lr_there, scale_there, found_there;
    if (counted_there) {
      if (lr.tensor) {
        lr_there = to_device(contiguous(to_dtype(*lr.tensor, DType::Float64)), device);
        later.lr = lr_there.data<double>();
      }
      if (scale) later.scale = (scale_there = to_device(*scale, device)).data<float>();
      if (found) later.found = (found_there = to_device(*found, device)).data<float>();
    }
    MT_DISPATCH(device, total, optim_step, rule, dtype, items.data(), int64_t(items.size()), total,
                counted_there ? &later : nullptr);
  }
  for (const Copy& c : copies) copy_into(c.original, c.work);
  for (const Count& c : counts) write(c.tensor, c.value);
}

void sgd_step(const Tensors& params, const Tensors& grads, const Tensors& buffers,
              const Operand& lr, double momentum, double dampening, double weight_decay,
              bool nesterov, bool maximize, const std::optional<Tensor>& scale,
              const std::optional<Tensor>& found) {
  OptimOptions o{};
  o.beta1 = momentum;
  o.dampening = dampening;
  o.weight_decay = weight_decay;
  o.nesterov = nesterov;
  o.maximize = maximize;
  std::vector<const Tensors*> states;
  if (momentum != 0) states.push_back(&buffers);
  Step{"sgd_step", momentum == 0 ? OptimRule::sgd : OptimRule::sgd_momentum,
       params,     grads,
       nullptr,    nullptr,
       states,     o,
       lr,         scale,
       found}
      .run();
}

void adam_step(const Tensors& params, const Tensors& grads, const Tensors& steps, const Tensors& m,
               const Tensors& v, const Tensors& largest_v, const Operand& lr, double beta1,
               double beta2, double eps, double weight_decay, bool amsgrad, bool maximize,
               bool decoupled, const std::optional<Tensor>& scale,
               const std::optional<Tensor>& found) {
  OptimOptions o = with_betas(beta1, beta2, eps, weight_decay, maximize, decoupled);
  std::vector<const Tensors*> states = {&m, &v};
  if (amsgrad) states.push_back(&largest_v);
  OptimRule rule = amsgrad ? OptimRule::adam_amsgrad : OptimRule::adam;
  Step{"adam_step", rule, params, grads, &steps, nullptr, states, o, lr, scale, found}.run();
}

void rmsprop_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                  const Tensors& v, const Tensors& means, const Tensors& buffers, const Operand& lr,
                  double alpha, double eps, double weight_decay, double momentum, bool centered,
                  bool maximize) {
  OptimOptions o = with_betas(momentum, alpha, eps, weight_decay, maximize);
  std::vector<const Tensors*> states = {&v};
  if (centered) states.push_back(&means);
  if (momentum > 0) states.push_back(&buffers);
  OptimRule rule =
      centered ? (momentum > 0 ? OptimRule::rmsprop_centered_momentum : OptimRule::rmsprop_centered)
               : (momentum > 0 ? OptimRule::rmsprop_momentum : OptimRule::rmsprop);
  Step{"rmsprop_step", rule, params, grads, &steps, nullptr, states, o, lr}.run();
}

void adagrad_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                  const Tensors& sums, const Operand& lr, double lr_decay, double eps,
                  double weight_decay, bool maximize) {
  OptimOptions o = with_betas(0, 0, eps, weight_decay, maximize);
  o.lr_decay = lr_decay;
  Step{"adagrad_step", OptimRule::adagrad, params, grads, &steps, nullptr, {&sums}, o, lr}.run();
}

void adadelta_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                   const Tensors& v, const Tensors& u, const Operand& lr, double rho, double eps,
                   double weight_decay, bool maximize) {
  OptimOptions o = with_betas(0, rho, eps, weight_decay, maximize);
  Step{"adadelta_step", OptimRule::adadelta, params, grads, &steps, nullptr, {&v, &u}, o, lr}.run();
}

void adamax_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                 const Tensors& m, const Tensors& u, const Operand& lr, double beta1, double beta2,
                 double eps, double weight_decay, bool maximize) {
  OptimOptions o = with_betas(beta1, beta2, eps, weight_decay, maximize);
  Step{"adamax_step", OptimRule::adamax, params, grads, &steps, nullptr, {&m, &u}, o, lr}.run();
}

void nadam_step(const Tensors& params, const Tensors& grads, const Tensors& steps,
                const Tensors& products, const Tensors& m, const Tensors& v, const Operand& lr,
                double beta1, double beta2, double eps, double weight_decay, double momentum_decay,
                bool decoupled, bool maximize) {
  OptimOptions o = with_betas(beta1, beta2, eps, weight_decay, maximize, decoupled);
  o.momentum_decay = momentum_decay;
  Step{"nadam_step", OptimRule::nadam, params, grads, &steps, &products, {&m, &v}, o, lr}.run();
}

void radam_step(const Tensors& params, const Tensors& grads, const Tensors& steps, const Tensors& m,
                const Tensors& v, const Operand& lr, double beta1, double beta2, double eps,
                double weight_decay, bool decoupled, bool maximize) {
  OptimOptions o = with_betas(beta1, beta2, eps, weight_decay, maximize, decoupled);
  Step{"radam_step", OptimRule::radam, params, grads, &steps, nullptr, {&m, &v}, o, lr}.run();
}

}  // namespace

// Step counts and the learning rate may lie on the CPU.
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
