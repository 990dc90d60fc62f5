#include "core/check.h"
#include "cuda/bench/bench.h"
#include "ops/copy.h"
#include "ops/flip.h"
#include "ops/join.h"
#include "ops/pad.h"

namespace mt::cuda::bench {
namespace {

void add_transpose(DType t, int64_t batch, int64_t rows, int64_t cols) {
  const int64_t n = batch * rows * cols;
  add(title("copy_transpose", t, shape(batch, rows, cols)),
      {.bytes = 2.0 * double(n) * double(itemsize(t))}, [=](Operands& o) -> Call {
        const void* x = o.normal(t, n);
        const ElementIter it = transposed(t, o.empty(t, n), x, batch, rows, cols);
        return [=] { copy(t, t, it); };
      });
}

void add_convert(DType to, DType from, int64_t n) {
  add(title("copy", from, concat("to_", dtype_name(to), "/", n)),
      {.bytes = double(n) * double(itemsize(to) + itemsize(from))}, [=](Operands& o) -> Call {
        const void* x = o.normal(from, n);
        ElementIter it = flat(to, n, {o.empty(to, n), x});
        it.strides[0][1] = int64_t(itemsize(from));
        return [=] { copy(to, from, it); };
      });
}

MT_CUDA_BENCH(copy) {
  for (int64_t full : {1 << 12, 1 << 18, 1 << 22, 1 << 26}) {
    const int64_t n = fit(full, 4096);
    for (DType t : {kF32, kBF16}) {
      add_convert(t, t, n);
      add(title("fill", t, shape(n)), {.bytes = double(n) * double(itemsize(t))},
          [=](Operands& o) -> Call {
            const ElementIter it = flat(t, n, {o.empty(t, n)});
            return [=] {
              const uint32_t zero = 0;
              fill(t, it, &zero);
            };
          });
    }
    add_convert(kBF16, kF32, n);
    add_convert(kF32, kBF16, n);
  }
  for (DType t : {kF32, kBF16}) {
    for (int64_t n : {64, 512, 2048, 8192}) add_transpose(t, 1, fit(n, 64), fit(n, 64));
    add_transpose(t, fit(32, 2), fit(3136, 49), fit(256, 24));  // NCHW to NHWC
    add_transpose(t, fit(64, 2), fit(12, 4), fit(512, 8));
  }
  const int64_t n = fit(1 << 24, 1024);
  add(title("flip", kF32, shape(n)), {.bytes = 8.0 * double(n)}, [=](Operands& o) -> Call {
    char* x = static_cast<char*>(o.normal(kF32, n));
    ElementIter it = flat(kF32, n, {o.empty(kF32, n), x + (n - 1) * 4});
    it.strides[0][1] = -4;
    return [=] { flip(4, it); };
  });
  const int64_t rows = fit(4096, 16), width = fit(1024, 32);
  add(title("join_rows", kF32, shape(2, rows, width)), {.bytes = 16.0 * double(rows * width)},
      [=](Operands& o) -> Call {
        const void *a = o.normal(kF32, rows * width), *b = o.normal(kF32, rows * width);
        void* y = o.empty(kF32, 2 * rows * width);
        return [=] {
          const void* parts[] = {a, b};
          const int64_t bytes[] = {width * 4, width * 4};
          join_rows(parts, bytes, 2, rows, y);
        };
      });
}

}  // namespace
}  // namespace mt::cuda::bench
