#include "bench/bench.h"
#include "core/allocator.h"
#include "ops/scan.h"
#include "ops/sort.h"
#include "ops/topk.h"

namespace mt::bench {
namespace {

constexpr DType kF32 = DType::Float32;

void add_rows(int64_t rows, int64_t n) {
  std::string shape = std::to_string(rows) + "x" + std::to_string(n);
  double all = double(rows * n);
  add("scan/" + shape, {all, 8 * all}, [=]() -> Call {
    Floats x = floats(rows * n), y = floats(rows * n);
    return [=] { cpu::scan(ScanOp::sum, false, kF32, x.get(), y.get(), rows, n, 1); };
  });
  add("sort_forward/" + shape, {0, 16 * all}, [=]() -> Call {
    Floats x = floats(rows * n), y = floats(rows * n);
    Longs index = longs(rows * n, 2);
    const int64_t words = sort_work_bytes(kF32, n) / 8;
    Longs work = words ? longs(words, 2) : nullptr;
    return
        [=] { cpu::sort_forward(kF32, false, x.get(), y.get(), index.get(), rows, n, work.get()); };
  });
  add("topk_forward/" + shape + "/k10", {0, 4 * all, true}, [=]() -> Call {
    Floats x = floats(rows * n), y = floats(rows * 10);
    Longs index = longs(rows * 10, 2);
    return [=] { cpu::topk_forward(kF32, true, x.get(), y.get(), index.get(), rows, n, 10); };
  });
}

MT_BENCH(scan_sort) {
  add_rows(64, 64);
  add_rows(2048, 2048);
  add_rows(1, 1 << 20);
}

}  // namespace
}  // namespace mt::bench
