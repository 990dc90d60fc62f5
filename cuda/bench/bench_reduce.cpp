#include "cuda/bench/bench.h"
#include "ops/extremum.h"
#include "ops/reduce.h"

namespace mt::cuda::bench {
namespace {

// x [rows, n] over its columns (dim 1) or its rows (dim 0): the iterators of plan_reduction.
struct Loops {
  ElementIter kept, reduced;
};
Loops loops(DType t, const void* x, void* y, int64_t rows, int64_t n, int dim) {
  const int64_t size = int64_t(itemsize(t));
  Loops l;
  l.kept = flat(t, dim == 1 ? rows : n, {y, x, nullptr});
  l.kept.strides[0][1] = dim == 1 ? n * size : size;
  l.kept.strides[0][2] = 0;
  l.reduced = flat(t, dim == 1 ? n : rows, {x});
  l.reduced.strides[0][0] = dim == 1 ? size : n * size;
  return l;
}

void add_shape(DType t, int64_t rows, int64_t n, int dim) {
  const std::string name = shape(rows, n) + "/dim" + std::to_string(dim);
  const Work work{.flops = double(rows * n),
                  .bytes = double(rows * n) * double(itemsize(t)),
                  .only_reads = true};
  const auto operands = [=](Operands& o) {
    const void* x = o.normal(t, rows * n);
    return loops(t, x, o.empty(t, dim == 1 ? rows : n), rows, n, dim);
  };
  add(title("reduce_sum", t, name), work, [=](Operands& o) -> Call {
    const Loops l = operands(o);
    return [=] { reduce_sum(SumOp::sum, t, l.kept, l.reduced, 1, false, false); };
  });
  add(title("extremum", t, name), work, [=](Operands& o) -> Call {
    const Loops l = operands(o);
    return [=] { extremum(true, t, l.kept, l.reduced); };
  });
  add(title("arg_extremum", t, name), work, [=](Operands& o) -> Call {
    const void* x = o.normal(t, rows * n);
    int64_t* index = o.indices(dim == 1 ? rows : n, 2);
    return [=] {
      arg_extremum(true, t, x, nullptr, index, dim == 1 ? rows : 1, dim == 1 ? n : rows,
                   dim == 1 ? 1 : n);
    };
  });
}

MT_CUDA_BENCH(reduce) {
  for (DType t : {kF32, kBF16}) {
    for (int64_t n : {1 << 12, 1 << 20, 1 << 26}) add_shape(t, 1, fit(n, 4096), 1);
    for (int dim : {0, 1}) {
      add_shape(t, fit(256, 32), fit(256, 40), dim);
      add_shape(t, fit(4096, 32), fit(4096, 40), dim);
      add_shape(t, fit(65536, 100), fit(128, 16), dim);
      add_shape(t, fit(128, 16), fit(65536, 300), dim);
    }
  }
}

}  // namespace
}  // namespace mt::cuda::bench
