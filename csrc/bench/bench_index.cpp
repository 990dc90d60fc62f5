#include "bench/bench.h"
#include "ops/index.h"

namespace mt::bench {
namespace {

// Rows of a table [rows, width], one per index: operands {y [n, width], table, index}.
IndexLoop row_loop(float* y, float* table, int64_t* index, int64_t n, int64_t width, int64_t rows) {
  IndexLoop loop;
  ElementIter& it = loop.it;
  it.nargs = 3;
  it.ndim = 2;
  it.numel = n * width;
  it.shape[0] = width;
  it.shape[1] = n;
  void* data[] = {y, table, index};
  int64_t inner[] = {4, 4, 0}, outer[] = {width * 4, 0, 8};
  for (int k = 0; k < 3; k++) {
    it.data[k] = static_cast<char*>(data[k]);
    it.strides[0][k] = inner[k];
    it.strides[1][k] = outer[k];
  }
  loop.step = width * 4;
  loop.size = rows;
  loop.split = 0;
  return loop;
}

void add_rows(int64_t n, int64_t width, int64_t rows) {
  std::string shape =
      std::to_string(n) + "x" + std::to_string(width) + "/of" + std::to_string(rows);
  double elements = double(n * width);
  add("index_get/" + shape, {0, 8 * elements + 8.0 * double(n)}, [=]() -> Call {
    Floats table = floats(rows * width), y = floats(n * width);
    Longs index = longs(n, rows);
    return [=] { cpu::index_get(4, row_loop(y.get(), table.get(), index.get(), n, width, rows)); };
  });
  add("index_reduce/" + shape, {elements, 12 * elements + 8.0 * double(n)}, [=]() -> Call {
    Floats table = floats(rows * width), y = floats(n * width);
    Longs index = longs(n, rows);
    return [=] {
      cpu::index_reduce(DType::Float32, IndexReduce::add,
                        row_loop(y.get(), table.get(), index.get(), n, width, rows));
    };
  });
}

MT_BENCH(index) {
  add_rows(128, 64, 100);
  add_rows(1024, 192, 65);
  add_rows(8192, 256, 32000);
}

}  // namespace
}  // namespace mt::bench
