// fn:: of formulas that the CPU and CUDA share: csrc/kernels/math.h here, cuda/core/math.h there.
// MT_FN is the namespace to add to.
#pragma once

#if defined(MT_CUDA_KERNELS)
#include "cuda/core/math.h"
#else
#include "kernels/math.h"
#endif
