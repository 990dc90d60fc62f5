// The device side of CUDA for a C++ compiler; cuda/core/simt.h includes it when nvcc is not at
// work.
#pragma once
#if !defined(MT_EMULATE)
#error "Not nvcc: define MT_EMULATE to compile kernels for the emulator."
#endif
#include <cassert>
#include <cstdio>

#include "cuda/emulator/atomics.h"
#include "cuda/emulator/cuda_runtime_api.h"
#include "cuda/emulator/intrinsics.h"
#include "cuda/emulator/launch.h"
#include "cuda/emulator/shared.h"
#include "cuda/emulator/warp.h"

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ __attribute__((always_inline)) inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __grid_constant__
#define __align__(n) alignas(n)
#define __cluster_dims__(...)

#define threadIdx (::mt::emu::self().thread_idx)
#define blockIdx (::mt::emu::self().block->block_idx)
#define blockDim (::mt::emu::self().block->block_dim)
#define gridDim (::mt::emu::self().block->grid_dim)
constexpr int warpSize = 32;

#define MT_SPIN() ::mt::emu::yield("a spin loop")
#define MT_NAMED_BARRIER(id, threads) ::mt::emu::barrier((id), (threads))

inline void __nanosleep(unsigned) { mt::emu::yield("__nanosleep"); }
#define __trap() ::mt::emu::trap_(std::source_location::current())

namespace mt::emu {
[[noreturn]] inline void trap_(Location where) { fail("__trap()", where); }
}  // namespace mt::emu
