// Streams, events and the questions about a device.
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "cuda/core/device.h"
#include "cuda/core/index_error.h"
#include "cuda/core/stream.h"

namespace mt::cuda {
namespace {

cudaStream_t as_stream(void* stream) { return static_cast<cudaStream_t>(stream); }
cudaEvent_t as_event(void* event) { return static_cast<cudaEvent_t>(event); }

// Not ready is an answer, not an error.
bool is_done(cudaError_t error, const char* call) {
  if (error == cudaErrorNotReady) {
    cudaGetLastError();
    return false;
  }
  check_call(error, call);
  return true;
}

// Streams that nobody holds, by device and priority. They are kept, not destroyed: a tensor that
// was made on a stream may outlive it, and is freed on it.
std::mutex mutex;
auto& idle_streams() {
  static auto& map = *new std::map<std::pair<int, int>, std::vector<cudaStream_t>>;
  return map;
}

}  // namespace

void synchronize(int device) {
  DeviceGuard guard(check_device(device));
  cudaError_t error = cudaDeviceSynchronize();
  check_index_errors();
  check_call(error, "synchronize()");
}

void synchronize_stream(int device, void* stream) {
  DeviceGuard guard(check_device(device));
  cudaError_t error = cudaStreamSynchronize(as_stream(stream));
  check_index_errors();
  check_call(error, "synchronize()");
}

void* new_stream(int device, int priority) {
  device = check_device(device);
  {
    std::lock_guard lock(mutex);
    auto& idle = idle_streams()[{device, priority}];
    if (!idle.empty()) {
      cudaStream_t stream = idle.back();
      idle.pop_back();
      return stream;
    }
  }
  DeviceGuard guard(device);
  cudaStream_t stream = nullptr;
  MT_CUDA_CHECK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, priority));
  return stream;
}

void delete_stream(int device, void* stream) noexcept {
  if (!stream) return;
  int priority = 0;
  if (cudaStreamGetPriority(as_stream(stream), &priority) != cudaSuccess) cudaGetLastError();
  std::lock_guard lock(mutex);
  idle_streams()[{device, priority}].push_back(as_stream(stream));
}

bool stream_done(int device, void* stream) {
  DeviceGuard guard(check_device(device));
  return is_done(cudaStreamQuery(as_stream(stream)), "query()");
}

void stream_wait_event(int device, void* stream, void* event) {
  DeviceGuard guard(check_device(device));
  MT_CUDA_CHECK(cudaStreamWaitEvent(as_stream(stream), as_event(event), 0));
}

void* new_event(int device, bool timing, bool blocking) {
  DeviceGuard guard(check_device(device));
  cudaEvent_t event = nullptr;
  unsigned flags = (timing ? cudaEventDefault : cudaEventDisableTiming) |
                   (blocking ? cudaEventBlockingSync : cudaEventDefault);
  MT_CUDA_CHECK(cudaEventCreateWithFlags(&event, flags));
  return event;
}

void delete_event(void* event) noexcept {
  if (event) cudaEventDestroy(as_event(event));
}

void record_event(int device, void* event, void* stream) {
  DeviceGuard guard(check_device(device));
  MT_CUDA_CHECK(cudaEventRecord(as_event(event), as_stream(stream)));
}

bool event_done(void* event) { return is_done(cudaEventQuery(as_event(event)), "query()"); }

void synchronize_event(void* event) {
  cudaError_t error = cudaEventSynchronize(as_event(event));
  check_index_errors();
  check_call(error, "synchronize()");
}

double elapsed_ms(void* start, void* end) {
  float ms = 0;
  MT_CUDA_CHECK(cudaEventElapsedTime(&ms, as_event(start), as_event(end)));
  return double(ms);
}

Properties properties(int device) {
  cudaDeviceProp p;
  MT_CUDA_CHECK(cudaGetDeviceProperties(&p, check_device(device)));
  return {p.name,
          p.major,
          p.minor,
          p.multiProcessorCount,
          p.maxThreadsPerMultiProcessor,
          p.warpSize,
          int64_t(p.totalGlobalMem),
          int64_t(p.sharedMemPerBlock),
          int64_t(p.sharedMemPerBlockOptin),
          int64_t(p.l2CacheSize),
          int64_t(p.sharedMemPerMultiprocessor),
          int64_t(p.regsPerMultiprocessor),
          p.integrated != 0};
}

bool can_access_peer(int device, int peer) {
  int can = 0;
  MT_CUDA_CHECK(cudaDeviceCanAccessPeer(&can, check_device(device), check_device(peer)));
  return can != 0;
}

int driver_version() {
  int version = 0;
  MT_CUDA_CHECK(cudaDriverGetVersion(&version));
  return version;
}

int runtime_version() {
  int version = 0;
  MT_CUDA_CHECK(cudaRuntimeGetVersion(&version));
  return version;
}

}  // namespace mt::cuda
