// Functions of the special function unit, as accurate as it is.
#pragma once
#include "cuda/core/ptx_arch.cuh"

#if !defined(__CUDACC__)
#include "cuda/emulator/ptx_math.h"
#else
namespace mt::ptx {

// 2^x within 2 units in the last place; results below the normal numbers are 0.
MT_PTX float exp2_approx(float x) {
  float r;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(r) : "f"(x));
  return r;
}

}  // namespace mt::ptx
#endif
