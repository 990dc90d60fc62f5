// Softmax, norms and cross-entropy.
#include "cuda/bench/bench.h"
#include "ops/batch_norm.h"
#include "ops/cross_entropy.h"
#include "ops/layer_norm.h"
#include "ops/softmax.h"

namespace mt::cuda::bench {
namespace {

double bytes_of(DType t, int64_t n, int arrays) {
  return double(arrays) * double(n) * double(itemsize(t));
}

void add_softmax(DType t, int64_t outer, int64_t n, int64_t inner) {
  const int64_t all = outer * n * inner;
  const std::string name = shape(outer, n, inner);
  add(title("softmax_forward", t, name), {.bytes = bytes_of(t, all, 2)}, [=](Operands& o) -> Call {
    void *x = o.normal(t, all), *y = o.empty(t, all);
    return [=] { softmax_forward(false, t, x, y, outer, n, inner); };
  });
  add(title("softmax_backward", t, name), {.bytes = bytes_of(t, all, 3)}, [=](Operands& o) -> Call {
    void *dy = o.normal(t, all), *y = o.uniform(t, all), *dx = o.empty(t, all);
    return [=] { softmax_backward(false, t, dy, y, dx, outer, n, inner); };
  });
}

void add_layer_norm(DType t, int64_t rows, int64_t n) {
  const int64_t all = rows * n;
  const auto arguments = [=](Operands& o) {
    return LayerNormArgs{t, true, rows, n, o.normal(t, all), o.normal(t, n), o.normal(t, n), 1e-5};
  };
  add(title("layer_norm_forward", t, shape(rows, n)), {.bytes = bytes_of(t, all, 2)},
      [=](Operands& o) -> Call {
        const LayerNormArgs args = arguments(o);
        void* y = o.empty(t, all);
        float* stats = o.floats(2 * rows);
        return [=] { layer_norm_forward(args, y, stats, stats + rows); };
      });
  add(title("layer_norm_backward", t, shape(rows, n)), {.bytes = bytes_of(t, all, 3)},
      [=](Operands& o) -> Call {
        const LayerNormArgs args = arguments(o);
        void *y = o.empty(t, all), *dy = o.normal(t, all), *dx = o.empty(t, all);
        void *dw = o.empty(t, n), *db = o.empty(t, n);
        float* stats = o.floats(2 * rows);
        layer_norm_forward(args, y, stats, stats + rows);
        return [=] { layer_norm_backward(args, dy, stats, stats + rows, dx, dw, db, nullptr); };
      });
}

void add_batch_norm(DType t, int64_t n, int64_t c, int64_t inner) {
  const int64_t all = n * c * inner;
  const std::string name = shape(n, c, inner);
  const auto arguments = [=](Operands& o) {
    return BatchNormArgs{t, n, c, inner, o.normal(t, all), o.floats(c), o.floats(c), 1e-5};
  };
  add(title("batch_norm_train", t, name), {.bytes = bytes_of(t, all, 3)}, [=](Operands& o) -> Call {
    const BatchNormArgs args = arguments(o);
    void* y = o.empty(t, all);
    float* p = o.floats(4 * c);
    return [=] { batch_norm_train(args, 0.1, y, p, p + c, p + 2 * c, p + 3 * c); };
  });
  add(title("batch_norm_backward", t, name), {.bytes = bytes_of(t, all, 5)},
      [=](Operands& o) -> Call {
        const BatchNormArgs args = arguments(o);
        void *y = o.empty(t, all), *dy = o.normal(t, all), *dx = o.empty(t, all);
        float* p = o.floats(4 * c);
        batch_norm_train(args, 0.1, y, p, p + c, nullptr, nullptr);
        return [=] { batch_norm_backward(args, true, dy, p, p + c, dx, p + 2 * c, p + 3 * c); };
      });
}

void add_cross_entropy(DType t, int64_t n, int64_t c) {
  const auto arguments = [=](Operands& o) {
    CrossEntropyArgs args{.dtype = t, .n = n, .c = c, .inner = 1, .x = o.normal(t, n * c)};
    args.target = o.indices(n, c);
    return args;
  };
  add(title("cross_entropy_forward", t, shape(n, c)),
      {.bytes = bytes_of(t, n * c, 1), .only_reads = true}, [=](Operands& o) -> Call {
        const CrossEntropyArgs args = arguments(o);
        void *loss = o.empty(kF32, 1), *stats = o.empty(kF32, 2 * n);
        double* total = static_cast<double*>(o.empty(DType::Float64, 1));
        return [=] { cross_entropy_forward(args, loss, stats, total, nullptr); };
      });
  add(title("cross_entropy_backward", t, shape(n, c)), {.bytes = bytes_of(t, n * c, 2)},
      [=](Operands& o) -> Call {
        const CrossEntropyArgs args = arguments(o);
        void *loss = o.empty(kF32, 1), *stats = o.empty(kF32, 2 * n), *dx = o.empty(t, n * c);
        double* total = static_cast<double*>(o.empty(DType::Float64, 1));
        cross_entropy_forward(args, loss, stats, total, nullptr);
        return [=] { cross_entropy_backward(args, stats, loss, total, dx); };
      });
}

MT_CUDA_BENCH(rows) {
  for (DType t : {kF32, kBF16}) {
    add_softmax(t, fit(16384, 8), fit(1024, 100), 1);
    add_softmax(t, fit(4096, 4), fit(4096, 1500), 1);
    add_softmax(t, fit(256, 2), fit(65536, 3000), 1);
    add_softmax(t, fit(16, 2), fit(1000, 20), fit(4096, 33));
    add_layer_norm(t, fit(16384, 8), fit(768, 96));
    add_layer_norm(t, fit(8192, 4), fit(4096, 1500));
    add_batch_norm(t, fit(64, 2), fit(64, 3), fit(56 * 56, 49));
    add_batch_norm(t, fit(64, 2), fit(512, 3), fit(49, 7));
    add_cross_entropy(t, fit(8192, 8), fit(1000, 50));
    add_cross_entropy(t, fit(8192, 4), fit(50304, 1500));
  }
}

}  // namespace
}  // namespace mt::cuda::bench
