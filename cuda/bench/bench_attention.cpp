#include "cuda/bench/bench.h"
#include "ops/attention.h"

namespace mt::cuda::bench {
namespace {

void add_attention(int64_t batch, int64_t heads, int64_t length, int64_t width, bool causal) {
  const int64_t all = batch * heads * length * width;
  const std::string name = shape(batch, heads, length, width) + (causal ? "/causal" : "");
  // Two products, and half of the scores where causal.
  const double flops = 4.0 * double(all) * double(length) * (causal ? 0.5 : 1);
  const HeadStrides at{heads * length * width, length * width, width};
  const auto arguments = [=](Operands& o) {
    const void *q = o.normal(kF32, all), *k = o.normal(kF32, all), *v = o.normal(kF32, all);
    AttentionArgs a{kF32, batch, heads, heads, length, length, width, width, q, k, v, at, at, at};
    a.causal = causal;
    a.scale = 0.125;
    return a;
  };
  add(title("attention_forward", kF32, name), {.flops = flops, .bytes = 16.0 * double(all)},
      [=](Operands& o) -> Call {
        const AttentionArgs args = arguments(o);
        void *out = o.empty(kF32, all), *lse = o.empty(kF32, batch * heads * length);
        return [=] { attention_forward(args, out, at, lse); };
      });
  add(title("attention_backward", kF32, name), {.flops = 2.5 * flops, .bytes = 32.0 * double(all)},
      [=](Operands& o) -> Call {
        const AttentionArgs args = arguments(o);
        void *out = o.empty(kF32, all), *lse = o.empty(kF32, batch * heads * length);
        attention_forward(args, out, at, lse);
        void *dout = o.normal(kF32, all), *dq = o.empty(kF32, all), *dk = o.empty(kF32, all);
        void* dv = o.empty(kF32, all);
        return [=] { attention_backward(args, out, at, lse, dout, at, dq, at, dk, at, dv, at); };
      });
}

MT_CUDA_BENCH(attention) {
  // As many tokens for every length.
  for (int64_t length : {512, 1024, 2048, 4096, 8192})
    for (bool causal : {false, true})
      add_attention(fit(8192 / length, 1), fit(16, 2), fit(length, 70), 64, causal);
  add_attention(fit(2, 1), fit(16, 1), fit(2048, 40), 128, true);
}

}  // namespace
}  // namespace mt::cuda::bench
