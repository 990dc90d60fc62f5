#include "cuda/bench/bench.h"
#include "ops/attention.h"

namespace mt::cuda::bench {
namespace {

void add_attention(DType t, int64_t batch, int64_t heads, int64_t length, int64_t width,
                   bool causal, AttentionKernel kernel = AttentionKernel::any) {
  const int64_t all = batch * heads * length * width;
  const std::string name = shape(batch, heads, length, width) + (causal ? "/causal" : "") +
                           (kernel == AttentionKernel::mma ? "/mma" : "");
  // As papers count: two products forward and five backward, half of them where causal.
  const double flops = 4.0 * double(all) * double(length) * (causal ? 0.5 : 1);
  const double bytes = double(all) * double(itemsize(t));
  const Unit unit = itemsize(t) == 2 ? Unit::half : Unit::fp32;
  const HeadStrides at{heads * length * width, length * width, width};
  const auto arguments = [=](Operands& o) {
    const void *q = o.normal(t, all), *k = o.normal(t, all), *v = o.normal(t, all);
    AttentionArgs a{t, batch, heads, heads, length, length, width, width, q, k, v, at, at, at};
    a.causal = causal;
    a.kernel = kernel;
    a.scale = 0.125;
    return a;
  };
  add(title("attention_forward", t, name), {.flops = flops, .bytes = 4.0 * bytes, .unit = unit},
      [=](Operands& o) -> Call {
        const AttentionArgs args = arguments(o);
        void *out = o.empty(t, all), *lse = o.empty(kF32, batch * heads * length);
        return [=] { attention_forward(args, out, at, lse); };
      });
  if (kernel != AttentionKernel::any) return;  // backward there is one
  add(title("attention_backward", t, name),
      {.flops = 2.5 * flops, .bytes = 8.0 * bytes, .unit = unit}, [=](Operands& o) -> Call {
        const AttentionArgs args = arguments(o);
        void *out = o.empty(t, all), *lse = o.empty(kF32, batch * heads * length);
        attention_forward(args, out, at, lse);
        void *dout = o.normal(t, all), *dq = o.empty(t, all), *dk = o.empty(t, all);
        void* dv = o.empty(t, all);
        return [=] { attention_backward(args, out, at, lse, dout, at, dq, at, dk, at, dv, at); };
      });
}

MT_CUDA_BENCH(attention) {
  // As many tokens for every length.
  for (int64_t length : {512, 1024, 2048, 4096, 8192})
    for (bool causal : {false, true}) {
      const int64_t batch = fit(8192 / length, 1), most = fit(length, 70);
      add_attention(kF32, batch, fit(16, 2), most, 64, causal);
      for (int64_t width : {64, 128})
        add_attention(kBF16, batch, fit(2048 / width, 2), most, width, causal);
    }
  add_attention(kF32, fit(2, 1), fit(16, 1), fit(2048, 40), 128, true);
  for (bool causal : {false, true})
    for (AttentionKernel kernel : {AttentionKernel::any, AttentionKernel::mma})
      add_attention(kF16, fit(4, 1), fit(16, 1), fit(2048, 70), 128, causal, kernel);
}

}  // namespace
}  // namespace mt::cuda::bench
