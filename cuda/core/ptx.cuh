// Instructions beyond CUDA C++, each a function with a device body here (inline PTX) and an
// emulated body in cuda/emulator/ptx_*.h. Kernels hold no other inline PTX.
//
//   ptx_copy.cuh     cp.async (sm_80), ldmatrix (sm_75), stmatrix (sm_90)
//   ptx_mma.cuh      mma.sync: bf16, fp16, tf32, int8; rounding to tf32
//   ptx_math.cuh     exp2
//   ptx_barrier.cuh  mbarrier, proxy fences, clusters, named barriers, elect, griddepcontrol
//   ptx_tma.cuh      cp.async.bulk and cp.async.bulk.tensor: loads, multicast, stores (sm_90)
//   ptx_wgmma.cuh    wgmma and setmaxnreg (sm_90a only)
//
// Pointers named *_shared point into shared memory: pass raw(tile + i). A body that the compiled
// architecture lacks traps; a launcher asks for the compute capability before it gets there.
#pragma once
#include "cuda/core/ptx_barrier.cuh"
#include "cuda/core/ptx_copy.cuh"
#include "cuda/core/ptx_math.cuh"
#include "cuda/core/ptx_mma.cuh"
#include "cuda/core/ptx_tma.cuh"
#include "cuda/core/ptx_wgmma.cuh"
