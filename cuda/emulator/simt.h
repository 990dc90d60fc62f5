// The device side of CUDA for a C++ compiler; cuda/core/simt.h includes it when nvcc is not at
// work.
#pragma once
#if !defined(MT_EMULATE)
#error "Not nvcc: define MT_EMULATE to compile kernels for the emulator."
#endif
#include <cassert>
#include <cstdio>
#include <cstdlib>

#include "cuda/emulator/atomics.h"
#include "cuda/emulator/cluster.h"
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
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __grid_constant__
#define __align__(n) alignas(n)
#define __cluster_dims__(...)

// Macros that end in a call, so that cudaLaunchConfig_t can have members gridDim and blockDim, too.
MT_EMU_INLINE const uint3& mt_emu_thread_idx() { return mt::emu::self().thread_idx; }
MT_EMU_INLINE const uint3& mt_emu_block_idx() { return mt::emu::self().block->block_idx; }
MT_EMU_INLINE const dim3& mt_emu_block_dim() { return mt::emu::self().block->block_dim; }
MT_EMU_INLINE const dim3& mt_emu_grid_dim() { return mt::emu::self().block->grid_dim; }
#define threadIdx mt_emu_thread_idx()
#define blockIdx mt_emu_block_idx()
#define blockDim mt_emu_block_dim()
#define gridDim mt_emu_grid_dim()
constexpr int warpSize = 32;

#define MT_SPIN() ::mt::emu::yield("a spin loop")
#define MT_NAMED_BARRIER(id, threads) ::mt::emu::barrier((id), (threads))

inline void __nanosleep(unsigned) { mt::emu::yield("__nanosleep"); }
namespace mt::emu {
[[noreturn]] inline void trap_(Location where) { fail("__trap()", where); }
inline void assert_(bool condition, const char* text, Location where = Location::current()) {
  if (condition) return;
  if (in_kernel()) fail(format("assertion failed: %s", text), where);
  std::fprintf(stderr, "%s:%u: assertion failed: %s\n", where.file_name(), where.line(), text);
  std::abort();
}
}  // namespace mt::emu
#define __trap() ::mt::emu::trap_(std::source_location::current())
// In a kernel, a failed assertion is a report.
#if !defined(NDEBUG)
#undef assert
#define assert(condition) ::mt::emu::assert_(static_cast<bool>(condition), #condition)
#endif
