// Streams, events, captures and graphs. Work is done at the call, or recorded while capturing.
#include <chrono>
#include <mutex>
#include <set>

#include "cuda/emulator/device_memory.h"
#include "cuda/emulator/runtime.h"

using namespace mt::emu;

struct CUevent_st {
  unsigned flags = 0;
  bool recorded = false;
  std::chrono::steady_clock::time_point time{};
  // In a capture: what it waits for.
  CUgraph_st* capture = nullptr;
  cudaStream_t stream = nullptr;
  uint64_t work = 0;
};
struct CUgraphExec_st {
  CUgraph_st* graph;
};

namespace {

std::mutex mutex;
std::set<cudaStream_t> streams;
std::set<CUgraph_st*> captures;  // in progress
constinit thread_local cudaStreamCaptureMode thread_mode = cudaStreamCaptureModeGlobal;

void drop(CUgraph_st* graph) {
  if (--graph->references) return;
  for (void* p : graph->memory) release(p);
  delete graph;
}

cudaError_t wait_for(cudaStream_t handle) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  if (s && s->capture) {
    s->capture->invalid = true;
    return record(cudaErrorStreamCaptureUnsupported);
  }
  return take_device_error();
}

}  // namespace

namespace mt::emu {

bool find_stream(cudaStream_t handle, CUstream_st** stream) {
  *stream = nullptr;
  if (!handle || handle == cudaStreamLegacy || handle == cudaStreamPerThread) return true;
  std::lock_guard lock(mutex);
  if (!streams.count(handle)) return false;
  *stream = handle;
  return true;
}

bool capture_forbids() {
  std::lock_guard lock(mutex);
  bool forbids = false;
  if (thread_mode != cudaStreamCaptureModeRelaxed)
    for (CUgraph_st* graph : captures)
      if (graph->mode != cudaStreamCaptureModeRelaxed) graph->invalid = forbids = true;
  return forbids;
}

}  // namespace mt::emu

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  std::lock_guard lock(mutex);
  *stream = new CUstream_st{flags, priority};
  streams.insert(*stream);
  return cudaSuccess;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return cudaStreamCreateWithPriority(stream, flags, 0);
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithPriority(stream, cudaStreamDefault, 0);
}
cudaError_t cudaStreamGetPriority(cudaStream_t handle, int* priority) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  return *priority = s ? s->priority : 0, cudaSuccess;
}
cudaError_t cudaStreamGetFlags(cudaStream_t handle, unsigned* flags) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  return *flags = s ? s->flags : 0, cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  std::lock_guard lock(mutex);
  if (!streams.erase(handle)) return record(cudaErrorInvalidResourceHandle);
  delete handle;
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) { return wait_for(stream); }
cudaError_t cudaStreamQuery(cudaStream_t stream) { return wait_for(stream); }

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  return run_on(stream, [=] { return function(data), cudaSuccess; });
}
cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t function, void* data,
                                  unsigned) {
  return run_on(stream, [=] { return function(stream, cudaSuccess, data), cudaSuccess; });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return *event = new CUevent_st{.flags = flags}, cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
  return cudaEventCreateWithFlags(event, cudaEventDefault);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) { return delete event, cudaSuccess; }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  CUstream_st* s;
  if (!event || !find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  event->capture = s ? s->capture : nullptr;
  if (event->capture) {
    event->stream = s;
    event->work = s->captured_work;
    return cudaSuccess;
  }
  event->recorded = true;
  event->time = std::chrono::steady_clock::now();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  CUstream_st* s;
  if (!event || !find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  if (!event->capture) return cudaSuccess;
  if (!s) return record(cudaErrorStreamCaptureImplicit);
  // Waiting for work of a capture makes this stream part of it, and joins the one waited for.
  if (s->capture && s->capture != event->capture) return record(cudaErrorStreamCaptureUnmatched);
  s->capture = event->capture;
  if (s != s->capture->origin) s->unjoined = true;
  if (event->stream != s && event->stream->captured_work == event->work)
    event->stream->unjoined = false;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!event) return record(cudaErrorInvalidResourceHandle);
  if (event->capture) return record(cudaErrorStreamCaptureUnsupported);
  return take_device_error();
}
cudaError_t cudaEventQuery(cudaEvent_t event) { return cudaEventSynchronize(event); }
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (!start || !end || !start->recorded || !end->recorded ||
      ((start->flags | end->flags) & cudaEventDisableTiming))
    return record(cudaErrorInvalidResourceHandle);
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - start->time).count();
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  if (!s) return record(cudaErrorStreamCaptureUnsupported);
  if (s->capture) return record(cudaErrorIllegalState);
  std::lock_guard lock(mutex);
  s->capture = new CUgraph_st;
  s->capture->mode = mode;
  s->capture->origin = s;
  static unsigned long long last_id = 0;
  s->capture->id = ++last_id;
  captures.insert(s->capture);
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  CUstream_st* s;
  *graph = nullptr;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  if (!s || !s->capture) return record(cudaErrorIllegalState);
  CUgraph_st* captured = s->capture;
  if (captured->origin != s) return record(cudaErrorStreamCaptureUnmatched);
  bool unjoined = false;
  std::lock_guard lock(mutex);
  for (cudaStream_t other : streams) {
    if (other->capture != captured) continue;
    unjoined |= other != s && other->unjoined;
    other->capture = nullptr;
    other->unjoined = false;
  }
  captures.erase(captured);
  if (captured->invalid || unjoined) {
    const bool invalid = captured->invalid;
    drop(captured);
    return record(invalid ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined);
  }
  *graph = captured;
  return cudaSuccess;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  CUstream_st* s;
  if (!find_stream(handle, &s)) return record(cudaErrorInvalidResourceHandle);
  *status = !s || !s->capture     ? cudaStreamCaptureStatusNone
            : s->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                  : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t handle, cudaStreamCaptureStatus* status,
                                     unsigned long long* id) {
  if (cudaError_t error = cudaStreamIsCapturing(handle, status)) return error;
  CUstream_st* s;
  if (id && find_stream(handle, &s) && s && s->capture) *id = s->capture->id;
  return cudaSuccess;
}
cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  std::swap(*mode, thread_mode);
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  if (!graph) return record(cudaErrorInvalidValue);
  ++graph->references;
  return *exec = new CUgraphExec_st{graph}, cudaSuccess;
}
cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t*, size_t* count) {
  if (!graph) return record(cudaErrorInvalidValue);
  return *count = graph->nodes.size(), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  if (!exec) return record(cudaErrorInvalidValue);
  CUgraph_st* graph = exec->graph;
  return run_on(stream, [graph] {
    cudaError_t first = cudaSuccess;
    for (auto& node : graph->nodes)
      if (cudaError_t error = node(); error && !first) first = error;
    return first;
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  if (!graph) return record(cudaErrorInvalidValue);
  return drop(graph), cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  if (!exec) return record(cudaErrorInvalidValue);
  drop(exec->graph);
  return delete exec, cudaSuccess;
}
