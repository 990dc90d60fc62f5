// minitorch_count NAME runs one kernel once at a fixed size on one thread, for callgrind to count
// the instructions inside of count_region (scripts/count_instructions.py). Without arguments it
// prints the names.
#include <cstdio>
#include <functional>
#include <map>
#include <string>

#include "bench/data.h"
#include "core/parallel.h"
#include "ops/attention.h"
#include "ops/binary.h"
#include "ops/gemm.h"
#include "ops/layer_norm.h"
#include "ops/optim.h"
#include "ops/reduce.h"
#include "ops/softmax.h"
#include "ops/unary.h"

extern "C" __attribute__((noinline, visibility("default"))) void count_region(
    const std::function<void()>& call) {
  call();
  __asm__ volatile("" : : : "memory");  // no tail call: the function has to be left afterwards
}

namespace mt::bench {
namespace {

constexpr DType kF32 = DType::Float32;
constexpr int64_t kN = 1 << 16;

using Call = std::function<void()>;

Call gemm() {
  constexpr int64_t n = 256;
  Floats x = floats(n * n), y = floats(n * n), z = floats(n * n);
  return [=] {
    GemmArgs args{.dtype = kF32, .m = n, .n = n, .k = n, .a = x.get()};
    args.a_row = args.b_row = args.c_row = n;
    args.a_col = args.b_col = 1;
    args.b = y.get();
    args.c = z.get();
    cpu::gemm(args);
  };
}

Call conv() {
  ConvParams p = conv_params(1, 32, 32, 28, 3);
  Floats x = floats(p.c * p.in_size()), w = floats(p.o * p.c * p.taps());
  Floats y = floats(p.o * p.out_size());
  return [=] { cpu::conv_forward(kF32, p, x.get(), w.get(), nullptr, y.get()); };
}

Call softmax() {
  Floats x = floats(kN), y = floats(kN);
  return [=] { cpu::softmax_forward(false, kF32, x.get(), y.get(), 64, 1024, 1); };
}

struct LayerNorm {
  static constexpr int64_t rows = 64, n = 1024;
  Floats x = floats(kN), dy = floats(kN), w = floats(n), b = floats(n), stats = floats(2 * rows);
  Floats y = floats(kN), dw = floats(2 * n);
  Floats partial = floats(2 * n * ceil_div(rows, layer_norm_grain(rows, n)));
  LayerNormArgs args() const { return {kF32, true, rows, n, x.get(), w.get(), b.get(), 1e-5}; }
  void forward() const {
    cpu::layer_norm_forward(args(), y.get(), stats.get(), stats.get() + rows);
  }
  void backward() const {
    cpu::layer_norm_backward(args(), dy.get(), stats.get(), stats.get() + rows, y.get(), dw.get(),
                             dw.get() + n, partial.get());
  }
};

Call layer_norm() {
  LayerNorm l;
  return [=] { l.forward(); };
}

Call layer_norm_backward() {
  LayerNorm l;
  l.forward();
  return [=] { l.backward(); };
}

Call add() {
  Floats x = floats(kN), y = floats(kN), z = floats(kN);
  return [=] {
    cpu::binary_forward(BinaryOp::add, kF32, float_types(3), flat(kN, {z.get(), x.get(), y.get()}),
                        Number{1, 1});
  };
}

Call exp() {
  Floats x = floats(kN), y = floats(kN);
  return
      [=] { cpu::unary_forward(UnaryOp::exp, kF32, float_types(2), flat(kN, {y.get(), x.get()})); };
}

Call sum() {
  Floats x = floats(kN), y = floats(1);
  return [=] {
    ElementIter kept = flat(1, {y.get(), x.get(), nullptr}), reduced = flat(kN, {x.get()});
    cpu::reduce_sum(SumOp::sum, kF32, kept, reduced, 1, false, false);
  };
}

Call max_pool() {
  PoolParams p = pool_params(16, 64, 2, 2);
  int64_t ny = p.planes * p.out_size();
  Floats x = floats(p.planes * p.in_size()), y = floats(ny), index = floats(ny);
  return [=] { cpu::max_pool_forward(kF32, p, x.get(), y.get(), PoolIndex::tap, index.get()); };
}

Call adam() {
  Floats p = floats(kN), g = floats(kN), m = floats(kN), v = floats(kN);
  for (int64_t i = 0; i < kN; i++) v.get()[i] *= v.get()[i];
  OptimItem item{p.get(), g.get(), {m.get(), v.get(), nullptr}, 0, kN, {}};
  item.c = {1, 0, 1, 0.9, 0.1, 0.999, 0.001, 1e-8, 1e-3, 1, 1};
  return [=] {
    (void)p, (void)g, (void)m, (void)v;
    cpu::optim_step(OptimRule::adam, kF32, &item, 1, kN, nullptr);
  };
}

Call attention() {
  constexpr int64_t heads = 2, length = 128, width = 64, n = heads * length * width;
  Floats q = floats(n), k = floats(n), v = floats(n), out = floats(n), lse = floats(heads * length);
  return [=] {
    const HeadStrides at{n, length * width, width};
    AttentionArgs a{kF32,  1,       heads,   heads,   length, length, width,
                    width, q.get(), k.get(), v.get(), at,     at,     at};
    a.causal = true;
    a.scale = 0.125;
    cpu::attention_forward(a, out.get(), at, lse.get());
  };
}

const std::map<std::string, Call (*)()> kCases = {
    {"gemm", gemm},
    {"conv", conv},
    {"softmax", softmax},
    {"layer_norm", layer_norm},
    {"layer_norm_backward", layer_norm_backward},
    {"add", add},
    {"exp", exp},
    {"sum", sum},
    {"max_pool", max_pool},
    {"adam", adam},
    {"attention", attention},
};

}  // namespace
}  // namespace mt::bench

int main(int argc, char** argv) {
  using mt::bench::kCases;
  if (argc == 1) {
    for (const auto& c : kCases) std::puts(c.first.c_str());
    return 0;
  }
  auto found = kCases.find(argv[1]);
  if (found == kCases.end()) {
    std::fprintf(stderr, "minitorch_count: no kernel is called %s\n", argv[1]);
    return 2;
  }
  mt::set_num_threads(1);
  std::function<void()> call = found->second();
  call();  // scratch memory is there
  count_region(call);
  return 0;
}
