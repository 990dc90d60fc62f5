#include "cuda/core/device.h"

#include <atomic>
#include <vector>

#include "cuda/core/index_error.h"
#include "cuda/core/stream.h"

namespace mt::cuda {
namespace {

struct Devices {
  int count = 0;
  std::string problem;
};

// Looked up once: the answer of the driver does not change while a process lives.
const Devices& devices() {
  static const Devices found = [] {
    Devices d;
    cudaError_t error = cudaGetDeviceCount(&d.count);
    if (error != cudaSuccess) {
      d.count = 0;
      d.problem = cudaGetErrorString(error);
      cudaGetLastError();
    } else if (d.count == 0) {
      d.problem = "no CUDA-capable device is detected";
    }
    return d;
  }();
  return found;
}

// -1: not asked yet. The runtime's own call costs more than the rest of a small op's dispatch.
thread_local int this_device = -1;

struct StreamOf {
  std::vector<cudaStream_t> of_device;  // empty: the default stream everywhere
};
thread_local StreamOf streams;

}  // namespace

int device_count() { return devices().count; }
std::string unavailable_reason() { return devices().problem; }

bool is_emulated() {
#if defined(MT_EMULATE)
  return true;
#else
  return false;
#endif
}

namespace {
std::atomic<bool> tf32_allowed{false};
}
bool allow_tf32() { return tf32_allowed.load(std::memory_order_relaxed); }
void set_allow_tf32(bool allow) { tf32_allowed = allow; }

const char* architectures() { return MT_CUDA_ARCHITECTURES; }

int current_device() {
  if (MT_UNLIKELY(this_device < 0)) {
    check_device(0);
    MT_CUDA_CHECK(cudaGetDevice(&this_device));
  }
  return this_device;
}

int check_device(int index) {
  MT_CHECK(device_count() > 0, "no CUDA device can be used: ", unavailable_reason());
  if (index < 0) return current_device();
  MT_CHECK(index < device_count(), "no CUDA device ", index, ": there ",
           device_count() == 1 ? "is only cuda:0" : concat("are ", device_count()));
  return index;
}

void set_device(int index) {
  index = check_device(index);
  MT_CUDA_CHECK(cudaSetDevice(index));
  this_device = index;
}

void DeviceGuard::restore(int index) noexcept {
  if (cudaSetDevice(index) == cudaSuccess) this_device = index;
}

void* current_stream(int device) {
  return size_t(device) < streams.of_device.size() ? streams.of_device[size_t(device)] : nullptr;
}

void set_current_stream(int device, void* stream) {
  device = check_device(device);
  if (streams.of_device.empty()) streams.of_device.resize(size_t(device_count()));
  streams.of_device[size_t(device)] = static_cast<cudaStream_t>(stream);
}

cudaStream_t stream() { return static_cast<cudaStream_t>(current_stream(current_device())); }

void fail_call(cudaError_t error, const char* call) {
  cudaGetLastError();  // a failed call must not be blamed on the next one
  // csrc/python/bind.cpp knows this start and puts the op's name before it.
  if (error == cudaErrorStreamCaptureUnsupported || error == cudaErrorStreamCaptureImplicit)
    fail(ErrorKind::Runtime,
         "cannot be captured in a CUDA graph, because the CPU waits for the GPU (",
         error_text(error), ": ", call, ")");
  fail(error == cudaErrorMemoryAllocation ? ErrorKind::OutOfMemory : ErrorKind::Runtime,
       "CUDA error: ", error_text(error), " (", call, ")");
}

std::string error_text(cudaError_t error) {
  std::string text = cudaGetErrorString(error);
#if defined(MT_EMULATE)
  if (error == cudaErrorLaunchFailure) text = concat(text, "\n", emu::last_report());
#endif
  return text;
}

void check_launch(const char* op, int device) {
  cudaError_t error = cudaGetLastError();
  if (MT_UNLIKELY(error != cudaSuccess))
    fail(error == cudaErrorMemoryAllocation ? ErrorKind::OutOfMemory : ErrorKind::Runtime, op,
         " on cuda:", device, ": CUDA error: ", error_text(error));
  check_index_errors();
}

}  // namespace mt::cuda
