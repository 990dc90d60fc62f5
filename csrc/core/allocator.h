// The CPU's caching allocator: fresh pages cost more than the arithmetic done on them, so freed
// blocks are kept by size class and handed out again.
#pragma once
#include "core/macros.h"

namespace mt {

constexpr size_t kAlignment = 64;

struct MemoryStats {
  int64_t allocated, peak_allocated;  // bytes in live blocks
  int64_t reserved, peak_reserved;    // bytes held from the system, cached blocks included
  int64_t allocations, cache_hits;
};

// 64-byte aligned, uninitialised; `bytes` = 0 gives nullptr. Throws OutOfMemory after the cache has
// been returned to the system and the request still does not fit.
void* cpu_allocate(size_t bytes);
void cpu_free(void* data, size_t bytes);

void empty_cache();
void set_memory_limit(int64_t bytes);  // 0: none. Counts reserved bytes.
MemoryStats memory_stats();
void reset_peak_memory_stats();

}  // namespace mt
