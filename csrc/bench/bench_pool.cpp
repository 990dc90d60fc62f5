#include "bench/bench.h"

namespace mt::bench {
namespace {

constexpr DType kF32 = DType::Float32;

void add_pool(const std::string& shape, PoolParams p) {
  int64_t nx = p.planes * p.in_size(), ny = p.planes * p.out_size();
  Work work{double(ny * p.taps()), 4.0 * double(nx + ny)};
  Work with_index = {work.flops, work.bytes + double(ny)};
  add("max_pool_forward/" + shape, with_index, [=]() -> Call {
    Floats x = floats(nx), y = floats(ny), index = floats(ny);
    return [=] { cpu::max_pool_forward(kF32, p, x.get(), y.get(), PoolIndex::tap, index.get()); };
  });
  add("max_pool_backward/" + shape, with_index, [=]() -> Call {
    Floats x = floats(nx), y = floats(ny), index = floats(ny), dx = floats(nx);
    cpu::max_pool_forward(kF32, p, x.get(), y.get(), PoolIndex::tap, index.get());
    return [=] { cpu::max_pool_backward(kF32, p, y.get(), PoolIndex::tap, index.get(), dx.get()); };
  });
  add("avg_pool_forward/" + shape, work, [=]() -> Call {
    Floats x = floats(nx), y = floats(ny);
    return [=] { cpu::avg_pool_forward(kF32, p, x.get(), y.get()); };
  });
  add("avg_pool_backward/" + shape, work, [=]() -> Call {
    Floats dy = floats(ny), dx = floats(nx);
    return [=] { cpu::avg_pool_backward(kF32, p, dy.get(), dx.get()); };
  });
}

MT_BENCH(pool) {
  add_pool("64x28x28/2x2", pool_params(64, 28, 2, 2));
  add_pool("1024x56x56/2x2", pool_params(1024, 56, 2, 2));
  add_pool("1024x56x56/3x3s2", pool_params(1024, 56, 3, 2, 1));
}

}  // namespace
}  // namespace mt::bench
