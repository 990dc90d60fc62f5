#include "bench/bench.h"
#include "ops/attention.h"

namespace mt::bench {
namespace {

void add_attention(int64_t batch, int64_t heads, int64_t length, int64_t width, bool causal) {
  int64_t all = batch * heads * length * width;
  std::string shape = std::to_string(batch) + "x" + std::to_string(heads) + "x" +
                      std::to_string(length) + "x" + std::to_string(width) +
                      (causal ? "/causal" : "");
  // Two products, and half of the scores where causal.
  double flops = 4.0 * double(all * length) * (causal ? 0.5 : 1);
  const HeadStrides at{heads * length * width, length * width, width};
  auto arguments = [=](const Floats& q, const Floats& k, const Floats& v) {
    AttentionArgs a{DType::Float32, batch,   heads,   heads,   length, length, width,
                    width,          q.get(), k.get(), v.get(), at,     at,     at};
    a.causal = causal;
    a.scale = 0.125;
    return a;
  };
  add("attention_forward/" + shape, {flops, 16.0 * double(all)}, [=]() -> Call {
    Floats q = floats(all), k = floats(all), v = floats(all), out = floats(all);
    Floats lse = floats(batch * heads * length);
    return [=] { cpu::attention_forward(arguments(q, k, v), out.get(), at, lse.get()); };
  });
  add("attention_backward/" + shape, {2.5 * flops, 32.0 * double(all)}, [=]() -> Call {
    Floats q = floats(all), k = floats(all), v = floats(all), out = floats(all);
    Floats lse = floats(batch * heads * length), dout = floats(all);
    Floats dq = floats(all), dk = floats(all), dv = floats(all);
    cpu::attention_forward(arguments(q, k, v), out.get(), at, lse.get());
    return [=] {
      cpu::attention_backward(arguments(q, k, v), out.get(), at, lse.get(), dout.get(), at,
                              dq.get(), at, dk.get(), at, dv.get(), at);
    };
  });
}

MT_BENCH(attention) {
  add_attention(8, 6, 128, 32, true);
  add_attention(4, 8, 512, 64, true);
  add_attention(4, 8, 512, 64, false);
}

}  // namespace
}  // namespace mt::bench
