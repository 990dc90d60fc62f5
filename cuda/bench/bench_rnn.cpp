// Recurrent layers, distances, the CTC loss.
#include "core/check.h"
#include "cuda/bench/bench.h"
#include "ops/copy.h"
#include "ops/ctc.h"
#include "ops/distance.h"
#include "ops/rnn.h"

namespace mt::cuda::bench {
namespace {

void add_layer(const char* name, RnnKind kind, int64_t steps, int64_t n, int64_t hidden) {
  const int64_t gates = rnn_gates(kind), state = steps * n * hidden;
  const std::string title_of = std::string(name) + "/" + shape(steps, n, hidden);
  const Work work{.flops = 2.0 * double(state * gates * hidden),
                  .bytes = 4.0 * double(state * (2 * gates + 2) + gates * hidden * hidden)};
  add(title("rnn_forward", kF32, title_of), work, [=](Operands& o) -> Call {
    const RnnArgs args{kF32, kind, steps, n, hidden, false, o.floats(gates * hidden * hidden)};
    float *in = o.floats(gates * state), *extra = o.floats(state), *out = o.floats(state);
    const float* h0 = o.floats(n * hidden);
    return [=] { rnn_forward(args, in, extra, h0, h0, out, nullptr); };
  });
  add(title("rnn_backward", kF32, title_of), work, [=](Operands& o) -> Call {
    const RnnArgs args{kF32, kind, steps, n, hidden, false, o.floats(gates * hidden * hidden)};
    const void *g = o.uniform(kF32, gates * state), *extra = o.floats(state);
    const float *out = o.floats(state), *dout = o.floats(state), *h0 = o.floats(n * hidden);
    float *dgates = o.floats(gates * state), *d0 = o.floats(2 * n * hidden);
    float* dhidden = kind == RnnKind::gru ? o.floats(gates * state) : dgates;
    return [=] {
      rnn_backward(args, g, extra, h0, h0, out, dout, nullptr, nullptr, dgates, dhidden, d0,
                   d0 + n * hidden);
    };
  });
}

void add_cdist(double p, int64_t rows, int64_t n) {
  const std::string name = concat("p", int(p), "/", shape(rows, rows, n));
  const Work work{.flops = 3.0 * double(rows * rows * n),
                  .bytes = 4.0 * double(rows * rows + 2 * rows * n)};
  const auto arguments = [=](Operands& o) {
    return CdistArgs{kF32, 1, rows, rows, n, o.floats(rows * n), o.floats(rows * n), p};
  };
  add(title("cdist_forward", kF32, name), work, [=](Operands& o) -> Call {
    const CdistArgs args = arguments(o);
    float* y = o.floats(rows * rows);
    return [=] { cdist_forward(args, y); };
  });
  add(title("cdist_backward", kF32, name), work, [=](Operands& o) -> Call {
    const CdistArgs args = arguments(o);
    float *y = o.floats(rows * rows), *dy = o.floats(rows * rows), *dx = o.floats(rows * n);
    cdist_forward(args, y);
    return [=] { cdist_backward(args, y, dy, dx); };
  });
}

// int64 values of device memory.
int64_t* constant(Operands& o, int64_t n, int64_t start, int64_t step) {
  int64_t* x = static_cast<int64_t*>(o.empty(DType::Int64, n));
  arange(DType::Int64, x, n, 0, 0, start, step);
  return x;
}

void add_ctc(int64_t steps, int64_t n, int64_t classes, int64_t labels) {
  const double read = 4.0 * double(steps * n * classes);
  const double alpha = 4.0 * double(n * steps * (2 * labels + 1));
  const auto arguments = [=](Operands& o) {
    return CtcArgs{kF32,
                   steps,
                   n,
                   classes,
                   0,
                   o.uniform(kF32, steps * n * classes),
                   o.indices(n * labels, classes),
                   constant(o, n, 0, labels),
                   constant(o, n, labels, 0),
                   constant(o, n, steps, 0),
                   labels};
  };
  const int64_t states = 2 * labels + 1;
  const std::string name = shape(steps, n, classes) + "/labels" + std::to_string(labels);
  add(title("ctc_forward", kF32, name), {.bytes = read + alpha}, [=](Operands& o) -> Call {
    const CtcArgs args = arguments(o);
    float *loss = o.floats(n), *prefixes = o.floats(n * steps * states);
    return [=] { ctc_forward(args, loss, prefixes); };
  });
  add(title("ctc_backward", kF32, name), {.bytes = 2 * read + alpha}, [=](Operands& o) -> Call {
    const CtcArgs args = arguments(o);
    float *loss = o.floats(n), *prefixes = o.floats(n * steps * states), *scale = o.floats(n);
    float *beta = o.floats(n * 2 * states), *dx = o.floats(steps * n * classes);
    ctc_forward(args, loss, prefixes);
    return [=] { ctc_backward(args, loss, prefixes, scale, false, beta, dx); };
  });
}

MT_CUDA_BENCH(recurrent) {
  add_layer("lstm", RnnKind::lstm, fit(64, 3), fit(32, 3), fit(512, 20));
  add_layer("gru", RnnKind::gru, fit(64, 3), fit(32, 3), fit(512, 20));
  add_layer("tanh", RnnKind::tanh, fit(64, 3), fit(32, 3), fit(512, 20));
  add_cdist(1, fit(2048, 20), fit(128, 9));
  add_cdist(2, fit(2048, 20), fit(128, 9));
  add_ctc(fit(256, 9), fit(32, 2), fit(64, 8), fit(64, 3));
}

}  // namespace
}  // namespace mt::cuda::bench
