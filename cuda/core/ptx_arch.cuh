// Which instructions the pass being compiled has; what every ptx_*.cuh starts from.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "cuda/core/simt.h"

#if defined(__CUDACC__)
#define MT_PTX __device__ __forceinline__
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define MT_PTX_SM90 1
#else
#define MT_PTX_SM90 0
#endif
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define MT_PTX_SM90A 1
#else
#define MT_PTX_SM90A 0
#endif
#else
#define MT_PTX inline
#define MT_PTX_SM90 1
#define MT_PTX_SM90A 1
#if !defined(__grid_constant__)
#define __grid_constant__
#endif
#endif

namespace mt::ptx {

// Kernels put their body under `if constexpr (kSm90a)`, so that the pass of an older
// architecture compiles to a few instructions.
constexpr bool kSm90 = MT_PTX_SM90;
constexpr bool kSm90a = MT_PTX_SM90A;

#if defined(__CUDACC__)
// Reached only when a launcher has failed to check the compute capability.
MT_PTX void unsupported() {
#if defined(__CUDA_ARCH__)
  asm volatile("trap;");
#endif
}

// The 32-bit address in the shared window of this block.
MT_PTX uint32_t shared_address(const void* p_shared) {
  return uint32_t(__cvta_generic_to_shared(p_shared));
}

// x, of which the compiler knows nothing: it does not keep what was computed from x before.
MT_PTX int opaque(int x) {
  asm volatile("" : "+r"(x));
  return x;
}
#else
inline void unsupported() { __trap(); }
inline int opaque(int x) { return x; }
inline uint32_t shared_address(const void* p_shared) { return emu::shared_address(p_shared); }
#endif

}  // namespace mt::ptx
