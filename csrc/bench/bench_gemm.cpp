#include "bench/bench.h"
#include "ops/gemm.h"

namespace mt::bench {
namespace {

void add_gemm_size(int64_t m, int64_t n, int64_t k, int64_t batch = 1) {
  std::string name =
      "gemm/" + std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
  if (batch > 1) name += "/batch" + std::to_string(batch);
  double b = double(batch);
  Work work{2.0 * b * double(m * n * k), 4.0 * b * double(m * k + k * n + m * n)};
  add(name, work, [=]() -> Call {
    Floats x = floats(batch * m * k), y = floats(batch * k * n), z = floats(batch * m * n);
    GemmArgs args{.dtype = DType::Float32, .batch = batch, .m = m, .n = n, .k = k, .a = x.get()};
    args.a_batch = m * k;
    args.a_row = k;
    args.a_col = 1;
    args.b = y.get();
    args.b_batch = k * n;
    args.b_row = n;
    args.b_col = 1;
    args.c = z.get();
    args.c_batch = m * n;
    args.c_row = n;
    return [=] {
      (void)x, (void)y, (void)z;
      cpu::gemm(args);
    };
  });
}

MT_BENCH(gemm) {
  for (int64_t n : {32, 64, 128, 256, 512, 1024, 2048}) add_gemm_size(n, n, n);
  add_gemm_size(1, 4096, 4096);
  add_gemm_size(8, 4096, 1024);
  add_gemm_size(4096, 64, 64);
  add_gemm_size(64, 10, 4096);
  add_gemm_size(3136, 64, 576);
  add_gemm_size(64, 64, 64, 64);
}

}  // namespace
}  // namespace mt::bench
