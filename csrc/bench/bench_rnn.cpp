#include "bench/bench.h"
#include "ops/rnn.h"

namespace mt::bench {
namespace {

void add_layer(const char* name, RnnKind kind, int64_t steps, int64_t n, int64_t hidden) {
  int64_t gates = rnn_gates(kind), slice = rnn_slice(kind), state = steps * n * hidden;
  int64_t slices = (hidden + slice - 1) / slice;
  Work work{2.0 * double(state * gates * hidden),
            4.0 * double(state * (2 * gates + 2) + gates * hidden * hidden)};
  std::string shape =
      std::to_string(steps) + "x" + std::to_string(n) + "x" + std::to_string(hidden);
  add("rnn_forward/" + std::string(name) + "/" + shape, work, [=]() -> Call {
    Floats w = floats(gates * hidden * hidden), bias = floats(hidden);
    for (int64_t i = 0; i < gates * hidden * hidden; i++) w.get()[i] *= 0.05f;
    Floats in = floats(gates * state), extra = floats(state), out = floats(state);
    Floats h0 = floats(n * hidden), panels = floats(slices * hidden * gates * slice);
    RnnArgs a{DType::Float32, kind, steps, n, hidden, false, w.get(), bias.get()};
    return [=] {
      (void)w, (void)bias;
      cpu::rnn_forward(a, in.get(), extra.get(), h0.get(), h0.get(), out.get(), panels.get());
    };
  });
}

MT_BENCH(rnn) {
  add_layer("lstm", RnnKind::lstm, 32, 32, 128);
  add_layer("gru", RnnKind::gru, 32, 32, 128);
  add_layer("tanh", RnnKind::tanh, 32, 32, 128);
  add_layer("lstm", RnnKind::lstm, 64, 32, 512);
}

}  // namespace
}  // namespace mt::bench
