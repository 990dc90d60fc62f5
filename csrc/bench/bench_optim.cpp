#include "bench/bench.h"
#include "ops/optim.h"

namespace mt::bench {
namespace {

// `traffic`: arrays read and written; flops as the rule is written.
void add_rule(const char* name, OptimRule rule, double flops, double traffic) {
  for (int64_t n : kSizes)
    add("optim_step/" + std::string(name) + "/" + std::to_string(n),
        {flops * double(n), 4 * traffic * double(n)}, [=]() -> Call {
          Floats p = floats(n), g = floats(n), m = floats(n), v = floats(n);
          for (int64_t i = 0; i < n; i++) v.get()[i] *= v.get()[i];  // a second moment
          OptimItem item{p.get(), g.get(), {m.get(), v.get(), nullptr}, 0, n, {}};
          item.c = {1, 0, 1, 0.9, 0.1, 0.999, 0.001, 1e-8, 1e-3, 1, 1};
          return [=] {
            (void)p, (void)g, (void)m, (void)v;
            cpu::optim_step(rule, DType::Float32, &item, 1, n, nullptr);
          };
        });
}

MT_BENCH(optim) {
  add_rule("sgd", OptimRule::sgd, 3, 3);
  add_rule("sgd_momentum", OptimRule::sgd_momentum, 6, 5);
  add_rule("adam", OptimRule::adam, 14, 7);
}

}  // namespace
}  // namespace mt::bench
