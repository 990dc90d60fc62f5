// Rows by index, sums over equal indices, sorts, selection, groups, scans, image gradients of grid
// sampling, and optimizers.
#include <utility>

#include "cuda/bench/bench.h"
#include "ops/index.h"
#include "ops/optim.h"
#include "ops/scan.h"
#include "ops/search.h"
#include "ops/sort.h"
#include "ops/topk.h"
#include "ops/unique.h"
#include "ops/vision.h"

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

// All indices the same: one run, as long as the index.
void add_long_run(int64_t n, int64_t width) {
  add(title("index_reduce", kF32, shape(n, width) + "/of1"),
      {.bytes = 4 * double(n * width) + 8.0 * double(n), .only_reads = true},
      [=](Operands& o) -> Call {
        void *table = o.normal(kF32, width), *y = o.normal(kF32, n * width);
        const IndexLoop loop = row_loop(kF32, y, table, o.indices(n, 1), n, width, 1);
        return [=] { index_reduce(kF32, IndexReduce::add, loop); };
      });
}

void add_scan(int64_t outer, int64_t n, int64_t inner) {
  const int64_t all = outer * n * inner;
  add(title("scan", kF32, shape(outer, n, inner)), {.bytes = 8 * double(all)},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, all), *y = o.empty(kF32, all);
        return [=] { scan(ScanOp::sum, false, kF32, x, y, outer, n, inner); };
      });
}

void add_sort(DType t, int64_t rows, int64_t n) {
  const std::string name = shape(rows, n);
  const double all = double(rows * n), size = double(itemsize(t));
  add(title("sort_forward", t, name), {.bytes = (2 * size + 8) * all}, [=](Operands& o) -> Call {
    void *x = o.normal(t, rows * n), *y = o.empty(t, rows * n);
    int64_t* index = o.indices(rows * n, 2);
    return [=] { sort_forward(t, false, x, y, index, rows, n, nullptr); };
  });
  for (int64_t k : {int64_t(10), n / 8}) {
    if (k < 1 || k > n) continue;
    add(title("topk_forward", t, name + "/k" + std::to_string(k)),
        {.bytes = size * all, .only_reads = true}, [=](Operands& o) -> Call {
          void *x = o.normal(t, rows * n), *y = o.empty(t, rows * k);
          int64_t* index = o.indices(rows * k, 2);
          return [=] { topk_forward(t, true, x, y, index, rows, n, k); };
        });
  }
  add(title("select_forward", t, name + "/median"), {.bytes = size * all, .only_reads = true},
      [=](Operands& o) -> Call {
        void *x = o.normal(t, rows * n), *y = o.empty(t, rows);
        int64_t* index = o.indices(rows, 2);
        return [=] { select_forward(SelectOp::median, t, x, y, index, rows, n, 1); };
      });
}

// What unique does but for the copy of the number of groups: a sort, groups, places and counts.
void add_unique(int64_t n, int64_t below) {
  const std::string name = std::to_string(n) + "/of" + std::to_string(below);
  add("unique/int64/" + name, {.bytes = 16.0 * double(n)}, [=](Operands& o) -> Call {
    int64_t *x = o.indices(n, below), *order = o.indices(n, 2), *group = o.indices(n, 2);
    int64_t *sorted = o.indices(n, 2), *first = o.indices(n, 2), *inverse = o.indices(n, 2),
            *counts = o.indices(n, 2);
    return [=] {
      sort_forward(DType::Int64, false, x, sorted, order, 1, n, nullptr);
      unique_groups(DType::Int64, sorted, nullptr, n, 1, group);
      unique_fill(order, group, n, n < below ? n : below, first, inverse, counts);
    };
  });
  add("bincount/int64/" + name, {.bytes = 8.0 * double(n), .only_reads = true},
      [=](Operands& o) -> Call {
        int64_t *x = o.indices(n, below), *counts = o.indices(below, 1);
        return [=] { bincount(x, nullptr, counts, n, below); };
      });
}

void add_grid_sample(int64_t batch, int64_t c, int64_t side) {
  const int64_t size = side * side, all = batch * c * size;
  const GridParams p{
      batch, c, {1, side, side}, {1, side, side}, 2, GridMode::bilinear, GridPadding::zeros, false};
  const std::string name = shape(batch, c, side, side);
  const double bytes = 8.0 * double(all) + 8.0 * double(batch * size);
  add(title("grid_sample_forward", kF32, name), {.bytes = bytes}, [=](Operands& o) -> Call {
    void *x = o.normal(kF32, all), *grid = o.normal(kF32, 2 * batch * size);
    void* y = o.empty(kF32, all);
    return [=] { grid_sample_forward(kF32, p, x, grid, y); };
  });
  for (bool image : {true, false})
    add(title(image ? "grid_sample_backward_image" : "grid_sample_backward_grid", kF32, name),
        {.bytes = bytes}, [=](Operands& o) -> Call {
          void *x = o.normal(kF32, all), *grid = o.normal(kF32, 2 * batch * size);
          void *dy = o.normal(kF32, all), *d = o.empty(kF32, image ? all : 2 * batch * size);
          return [=] {
            grid_sample_backward(kF32, p, dy, x, grid, image ? d : nullptr, image ? nullptr : d);
          };
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
  add_long_run(fit(65536, 300), fit(256, 8));
  add_long_run(fit(1 << 20, 300), 1);
  for (auto [rows, n] : {std::pair{fit(65536, 4), fit(32, 20)},
                         {fit(4096, 3), fit(2048, 1100)},
                         {fit(64, 2), fit(1 << 17, 5000)},
                         {int64_t(1), fit(1 << 24, 17000)}})
    add_sort(kF32, rows, n);
  add_sort(kBF16, 1, fit(1 << 24, 17000));
  add_sort(DType::Float64, 1, fit(1 << 22, 5000));
  for (int64_t below : {int64_t(1000), fit(1 << 22, 2000)}) add_unique(fit(1 << 22, 2000), below);
  add_grid_sample(fit(32, 2), fit(16, 3), fit(128, 9));
  add_grid_sample(fit(4, 1), fit(256, 5), fit(64, 8));
  add_scan(fit(4096, 4), fit(128, 50), 1);
  add_scan(fit(2048, 3), fit(2048, 300), 1);
  add_scan(1, fit(1 << 24, 9000), 1);
  add_scan(fit(16, 2), fit(4096, 600), fit(256, 40));
  for (int64_t full : {1 << 16, 1 << 20, 1 << 25}) {
    const int64_t n = fit(full, 2000);
    add_rule("sgd", OptimRule::sgd, n, 3);
    add_rule("sgd_momentum", OptimRule::sgd_momentum, n, 5);
    add_rule("adam", OptimRule::adam, n, 7);
  }
}

}  // namespace
}  // namespace mt::cuda::bench
