#include "ops/random.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

// Runs a kernel on contiguous memory of y's shape and copies it to y where y is not contiguous.
template <class F>
void fill(const Tensor& y, const char* name, const F& f) {
  check_no_overlap(y, name);
  if (y.is_contiguous()) {
    f(y);
  } else {
    Tensor t = empty_like(y);
    f(t);
    copy_into(y, t);
  }
  y.bump_version();
}

template <RandomOp op, bool any_dtype = false>
struct Named {
  static inline const char* name = "";
  static void run(const Tensor& y, double a, double b, int64_t seed, int64_t offset) {
    if (any_dtype && !is_floating(y.dtype())) {
      Tensor t = empty_like(y, DType::Float64);
      run(t, a, b, seed, offset);
      copy_into(y, t);
      y.bump_version();
      return;
    }
    check_floating(y, name, "a tensor");
    fill(y, name, [&](const Tensor& t) {
      MT_DISPATCH(t.device(), t.numel(), random_fill, op, t.dtype(), t.data(), t.numel(),
                  uint64_t(seed), uint64_t(offset), a, b);
    });
  }
};

// Integers in [low, high), or in all of int64 where high == low.
void random_(const Tensor& y, int64_t low, int64_t high, int64_t seed, int64_t offset) {
  uint64_t range = uint64_t(high) - uint64_t(low);
  bool wide = range == 0 || range > (uint64_t(1) << 32);
  fill(y, "random_", [&](const Tensor& t) {
    MT_DISPATCH(t.device(), t.numel(), random_integers, t.dtype(), t.data(), t.numel(),
                uint64_t(seed), uint64_t(offset), low, range, wide);
  });
}

void check_probabilities(const Tensor& p, const char* name) {
  Tensor q = contiguous(to_dtype(p, DType::Float64));
  bool good = true;
  MT_DISPATCH(q.device(), q.numel(), all_probabilities, q.data<double>(), q.numel(), &good);
  MT_CHECK(good, name, "(): expects all probabilities to be >= 0 and <= 1");
}

void bernoulli_(const Tensor& y, const Operand& p, int64_t seed, int64_t offset) {
  float one = float(p.scalar.d);
  Tensor many;
  if (p.tensor) {
    check_probabilities(*p.tensor, "bernoulli_");
    many = contiguous(to_dtype(expand_to(*p.tensor, y.sizes(), "bernoulli_"), DType::Float32));
  } else {
    MT_CHECK(p.scalar.d >= 0 && p.scalar.d <= 1,
             "bernoulli_(): expects p to be in [0, 1], but got p=", p.scalar.d);
  }
  fill(y, "bernoulli_", [&](const Tensor& t) {
    MT_DISPATCH(t.device(), t.numel(), random_bernoulli, t.dtype(), t.data(),
                p.tensor ? many.data<float>() : nullptr, one, t.numel(), uint64_t(seed),
                uint64_t(offset));
  });
}

Tensor poisson(const Tensor& rate, int64_t seed, int64_t offset) {
  check_floating(rate, "poisson", "rates");
  DType dtype = rate.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  Tensor r = contiguous(to_dtype(rate, dtype)), y = empty_like(r);
  MT_DISPATCH(y.device(), y.numel(), random_poisson, dtype, y.data(), r.data(), y.numel(),
              uint64_t(seed), uint64_t(offset));
  return to_dtype(y, rate.dtype());
}

Tensor randperm(int64_t n, int64_t seed, int64_t offset) {
  MT_CHECK(n >= 0, "randperm(): n must be non-negative, got ", n);
  MT_CHECK(offset >= 0,
           "cannot be captured in a CUDA graph, because the CPU makes the permutation");
  Tensor y = empty({n}, DType::Int64, {});
  MT_DISPATCH_CPU(y.device(), n, random_permutation, y.data<int64_t>(), n, uint64_t(seed),
                  uint64_t(offset));
  return y;
}

Tensor multinomial(const Tensor& weights, int64_t draws, bool replacement, int64_t seed,
                   int64_t offset) {
  check_floating(weights, "multinomial", "weights");
  MT_CHECK(weights.dim() == 1 || weights.dim() == 2,
           "multinomial(): prob_dist must be 1 or 2 dim, got shape ", weights.sizes());
  int64_t n = weights.size(-1), rows = weights.dim() == 2 ? weights.size(0) : 1;
  MT_CHECK(draws > 0, "multinomial(): cannot sample n_sample <= 0 samples, got ", draws);
  MT_CHECK(replacement || draws <= n,
           "multinomial(): cannot sample n_sample > prob_dist.size(-1) "
           "samples without replacement: ",
           draws, " of ", n);
  Tensor p = contiguous(to_dtype(weights, DType::Float64));
  const double* v = p.data<double>();
  WeightProblem problem = WeightProblem::none;
  MT_DISPATCH(p.device(), rows * n, multinomial_problem, v, rows, n, replacement ? 1 : draws,
              &problem);
  MT_CHECK(problem != WeightProblem::invalid,
           "multinomial(): probability tensor contains either `inf`, `nan` or element < 0");
  MT_CHECK(problem != WeightProblem::all_zero,
           "multinomial(): invalid multinomial distribution (sum of probabilities <= 0)");
  MT_CHECK(problem != WeightProblem::too_few,
           "multinomial(): invalid multinomial distribution (with "
           "replacement=False, not enough non-negative category to sample)");
  Dims shape;
  if (weights.dim() == 2) shape.push(rows);
  shape.push(draws);
  Tensor y = empty(shape, DType::Int64, p.device());
  Tensor work = empty({rows, n}, DType::Float64, p.device());
  MT_DISPATCH(y.device(), rows * n, random_multinomial, v, y.data<int64_t>(), rows, n, draws,
              replacement, work.data<double>(), uint64_t(seed), uint64_t(offset));
  return y;
}

// Note [Places in a captured graph]
void write_place(const Tensor& place, int64_t seed, int64_t offset) {
  MT_CHECK(place.numel() == 2 && place.dtype() == DType::Int64,
           "write_place(): expected two int64");
  MT_DISPATCH(place.device(), 2, write_place, reinterpret_cast<uint64_t*>(place.data()),
              uint64_t(seed), uint64_t(offset));
}

}  // namespace

MT_BIND(random) {
#define MT_DEF_(op, ...)                              \
  Named<RandomOp::op, ##__VA_ARGS__>::name = #op "_"; \
  def_plain<&Named<RandomOp::op, ##__VA_ARGS__>::run>(m, #op "_");
  MT_DEF_(uniform)
  MT_DEF_(normal)
  MT_DEF_(exponential)
  MT_DEF_(geometric, true)
  MT_DEF_(cauchy)
  MT_DEF_(log_normal)
  def_plain<&random_>(m, "random_");
  def_plain<&bernoulli_>(m, "bernoulli_");
  def_plain<&poisson>(m, "poisson");
  def_plain<&randperm>(m, "randperm");
  def_plain<&multinomial>(m, "multinomial");
  def_plain<&write_place>(m, "write_place");
}

}  // namespace mt
