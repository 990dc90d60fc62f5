// Memory of tensors that are made while their stream is captured into a graph.
#pragma once
#include "cuda/core/simt.h"

namespace mt::cuda {

// False: `stream` is not captured, the caller allocates as usual. Else *data or *error is set.
bool capture_allocate(cudaStream_t stream, size_t bytes, void** data, cudaError_t* error);
// False: the block, which was made on `stream`, belongs to no graph and can be freed there now.
// `shared`: other streams have used it.
bool capture_release(void* data, cudaStream_t stream, bool shared);

// A scope for calls, such as allocations, that a thread may otherwise not make while it captures.
class RelaxedCapture {
 public:
  RelaxedCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  ~RelaxedCapture() { cudaThreadExchangeStreamCaptureMode(&mode_); }
  RelaxedCapture(const RelaxedCapture&) = delete;
  RelaxedCapture& operator=(const RelaxedCapture&) = delete;

 private:
  cudaStreamCaptureMode mode_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace mt::cuda
