// The CUDA side of cuda/core/device.h, for cuda/: the stream to launch on and error checks.
#pragma once
#include "core/check.h"
#include "cuda/core/simt.h"

namespace mt::cuda {

// The current stream of the current device; kernels are launched on it.
cudaStream_t stream();

// The runtime's words, with the emulator's report of a failed check.
std::string error_text(cudaError_t error);
// Throws RuntimeError (OutOfMemory where memory is what lacks) naming the call.
[[noreturn]] void fail_call(cudaError_t error, const char* call);
inline void check_call(cudaError_t error, const char* call) {
  if (MT_UNLIKELY(error != cudaSuccess)) fail_call(error, call);
}

}  // namespace mt::cuda

#define MT_CUDA_CHECK(call) ::mt::cuda::check_call(call, #call)
