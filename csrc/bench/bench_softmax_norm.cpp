#include "bench/bench.h"
#include "ops/batch_norm.h"
#include "ops/layer_norm.h"
#include "ops/softmax.h"

namespace mt::bench {
namespace {

constexpr DType kF32 = DType::Float32;

void add_softmax(int64_t outer, int64_t n, int64_t inner) {
  int64_t all = outer * n * inner;
  std::string shape = std::to_string(outer) + "x" + std::to_string(n) + "x" + std::to_string(inner);
  add("softmax_forward/" + shape, {25.0 * double(all), 8.0 * double(all)}, [=]() -> Call {
    Floats x = floats(all), y = floats(all);
    return [=] { cpu::softmax_forward(false, kF32, x.get(), y.get(), outer, n, inner); };
  });
  add("softmax_backward/" + shape, {4.0 * double(all), 12.0 * double(all)}, [=]() -> Call {
    Floats y = floats(all), dy = floats(all), dx = floats(all);
    return
        [=] { cpu::softmax_backward(false, kF32, dy.get(), y.get(), dx.get(), outer, n, inner); };
  });
}

void add_layer_norm(int64_t rows, int64_t n) {
  int64_t all = rows * n, parts = 2 * n * ceil_div(rows, layer_norm_grain(rows, n));
  std::string shape = std::to_string(rows) + "x" + std::to_string(n);
  auto arguments = [=](const Floats& x, const Floats& w, const Floats& b) {
    return LayerNormArgs{kF32, true, rows, n, x.get(), w.get(), b.get(), 1e-5};
  };
  add("layer_norm_forward/" + shape, {8.0 * double(all), 8.0 * double(all)}, [=]() -> Call {
    Floats x = floats(all), w = floats(n), b = floats(n), y = floats(all), stats = floats(2 * rows);
    return [=] {
      cpu::layer_norm_forward(arguments(x, w, b), y.get(), stats.get(), stats.get() + rows);
    };
  });
  add("layer_norm_backward/" + shape, {14.0 * double(all), 12.0 * double(all)}, [=]() -> Call {
    Floats x = floats(all), w = floats(n), b = floats(n), dy = floats(all), dx = floats(all);
    Floats stats = floats(2 * rows), y = floats(all), dw = floats(2 * n), partial = floats(parts);
    cpu::layer_norm_forward(arguments(x, w, b), y.get(), stats.get(), stats.get() + rows);
    return [=] {
      cpu::layer_norm_backward(arguments(x, w, b), dy.get(), stats.get(), stats.get() + rows,
                               dx.get(), dw.get(), dw.get() + n, partial.get());
    };
  });
}

void add_batch_norm(int64_t n, int64_t c, int64_t inner) {
  int64_t all = n * c * inner;
  std::string shape = std::to_string(n) + "x" + std::to_string(c) + "x" + std::to_string(inner);
  add("batch_norm_train/" + shape, {8.0 * double(all), 8.0 * double(all)}, [=]() -> Call {
    Floats x = floats(all), y = floats(all), per_channel = floats(6 * c);
    return [=] {
      float* p = per_channel.get();
      BatchNormArgs args{kF32, n, c, inner, x.get(), p, p + c, 1e-5};
      cpu::batch_norm_train(args, 0.1, y.get(), p + 2 * c, p + 3 * c, p + 4 * c, p + 5 * c);
    };
  });
}

MT_BENCH(softmax_norm) {
  add_softmax(64, 64, 1);
  add_softmax(4096, 1000, 1);
  add_softmax(1, 1000, 4096);
  add_layer_norm(64, 192);
  add_layer_norm(1024, 192);
  add_layer_norm(4096, 768);
  add_batch_norm(16, 64, 56 * 56);
}

}  // namespace
}  // namespace mt::bench
