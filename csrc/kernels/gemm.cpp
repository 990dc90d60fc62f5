// Matrix product, batched: C = act(alpha * A @ B + beta * C + bias).
// Large products are packed and cache-blocked (gemm_driver.h) around a register tile
// (gemm_micro.h); small and narrow ones are read in place (gemm_direct.h), products along k are
// vectors along k (gemm_dot.h); gemm_one.h chooses.
// Work: 2mnk flops on (mk + kn + mn) elements: compute bound once m, n and k pass about 50.
#include "ops/gemm.h"

#include "kernels/gemm_one.h"

namespace mt::cpu::MT_ISA {

void gemm(const GemmArgs& args) {
  switch (args.dtype) {
    case DType::Float32:
      return gemm_batched<float, float>(args);
    case DType::Float64:
      return gemm_batched<double, double>(args);
    case DType::Float16:
    case DType::BFloat16:
      return gemm_half(args);
    default:
      return gemm_int(args);
  }
}

}  // namespace mt::cpu::MT_ISA
