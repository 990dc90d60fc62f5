#include "core/check.h"
#include "cuda/bench/bench.h"
#include "cuda/core/device.h"
#include "ops/gemm.h"

namespace mt::cuda::bench {
namespace {

enum class Layout { nn, nt, tn };  // which of the operands is transposed

void add_gemm(const Kind& kind, int64_t m, int64_t n, int64_t k, Layout layout = Layout::nn,
              int64_t batch = 1) {
  std::string name = concat("gemm/", kind.name, "/", shape(m, n, k));
  if (layout != Layout::nn) name += layout == Layout::nt ? "/nt" : "/tn";
  if (batch > 1) name += concat("/batch", batch);
  const double b = double(batch);
  const Work work{.flops = 2.0 * b * double(m) * double(n) * double(k),
                  .bytes = b * double(m * k + k * n + m * n) * double(itemsize(kind.t)),
                  .unit = kind.unit};
  add(name, work, [=](Operands& o) -> Call {
    GemmArgs args{.dtype = kind.t, .batch = batch, .m = m, .n = n, .k = k};
    const bool a_across = layout == Layout::tn, b_across = layout == Layout::nt;
    args.a = o.normal(kind.t, batch * m * k);
    args.a_batch = m * k;
    args.a_row = a_across ? 1 : k;
    args.a_col = a_across ? m : 1;
    args.b = o.normal(kind.t, batch * k * n);
    args.b_batch = k * n;
    args.b_row = b_across ? 1 : n;
    args.b_col = b_across ? k : 1;
    args.c = o.empty(kind.t, batch * m * n);
    args.c_batch = m * n;
    args.c_row = n;
    return [=] {
      set_allow_tf32(kind.unit == Unit::tf32);
      gemm(args);
    };
  });
}

MT_CUDA_BENCH(gemm) {
  for (const Kind& kind : kKinds) {
    for (int64_t full : {512, 1024, 2048, 4096, 8192}) {
      const int64_t n = fit(full, 64);
      add_gemm(kind, n, n, n);
    }
    const int64_t n = fit(4096, 64);
    add_gemm(kind, n, n, n, Layout::nt);  // a linear layer, and the gradient of its weight
    add_gemm(kind, n, n, n, Layout::tn);
    add_gemm(kind, 1, n, n);
    add_gemm(kind, 8, n, fit(1024, 64));
    add_gemm(kind, fit(16384, 96), fit(64, 32), fit(64, 32));
    add_gemm(kind, fit(64, 16), fit(64, 16), fit(65536, 512));
    add_gemm(kind, fit(8192, 64), fit(768, 48), fit(3072, 64), Layout::nt);
    add_gemm(kind, fit(64, 24), fit(64, 24), fit(64, 24), Layout::nn, fit(512, 3));
    add_gemm(kind, fit(1000, 31), fit(1001, 33), fit(1003, 35));
  }
}

}  // namespace
}  // namespace mt::cuda::bench
