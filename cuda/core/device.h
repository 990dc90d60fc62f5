// What the rest of minitorch knows of CUDA: devices, memory and copies, on plain types. Streams are
// opaque handles here; cuda/core/stream.h has their CUDA type.
#pragma once
#include <string>

#include "core/tensor.h"

namespace mt::cuda {

// Number of usable devices; 0 without a driver or a GPU, and unavailable_reason() says why.
int device_count();
std::string unavailable_reason();
bool is_emulated();
const char* architectures();  // that the kernels were built for: "sm_80 sm_90a"

// Of this thread, as the runtime keeps it. Throws where there is no such device.
int current_device();
void set_device(int index);
bool can_access_peer(int device, int peer);
// Throws "no CUDA device ..." unless `index` is one; -1 becomes the current device.
int check_device(int index);

// Makes a device current for a scope; costs nothing where it is already.
class DeviceGuard {
 public:
  explicit DeviceGuard(int index) : before_(current_device()) {
    if (index != before_) set_device(index);
    else before_ = -1;
  }
  ~DeviceGuard() {
    if (before_ >= 0) restore(before_);
  }
  DeviceGuard(const DeviceGuard&) = delete;
  DeviceGuard& operator=(const DeviceGuard&) = delete;

 private:
  static void restore(int index) noexcept;
  int before_;
};

// Whether float32 products may round their operands to TF32 (10 bits of mantissa); off at first.
bool allow_tf32();
void set_allow_tf32(bool allow);

// --- memory

struct MemoryStats {
  int64_t allocated, peak_allocated;  // bytes in live blocks
  int64_t reserved, peak_reserved;    // bytes that the driver's pool holds
  int64_t allocations, releases;      // counts of blocks
  int64_t bytes_ever;                 // of all allocations together
  int64_t retries, failures;          // requests that waited for unused memory; those in vain
};

// Ordered on the device's current stream, which `stream` keeps for the release. Throws OutOfMemory
// after the pool's unused memory went back to the driver and the request still does not fit.
void* allocate(size_t bytes, int device, void** stream);
void release(void* data, size_t bytes, int device, void* stream) noexcept;
// `data` is used on another stream, too: its release waits for what that stream has now and later.
void record_stream(void* data, void* stream);
void empty_cache();
MemoryStats memory_stats(int device);
void reset_peak_memory_stats(int device);
void reset_accumulated_memory_stats(int device);
// Most bytes that live blocks may take together; more is OutOfMemory.
void set_memory_limit(int device, int64_t bytes);
void memory_info(int device, size_t* free, size_t* total);

// Page-locked host memory.
void* allocate_pinned(size_t bytes);
void release_pinned(void* data) noexcept;
bool is_pinned(const void* data);

// Bytes between devices or the host, on the current stream of the CUDA side. Returns when the
// source may be changed and, for a host destination, the bytes are there; `non_blocking` leaves
// that to the caller where the host memory is page-locked.
void copy_bytes(void* dst, Device to, const void* src, Device from, size_t bytes,
                bool non_blocking = false);

// --- streams, events and graphs, as handles; null is the default stream

void* current_stream(int device);
void set_current_stream(int device, void* stream);
void synchronize(int device);
void synchronize_stream(int device, void* stream);
void* new_stream(int device, int priority);
void delete_stream(int device, void* stream) noexcept;
bool stream_done(int device, void* stream);
void stream_wait_event(int device, void* stream, void* event);

void* new_event(int device, bool timing, bool blocking);
void delete_event(void* event) noexcept;
void record_event(int device, void* event, void* stream);
bool event_done(void* event);
void synchronize_event(void* event);
double elapsed_ms(void* start, void* end);

// What is launched on the current stream between begin and end becomes a graph. Its tensors live in
// the memory of a pool, which is kept for replays until delete_graph; graphs of the same number
// share one.
void* begin_capture(int device, int64_t pool);
void end_capture(void* graph);
void abandon_capture(void* graph) noexcept;
void replay_graph(void* graph);
void delete_graph(void* graph) noexcept;
// The graph that the device's current stream is captured into, or null.
void* current_capture(int device);

struct Properties {
  std::string name;
  int major, minor, multi_processors, max_threads_per_multi_processor, warp_size;
  int64_t total_memory, shared_memory_per_block, shared_memory_per_block_optin, l2_cache;
  int64_t shared_memory_per_multiprocessor, registers_per_multiprocessor;
  bool integrated;
};
Properties properties(int device);
int driver_version();
int runtime_version();

// --- errors

// After a launch: throws what went wrong, naming the op. Faults of kernels that ran earlier may
// show up here; the text says so.
void check_launch(const char* op, int device);

}  // namespace mt::cuda
