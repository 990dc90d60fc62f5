// The parts of gemm.cu that have files of their own.
#pragma once
#include "ops/gemm.h"

namespace mt::cuda {

void gemm_half(const GemmArgs& args);  // float16, bfloat16
void gemm_int(const GemmArgs& args);

}  // namespace mt::cuda
