// Rows by index, sorts, scans and optimizers.
#include "cuda/bench/bench.h"
#include "ops/index.h"
#include "ops/optim.h"
#include "ops/scan.h"
#include "ops/sort.h"
#include "ops/topk.h"

namespace mt::cuda::bench {
namespace {

// Rows of a table [rows, width], one per index: operands {y [n, width], table, index}.
IndexLoop row_loop(DType t, void* y, void* table, int64_t* index, int64_t n, int64_t width,
                   int64_t rows) {
  const int64_t size = int64_t(itemsize(t));
  IndexLoop loop;
  loop.it = flat(t, width, {y, table, index});
  loop.it.ndim = 2;
  loop.it.numel = n * width;
  loop.it.shape[1] = n;
  const int64_t outer[] = {width * size, 0, 8};
  for (int k = 0; k < 3; k++) loop.it.strides[1][k] = outer[k];
  loop.it.strides[0][2] = 0;
  loop.step = width * size;
  loop.size = rows;
  loop.split = 0;
  return loop;
}

void add_index(int64_t n, int64_t width, int64_t rows) {
  const std::string name = shape(n, width) + "/of" + std::to_string(rows);
  const double elements = double(n * width);
  for (DType t : {kF32, kBF16})
    add(title("index_get", t, name),
        {.bytes = 2 * double(itemsize(t)) * elements + 8.0 * double(n)}, [=](Operands& o) -> Call {
          void *table = o.normal(t, rows * width), *y = o.empty(t, n * width);
          const IndexLoop loop = row_loop(t, y, table, o.indices(n, rows), n, width, rows);
          return [=] { index_get(int64_t(itemsize(t)), loop); };
        });
  add(title("index_reduce", kF32, name), {.bytes = 12 * elements + 8.0 * double(n)},
      [=](Operands& o) -> Call {
        void *table = o.normal(kF32, rows * width), *y = o.normal(kF32, n * width);
        const IndexLoop loop = row_loop(kF32, y, table, o.indices(n, rows), n, width, rows);
        return [=] { index_reduce(kF32, IndexReduce::add, loop); };
      });
}

void add_rows(int64_t rows, int64_t n) {
  const std::string name = shape(rows, n);
  const double all = double(rows * n);
  add(title("scan", kF32, name), {.bytes = 8 * all}, [=](Operands& o) -> Call {
    void *x = o.normal(kF32, rows * n), *y = o.empty(kF32, rows * n);
    return [=] { scan(ScanOp::sum, false, kF32, x, y, rows, n, 1); };
  });
  add(title("sort_forward", kF32, name), {.bytes = 16 * all}, [=](Operands& o) -> Call {
    void *x = o.normal(kF32, rows * n), *y = o.empty(kF32, rows * n);
    int64_t* index = o.indices(rows * n, 2);
    return [=] { sort_forward(kF32, false, x, y, index, rows, n, nullptr); };
  });
  add(title("topk_forward", kF32, name + "/k10"), {.bytes = 4 * all, .only_reads = true},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, rows * n), *y = o.empty(kF32, rows * 10);
        int64_t* index = o.indices(rows * 10, 2);
        return [=] { topk_forward(kF32, true, x, y, index, rows, n, 10); };
      });
}

// `arrays`: read and written.
void add_rule(const char* name, OptimRule rule, int64_t n, double arrays) {
  add(title("optim_step", kF32, std::string(name) + "/" + std::to_string(n)),
      {.bytes = 4 * arrays * double(n)}, [=](Operands& o) -> Call {
        OptimItem item{o.normal(kF32, n),
                       o.normal(kF32, n),
                       {o.normal(kF32, n), o.uniform(kF32, n), nullptr},
                       0,
                       n,
                       {}};
        item.c = {1, 0, 1, 0.9, 0.1, 0.999, 0.001, 1e-8, 1e-3, 1, 1};
        return [=] { optim_step(rule, kF32, &item, 1, n, nullptr); };
      });
}

MT_CUDA_BENCH(index_sort) {
  add_index(fit(8192, 20), fit(768, 40), fit(50304, 30));
  add_index(fit(65536, 40), fit(64, 16), fit(1000, 10));
  add_rows(fit(4096, 4), fit(128, 50));
  add_rows(fit(2048, 3), fit(2048, 300));
  add_rows(1, fit(1 << 20, 9000));
  for (int64_t full : {1 << 16, 1 << 20, 1 << 25}) {
    const int64_t n = fit(full, 2000);
    add_rule("sgd", OptimRule::sgd, n, 3);
    add_rule("sgd_momentum", OptimRule::sgd_momentum, n, 5);
    add_rule("adam", OptimRule::adam, n, 7);
  }
}

}  // namespace
}  // namespace mt::cuda::bench
