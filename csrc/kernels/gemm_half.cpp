// Matrix product of 16-bit floats: widened to float while they are packed, summed in float,
// rounded once.
#include "kernels/gemm_one.h"

namespace mt::cpu::MT_ISA {

void gemm_half(const GemmArgs& args) {
  if (args.dtype == DType::Float16) return gemm_batched<float, float16>(args);
  gemm_batched<float, bfloat16>(args);
}

}  // namespace mt::cpu::MT_ISA
