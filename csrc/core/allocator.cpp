#include "core/allocator.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "core/check.h"

namespace mt {
namespace {

// Size classes: four per power of two (at most 25% slack), from 64 bytes to 2^47.
constexpr int kClasses = 4 * 42;
constexpr size_t kHugePage = size_t(2) << 20;

int class_of(size_t bytes) {
  if (bytes <= 64) return 0;
  int log2 = 63 - __builtin_clzll(bytes - 1);  // 2^log2 < bytes <= 2^(log2+1)
  int quarter = int((bytes - 1) >> (log2 - 2)) & 3;
  return 4 * (log2 - 6) + quarter + 1;
}

size_t class_bytes(int c) {
  if (c == 0) return 64;
  int log2 = (c - 1) / 4 + 6, quarter = (c - 1) % 4;
  size_t bytes = (size_t(1) << log2) + size_t(quarter + 1) * (size_t(1) << (log2 - 2));
  return (bytes + 63) & ~size_t(63);
}

struct FreeBlock {
  FreeBlock* next;
};

class Lock {  // held for a few instructions and almost never contended (callers hold the GIL)
 public:
  explicit Lock(std::atomic_flag& flag) : flag_(flag) {
    while (flag_.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~Lock() { flag_.clear(std::memory_order_release); }

 private:
  std::atomic_flag& flag_;
};

struct Cache {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  FreeBlock* head[kClasses] = {};
  MemoryStats stats = {};
  int64_t limit = 0;
};
Cache& cache = *new Cache;  // outlives every static destructor that still frees a tensor

void* from_system(size_t bytes) {
  void* p = nullptr;
  bool huge = bytes >= 2 * kHugePage;
  if (posix_memalign(&p, huge ? kHugePage : kAlignment, bytes) != 0) return nullptr;
  if (huge) madvise(p, bytes, MADV_HUGEPAGE);
  return p;
}

void release_cached_blocks() {
  for (int c = 0; c < kClasses; c++) {
    while (FreeBlock* block = cache.head[c]) {
      cache.head[c] = block->next;
      cache.stats.reserved -= int64_t(class_bytes(c));
      std::free(block);
    }
  }
}

}  // namespace

void* cpu_allocate(size_t bytes) {
  if (bytes == 0) return nullptr;
  int64_t limit = 0;
  if (MT_LIKELY(bytes <= (size_t(1) << 46))) {
    int c = class_of(bytes);
    int64_t size = int64_t(class_bytes(c));
    Lock lock(cache.busy);
    MemoryStats& stats = cache.stats;
    FreeBlock* block = cache.head[c];
    if (MT_LIKELY(block != nullptr)) {
      cache.head[c] = block->next;
      stats.cache_hits++;
    } else {
      limit = cache.limit;
      if (limit && stats.reserved + size > limit) release_cached_blocks();
      if (!limit || stats.reserved + size <= limit) {
        block = static_cast<FreeBlock*>(from_system(size_t(size)));
        if (!block) {
          release_cached_blocks();
          block = static_cast<FreeBlock*>(from_system(size_t(size)));
        }
      }
      if (block) {
        stats.reserved += size;
        stats.peak_reserved = std::max(stats.peak_reserved, stats.reserved);
      }
    }
    if (MT_LIKELY(block != nullptr)) {
      stats.allocations++;
      stats.allocated += size;
      stats.peak_allocated = std::max(stats.peak_allocated, stats.allocated);
      return block;
    }
  }
  MemoryStats stats = memory_stats();
  if (limit)
    fail(ErrorKind::OutOfMemory, "CPU out of memory: tried to allocate ", bytes, " bytes; ",
         stats.allocated, " are in use and set_memory_limit() allows ", limit);
  fail(ErrorKind::OutOfMemory, "CPU out of memory: tried to allocate ", bytes, " bytes; ",
       stats.allocated, " are in use");
}

void cpu_free(void* data, size_t bytes) {
  if (!data) return;
  int c = class_of(bytes);
  auto* block = static_cast<FreeBlock*>(data);
  Lock lock(cache.busy);
  block->next = cache.head[c];
  cache.head[c] = block;
  cache.stats.allocated -= int64_t(class_bytes(c));
}

void empty_cache() {
  Lock lock(cache.busy);
  release_cached_blocks();
}

void set_memory_limit(int64_t bytes) {
  MT_CHECK_VALUE(bytes >= 0, "set_memory_limit(): expected a size in bytes, got ", bytes);
  Lock lock(cache.busy);
  cache.limit = bytes;
}

MemoryStats memory_stats() {
  Lock lock(cache.busy);
  return cache.stats;
}

void reset_peak_memory_stats() {
  Lock lock(cache.busy);
  cache.stats.peak_allocated = cache.stats.allocated;
  cache.stats.peak_reserved = cache.stats.reserved;
}

}  // namespace mt
