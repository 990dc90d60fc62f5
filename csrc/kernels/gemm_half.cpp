// Matrix product of 16-bit floats, summed in float and rounded once. They are widened to float
// while they are packed or read; bfloat16 is multiplied as it is where the machine can
// (gemm_group.h).
#include "kernels/gemm_one.h"

namespace mt::cpu::MT_ISA {

void gemm_half(const GemmArgs& args) {
  if (args.dtype == DType::Float16) return gemm_batched<float, float16>(args);
  gemm_batched<float, bfloat16>(args);
}

}  // namespace mt::cpu::MT_ISA
