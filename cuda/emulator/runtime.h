// Shared by the files of the runtime API: errors, streams, captures.
#pragma once
#include <functional>
#include <vector>

#include "cuda/emulator/cuda_runtime_api.h"

struct CUgraph_st {
  std::vector<std::function<cudaError_t()>> nodes;
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  cudaStream_t origin = nullptr;
  unsigned long long id = 0;  // of the capture
  bool invalid = false;
  // Memory allocated during the capture and freed within it: returned with the last graph.
  std::vector<void*> memory;
  int references = 1;
};

struct CUstream_st {
  unsigned flags = 0;
  int priority = 0;
  CUgraph_st* capture = nullptr;
  uint64_t captured_work = 0;
  bool unjoined = false;  // work of a forked capture that its origin has not waited for
};

namespace mt::emu {

// Remembers an error for cudaGetLastError and returns it.
cudaError_t record(cudaError_t);
// An error of work on the device, which the next synchronisation returns, too.
cudaError_t record_device_error(cudaError_t);
cudaError_t take_device_error();

// The stream itself; null for the default ones. False if the handle is not a live stream.
bool find_stream(cudaStream_t handle, CUstream_st** stream);
// Whether a capture forbids what synchronises with everything; if so, it invalidates the capture.
bool capture_forbids();

// Do `work` now, or record it if the stream is capturing.
template <class F>
cudaError_t run_on(cudaStream_t handle, F&& work) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  if (!s && capture_forbids()) return record(cudaErrorStreamCaptureImplicit);
  if (s && s->capture) {
    if (s->capture->invalid) return record(cudaErrorStreamCaptureInvalidated);
    s->capture->nodes.emplace_back(std::forward<F>(work));
    ++s->captured_work;
    s->unjoined = s != s->capture->origin;
    return cudaSuccess;
  }
  return work();
}

}  // namespace mt::emu
