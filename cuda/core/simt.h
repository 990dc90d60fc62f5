// The programming model of the kernels, for both compilations of a .cu file: nvcc, or a C++
// compiler against cuda/emulator (define MT_EMULATE). Kernels include this header and nothing of
// CUDA itself.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>

#include <type_traits>

namespace mt {

// What MT_SHARED and MT_DYN_SHARED declare: a pointer here, a checked one in the emulator.
template <class T>
using Shared = T*;

template <class U, class T>
__device__ __forceinline__ U* shared_cast(T* p) {
  return reinterpret_cast<U*>(p);
}
template <class T>
__device__ __forceinline__ T* raw(T* p) {
  return p;
}

__device__ __forceinline__ void named_barrier(int id, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

}  // namespace mt

// Evaluates to the launch's error; cudaGetLastError() still returns it afterwards.
#define MT_LAUNCH(kernel, grid, block, smem_bytes, stream, ...) \
  (kernel<<<(grid), (block), (smem_bytes), (stream)>>>(__VA_ARGS__), cudaPeekAtLastError())

#define MT_SHARED(T, name, N) __shared__ T name[N]

// One symbol per alignment, whatever T is, since a program may declare it for several types.
#define MT_DYN_SHARED_ALIGNED(T, name, alignment) \
  extern __shared__ __align__(alignment)          \
  unsigned char mt_dynamic_shared_##alignment[];  \
  T* const name = reinterpret_cast<T*>(mt_dynamic_shared_##alignment)
#define MT_DYN_SHARED(T, name) MT_DYN_SHARED_ALIGNED(T, name, 128)

// Stands in every loop that waits for another thread; lets that thread run in the emulator.
#define MT_SPIN() ((void)0)

#define MT_NAMED_BARRIER(id, threads) ::mt::named_barrier((id), (threads))

#else
#include "cuda/emulator/simt.h"
#endif
