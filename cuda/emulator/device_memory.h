// Emulated device memory. Every allocation has pages of its own, its end up to 15 bytes before a
// page that faults; what is freed stays out of use for a while. So wrong accesses fault, or are
// found by the canaries around the allocation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cuda/emulator/cuda_runtime_api.h"

namespace mt::emu {

struct Allocation {
  char* start;
  size_t bytes;
  char* pages;  // first page; the last one ends at the guard page
  size_t page_bytes;
  uint64_t serial;  // counts allocations of the process
  bool pool;        // of cudaMallocAsync
};

cudaError_t allocate(void** p, size_t bytes, bool pool);
cudaError_t release(void* p);  // a report and cudaErrorInvalidValue if p is no allocation

enum class Kind { Unknown, Device, Freed, Pinned };
// Where p points; with `bytes`, Device and Pinned mean that all of them are inside.
Kind kind_of(const void* p, size_t bytes = 0);
bool in_device_arena(const void* p);
// "4 bytes past the end of an allocation of 400 bytes".
std::string describe_address(const void* p);
// Text about the first damaged canary, empty if all are whole.
std::string check_canaries();

std::vector<Allocation> live_allocations();

struct MemoryUse {
  uint64_t used, used_high, pool_used, pool_high, limit;
};
MemoryUse memory_use();
void reset_memory_high();

void pin(void* p, size_t bytes);
bool unpin(void* p);

// The host may touch device memory only while one of these lives on its OS thread.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
};
// A signal handler starts without the rights of its OS thread; to be called where one was left.
void restore_device_access();
// How host access is noticed: "pkey", "mprotect" or "off".
const char* host_check();

// Once per OS thread that runs kernels, and per process: a signal stack, the fault handler.
void prepare_thread();

}  // namespace mt::emu
