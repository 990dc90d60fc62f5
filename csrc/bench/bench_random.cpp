#include "bench/bench.h"
#include "ops/random.h"

namespace mt::bench {
namespace {

void add_fill(const char* name, RandomOp op) {
  for (int64_t n : kSizes)
    add("random_fill/" + std::string(name) + "/" + std::to_string(n), {0, 4.0 * double(n)},
        [=]() -> Call {
          Floats y = floats(n);
          return [=] { cpu::random_fill(op, DType::Float32, y.get(), n, 7, 0, 0, 1); };
        });
}

MT_BENCH(random) {
  add_fill("uniform", RandomOp::uniform);
  add_fill("normal", RandomOp::normal);
}

}  // namespace
}  // namespace mt::bench
