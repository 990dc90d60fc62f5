#include "bench/bench.h"
#include "ops/extremum.h"
#include "ops/reduce.h"

namespace mt::bench {
namespace {

// x [rows, n] over its columns (dim 1) or its rows (dim 0): the iterators of plan_reduction.
struct Plan {
  ElementIter kept, reduced;
};
Plan plan(const float* x, float* y, int64_t rows, int64_t n, int dim) {
  Plan p;
  p.kept = flat(dim == 1 ? rows : n, {y, x, nullptr});
  p.kept.strides[0][1] = dim == 1 ? n * 4 : 4;
  p.kept.strides[0][2] = 0;
  p.reduced = flat(dim == 1 ? n : rows, {x});
  p.reduced.strides[0][0] = dim == 1 ? 4 : n * 4;
  return p;
}

void add_shape(int64_t rows, int64_t n, int dim) {
  std::string shape = std::to_string(rows) + "x" + std::to_string(n) + "/dim" + std::to_string(dim);
  Work work{double(rows * n), 4.0 * double(rows * n), true};
  add("reduce_sum/" + shape, work, [=]() -> Call {
    Floats x = floats(rows * n), y = floats(rows + n);
    return [=] {
      Plan p = plan(x.get(), y.get(), rows, n, dim);
      cpu::reduce_sum(SumOp::sum, DType::Float32, p.kept, p.reduced, 1, false, false);
    };
  });
  add("extremum/" + shape, work, [=]() -> Call {
    Floats x = floats(rows * n), y = floats(rows + n);
    return [=] {
      Plan p = plan(x.get(), y.get(), rows, n, dim);
      cpu::extremum(true, DType::Float32, p.kept, p.reduced);
    };
  });
  add("arg_extremum/" + shape, work, [=]() -> Call {
    Floats x = floats(rows * n);
    Longs index = longs(rows + n, 2);
    return [=] {
      cpu::arg_extremum(true, DType::Float32, x.get(), nullptr, index.get(), dim == 1 ? rows : 1,
                        dim == 1 ? n : rows, dim == 1 ? 1 : n);
    };
  });
}

MT_BENCH(reduce) {
  for (int64_t n : kSizes) add_shape(1, n, 1);
  for (int dim : {0, 1}) {
    add_shape(256, 256, dim);
    add_shape(2048, 2048, dim);
  }
}

}  // namespace
}  // namespace mt::bench
