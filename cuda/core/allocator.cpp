// Memory from the driver's stream-ordered pools: a block is freed in the order of the stream that
// it was made on, and comes back from the pool without a call of the operating system.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "cuda/core/device.h"
#include "cuda/core/graph.h"
#include "cuda/core/stream.h"

namespace mt::cuda {
namespace {

// Per device: what the pool does not know, live bytes by request.
struct Ledger {
  std::atomic<int64_t> allocated{0}, peak{0}, allocations{0}, releases{0}, bytes_ever{0};
  std::atomic<int64_t> retries{0}, failures{0}, limit{INT64_MAX};
};

Ledger& ledger(int device) {
  static std::vector<Ledger> all(size_t(std::max(device_count(), 1)));
  return all[size_t(device)];
}

cudaMemPool_t pool_of(int device) {
  static std::vector<cudaMemPool_t> pools = [] {
    std::vector<cudaMemPool_t> list;
    for (int i = 0; i < device_count(); i++) {
      cudaMemPool_t pool;
      MT_CUDA_CHECK(cudaDeviceGetDefaultMemPool(&pool, i));
      // Freed memory stays in the pool until empty_cache().
      uint64_t keep = UINT64_MAX;
      MT_CUDA_CHECK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
      list.push_back(pool);
    }
    return list;
  }();
  return pools[size_t(device)];
}

uint64_t pool_figure(int device, cudaMemPoolAttr what) {
  uint64_t value = 0;
  MT_CUDA_CHECK(cudaMemPoolGetAttribute(pool_of(device), what, &value));
  return value;
}

// Streams beside a block's own that use it (record_stream); empty but for a few programs.
struct OtherStreams {
  std::atomic<int> blocks{0};
  std::mutex mutex;
  std::unordered_map<void*, std::vector<cudaStream_t>> of_block;
};
OtherStreams& others() {
  static auto& all = *new OtherStreams;
  return all;
}

std::vector<cudaStream_t> take_other_streams(void* data) {
  std::lock_guard lock(others().mutex);
  auto found = others().of_block.find(data);
  if (found == others().of_block.end()) return {};
  std::vector<cudaStream_t> streams = std::move(found->second);
  others().of_block.erase(found);
  others().blocks--;
  return streams;
}

// Lets the block's stream wait for the others.
void join_streams(const std::vector<cudaStream_t>& streams, cudaStream_t own) {
  for (cudaStream_t stream : streams) {
    cudaEvent_t event;
    if (cudaEventCreateWithFlags(&event, cudaEventDisableTiming) != cudaSuccess) continue;
    cudaEventRecord(event, stream);
    cudaStreamWaitEvent(own, event, 0);
    cudaEventDestroy(event);
  }
}

}  // namespace

void record_stream(void* data, void* stream) {
  if (!data) return;
  std::lock_guard lock(others().mutex);
  auto [block, fresh] = others().of_block.try_emplace(data);
  others().blocks += fresh;
  auto handle = static_cast<cudaStream_t>(stream);
  auto& list = block->second;
  if (std::find(list.begin(), list.end(), handle) == list.end()) list.push_back(handle);
}

void* allocate(size_t bytes, int device, void** stream) {
  DeviceGuard guard(check_device(device));
  *stream = current_stream(device);
  if (bytes == 0) return nullptr;
  auto on = static_cast<cudaStream_t>(*stream);
  cudaMemPool_t pool = pool_of(device);
  void* data = nullptr;
  Ledger& l = ledger(device);
  cudaError_t error = cudaSuccess;
  if (l.allocated + int64_t(bytes) > l.limit) {
    error = cudaErrorMemoryAllocation;
  } else if (!capture_allocate(on, bytes, &data, &error)) {
    error = cudaMallocFromPoolAsync(&data, bytes, pool, on);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      l.retries++;
      // Blocks whose frees are still queued, and what the pool keeps, may be enough.
      MT_CUDA_CHECK(cudaDeviceSynchronize());
      MT_CUDA_CHECK(cudaMemPoolTrimTo(pool, 0));
      error = cudaMallocFromPoolAsync(&data, bytes, pool, on);
    }
  }
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    l.failures++;
    size_t free = 0, total = 0;
    memory_info(device, &free, &total);
    fail(ErrorKind::OutOfMemory, "CUDA out of memory: tried to allocate ", bytes,
         " bytes on cuda:", device, "; ", l.allocated.load(), " are in use by tensors, ", free,
         " of ", total, " are free",
         l.limit < INT64_MAX ? "; set_per_process_memory_fraction() limits the tensors to " : "",
         l.limit < INT64_MAX ? std::to_string(l.limit) : "");
  }
  check_call(error, "allocate");
  int64_t now = l.allocated += int64_t(bytes);
  l.allocations++;
  l.bytes_ever += int64_t(bytes);
  int64_t peak = l.peak;
  while (now > peak && !l.peak.compare_exchange_weak(peak, now)) {
  }
  return data;
}

void release(void* data, size_t bytes, int device, void* stream) noexcept {
  if (!data) return;
  ledger(device).allocated -= int64_t(bytes);
  ledger(device).releases++;
  std::vector<cudaStream_t> streams;
  if (others().blocks) streams = take_other_streams(data);
  auto own = static_cast<cudaStream_t>(stream);
  if (capture_release(data, own, !streams.empty())) return;
  join_streams(streams, own);
  // A failure here (a context that is gone at exit) has nobody to tell.
  if (cudaFreeAsync(data, own) != cudaSuccess) cudaGetLastError();
}

void empty_cache() {
  for (int i = 0; i < device_count(); i++) {
    DeviceGuard guard(i);
    MT_CUDA_CHECK(cudaDeviceSynchronize());
    MT_CUDA_CHECK(cudaMemPoolTrimTo(pool_of(i), 0));
  }
}

MemoryStats memory_stats(int device) {
  device = check_device(device);
  Ledger& l = ledger(device);
  return {l.allocated,
          l.peak,
          int64_t(pool_figure(device, cudaMemPoolAttrReservedMemCurrent)),
          int64_t(pool_figure(device, cudaMemPoolAttrReservedMemHigh)),
          l.allocations,
          l.releases,
          l.bytes_ever,
          l.retries,
          l.failures};
}

// What is in use stays counted as allocated once.
void reset_accumulated_memory_stats(int device) {
  Ledger& l = ledger(check_device(device));
  l.allocations = l.allocations - l.releases;
  l.bytes_ever = l.allocated.load();
  l.releases = l.retries = l.failures = 0;
}

void set_memory_limit(int device, int64_t bytes) { ledger(check_device(device)).limit = bytes; }

void reset_peak_memory_stats(int device) {
  device = check_device(device);
  Ledger& l = ledger(device);
  l.peak = l.allocated.load();
  uint64_t zero = 0;
  MT_CUDA_CHECK(cudaMemPoolSetAttribute(pool_of(device), cudaMemPoolAttrReservedMemHigh, &zero));
}

void memory_info(int device, size_t* free, size_t* total) {
  DeviceGuard guard(check_device(device));
  MT_CUDA_CHECK(cudaMemGetInfo(free, total));
}

void* allocate_pinned(size_t bytes) {
  check_device(0);
  if (bytes == 0) return nullptr;
  void* data = nullptr;
  cudaError_t error = cudaHostAlloc(&data, bytes, cudaHostAllocPortable);
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail(ErrorKind::OutOfMemory, "out of page-locked memory: tried to allocate ", bytes, " bytes");
  }
  check_call(error, "allocate_pinned");
  return data;
}

void release_pinned(void* data) noexcept {
  if (data) cudaFreeHost(data);
}

bool is_pinned(const void* data) {
  if (!data || device_count() == 0) return false;
  cudaPointerAttributes attributes;
  if (cudaPointerGetAttributes(&attributes, data) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return attributes.type == cudaMemoryTypeHost;
}

void copy_bytes(void* dst, Device to, const void* src, Device from, size_t bytes,
                bool non_blocking) {
  if (bytes == 0) return;
  DeviceGuard guard(to.is_cpu() ? from.index : to.index);
  cudaStream_t on = stream();
  if (!to.is_cpu() && !from.is_cpu() && to.index != from.index) {
    // The other device must have finished writing what is read here.
    synchronize_stream(from.index, current_stream(from.index));
    MT_CUDA_CHECK(cudaMemcpyPeerAsync(dst, to.index, src, from.index, bytes, on));
    return;
  }
  cudaMemcpyKind kind = to.is_cpu()     ? cudaMemcpyDeviceToHost
                        : from.is_cpu() ? cudaMemcpyHostToDevice
                                        : cudaMemcpyDeviceToDevice;
  MT_CUDA_CHECK(cudaMemcpyAsync(dst, src, bytes, kind, on));
  if (!non_blocking && kind != cudaMemcpyDeviceToDevice) synchronize_stream(current_device(), on);
}

}  // namespace mt::cuda
