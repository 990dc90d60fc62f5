#include "cuda/emulator/device_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <set>

#include "cuda/emulator/report.h"
#include "cuda/emulator/settings.h"

namespace mt::emu {
namespace {

const size_t kPage = size_t(sysconf(_SC_PAGESIZE));
constexpr size_t kAlign = 16;
constexpr size_t kQuarantineBlocks = 512;
// Freed blocks up to this size keep their pages, which saves the page faults of the next use.
constexpr size_t kKeepBytes = 64 << 10;
// Checked after every launch, if there are no more of them.
constexpr size_t kSlackBlocks = 64;
constexpr unsigned char kCanary = 0xca;

enum class HostCheck { Off, Pkey, Mprotect };

struct Heap {
  std::recursive_mutex mutex;
  char* base = nullptr;
  size_t bytes = 0, next = 0;
  std::map<uintptr_t, Allocation> live, freed;  // by first page
  std::set<const Allocation*> slack;  // live ones with bytes between their end and the guard page
  std::deque<uintptr_t> quarantine;
  std::multimap<size_t, uintptr_t> reusable;  // by page_bytes
  std::map<uintptr_t, size_t> pinned;
  MemoryUse use{};
  uint64_t serial = 0;
  HostCheck check = HostCheck::Off;
  int key = 0;
  int open = 0;  // threads inside of DeviceAccess, for Mprotect

  Heap() {
    for (int shift = 38; shift >= 30 && !base; --shift) {
      void* p = mmap(nullptr, size_t(1) << shift, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (p == MAP_FAILED) continue;
      base = static_cast<char*>(p);
      bytes = size_t(1) << shift;
    }
#if defined(__x86_64__) && defined(PKEY_DISABLE_ACCESS)
    if (settings().host_check && (key = pkey_alloc(0, PKEY_DISABLE_ACCESS)) > 0)
      check = HostCheck::Pkey;
#endif
    if (check == HostCheck::Off && settings().host_check) check = HostCheck::Mprotect;
  }

  bool protect(char* pages, size_t size, bool access) {
    const int rights = access ? PROT_READ | PROT_WRITE : PROT_NONE;
#if defined(__x86_64__) && defined(PKEY_DISABLE_ACCESS)
    if (check == HostCheck::Pkey) return pkey_mprotect(pages, size, rights, access ? key : 0) == 0;
#endif
    return mprotect(pages, size, rights) == 0;
  }

  // The block whose pages, or guard page, hold p.
  const Allocation* find(const std::map<uintptr_t, Allocation>& blocks, const void* p) const {
    auto it = blocks.upper_bound(uintptr_t(p));
    if (it == blocks.begin()) return nullptr;
    const Allocation& a = std::prev(it)->second;
    return uintptr_t(p) < uintptr_t(a.pages) + a.page_bytes + kPage ? &a : nullptr;
  }
};

Heap& heap() {
  static Heap* one = new Heap;  // outlives static destructors that free memory
  return *one;
}

// First damaged byte around the allocation, or null.
const char* damage(const Allocation& a, bool front) {
  if (front)
    for (const char* p = a.pages; p < a.start; ++p)
      if (static_cast<unsigned char>(*p) != kCanary) return p;
  for (const char* p = a.start + a.bytes; p < a.pages + a.page_bytes; ++p)
    if (static_cast<unsigned char>(*p) != kCanary) return p;
  return nullptr;
}

std::string damage_text(const Allocation& a, const char* at) {
  const bool behind = at >= a.start;
  return format(
      "written outside of an allocation: byte %td %s an allocation of %zu bytes (number %llu)",
      behind ? at - (a.start + a.bytes) : a.start - at,
      behind ? "past the end of" : "before the start of", a.bytes, (unsigned long long)a.serial);
}

}  // namespace

cudaError_t allocate(void** p, size_t bytes, bool pool) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  *p = nullptr;
  if (bytes == 0) return cudaSuccess;
  prepare_thread();
  if (bytes > settings().memory || h.use.used + bytes > settings().memory)
    return cudaErrorMemoryAllocation;
  const size_t rounded = (bytes + kAlign - 1) / kAlign * kAlign;
  const size_t page_bytes = (rounded + kPage - 1) / kPage * kPage;
  char* pages;
  if (auto it = h.reusable.find(page_bytes); it != h.reusable.end()) {
    pages = reinterpret_cast<char*>(it->second);
    h.reusable.erase(it);
  } else {
    if (h.next + page_bytes + kPage > h.bytes) return cudaErrorMemoryAllocation;
    pages = h.base + h.next;
    h.next += page_bytes + kPage;
  }
  if (!h.protect(pages, page_bytes, true)) {
    h.reusable.emplace(page_bytes, uintptr_t(pages));
    return cudaErrorMemoryAllocation;
  }
  Allocation a{pages + page_bytes - rounded, bytes, pages, page_bytes, ++h.serial, pool};
  {
    DeviceAccess access;
    std::memset(a.pages, kCanary, size_t(a.start - a.pages));
    std::memset(a.start, 0xff, bytes);
    std::memset(a.start + bytes, kCanary, rounded - bytes);
  }
  const Allocation& kept = h.live[uintptr_t(pages)] = a;
  if (rounded != bytes) h.slack.insert(&kept);
  if (h.check == HostCheck::Mprotect && h.open == 0) h.protect(pages, page_bytes, false);
  h.use.used += bytes;
  h.use.used_high = std::max(h.use.used_high, h.use.used);
  if (pool) {
    h.use.pool_used += bytes;
    h.use.pool_high = std::max(h.use.pool_high, h.use.pool_used);
  }
  *p = a.start;
  return cudaSuccess;
}

cudaError_t release(void* p) {
  if (!p) return cudaSuccess;
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  const Allocation* found = h.find(h.live, p);
  if (!found || found->start != p) {
    std::string what = in_device_arena(p) ? describe_address(p) : "no device memory";
    if (const Allocation* old = h.find(h.freed, p); old && old->start == p)
      what = format("an allocation of %zu bytes (number %llu) that was freed before", old->bytes,
                    (unsigned long long)old->serial);
    set_last_report(format("cudaFree(%p): ", p) + what);
    return cudaErrorInvalidValue;
  }
  const Allocation a = *found;
  cudaError_t error = cudaSuccess;
  {
    DeviceAccess access;
    if (const char* at = damage(a, true)) {
      set_last_report("found by cudaFree: " + damage_text(a, at));
      error = cudaErrorIllegalAddress;
    }
  }
  h.slack.erase(found);
  h.live.erase(uintptr_t(a.pages));
  if (a.page_bytes > kKeepBytes) madvise(a.pages, a.page_bytes, MADV_DONTNEED);
  h.protect(a.pages, a.page_bytes, false);
  h.freed[uintptr_t(a.pages)] = a;
  h.quarantine.push_back(uintptr_t(a.pages));
  if (h.quarantine.size() > kQuarantineBlocks) {
    auto it = h.freed.find(h.quarantine.front());
    h.reusable.emplace(it->second.page_bytes, it->first);
    h.freed.erase(it);
    h.quarantine.pop_front();
  }
  h.use.used -= a.bytes;
  if (a.pool) h.use.pool_used -= a.bytes;
  return error;
}

bool in_device_arena(const void* p) {
  Heap& h = heap();
  return uintptr_t(p) - uintptr_t(h.base) < h.bytes;
}

Kind kind_of(const void* p, size_t bytes) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  if (in_device_arena(p)) {
    const Allocation* a = h.find(h.live, p);
    if (!a) return Kind::Freed;
    const char* at = static_cast<const char*>(p);
    return at >= a->start && at + bytes <= a->start + a->bytes ? Kind::Device : Kind::Unknown;
  }
  auto it = h.pinned.upper_bound(uintptr_t(p));
  if (it == h.pinned.begin()) return Kind::Unknown;
  --it;
  return uintptr_t(p) + bytes <= it->first + it->second ? Kind::Pinned : Kind::Unknown;
}

std::string describe_address(const void* p) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  const char* at = static_cast<const char*>(p);
  auto text = [&](const Allocation& a, const char* state) {
    const char* end = a.start + a.bytes;
    if (at >= end)
      return format("%td bytes past the end of %s of %zu bytes (number %llu)", at - end, state,
                    a.bytes, (unsigned long long)a.serial);
    if (at < a.start)
      return format("%td bytes before the start of %s of %zu bytes (number %llu)", a.start - at,
                    state, a.bytes, (unsigned long long)a.serial);
    return format("%td bytes into %s of %zu bytes (number %llu)", at - a.start, state, a.bytes,
                  (unsigned long long)a.serial);
  };
  if (!in_device_arena(p)) return format("%p, which is no device memory", p);
  const Allocation* a = h.find(h.live, p);
  // In a guard page, the allocation behind it may be the nearer one.
  if (a && at >= a->pages + a->page_bytes) {
    auto behind = h.live.find(uintptr_t(a->pages + a->page_bytes + kPage));
    if (behind != h.live.end() && behind->second.start - at < at - (a->start + a->bytes))
      a = &behind->second;
  }
  if (a) return text(*a, "an allocation");
  if (const Allocation* f = h.find(h.freed, p)) return text(*f, "a freed allocation");
  return format("%p, far from any allocation", p);
}

std::string check_canaries() {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  if (h.slack.empty() || h.slack.size() > kSlackBlocks) return "";
  DeviceAccess access;
  for (const Allocation* a : h.slack)
    if (const char* at = damage(*a, false)) {
      // Whole again, so that it is reported once.
      char* end = a->start + a->bytes;
      std::memset(end, kCanary, size_t(a->pages + a->page_bytes - end));
      return damage_text(*a, at);
    }
  return "";
}

std::vector<Allocation> live_allocations() {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  std::vector<Allocation> all;
  for (auto& [page, a] : h.live) all.push_back(a);
  std::sort(all.begin(), all.end(),
            [](const Allocation& a, const Allocation& b) { return a.serial < b.serial; });
  return all;
}

MemoryUse memory_use() {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  MemoryUse use = h.use;
  use.limit = settings().memory;
  return use;
}

void reset_memory_high() {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  h.use.used_high = h.use.used;
  h.use.pool_high = h.use.pool_used;
}

void pin(void* p, size_t bytes) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  h.pinned[uintptr_t(p)] = bytes;
}
bool unpin(void* p) {
  Heap& h = heap();
  std::lock_guard lock(h.mutex);
  return h.pinned.erase(uintptr_t(p)) > 0;
}

namespace {
constinit thread_local int depth = 0;
}

// Nested uses on one OS thread count once.
DeviceAccess::DeviceAccess() {
  Heap& h = heap();
  if (depth++ || h.check == HostCheck::Off) return;
#if defined(__x86_64__) && defined(PKEY_DISABLE_ACCESS)
  if (h.check == HostCheck::Pkey) {
    pkey_set(h.key, 0);
    return;
  }
#endif
  std::lock_guard lock(h.mutex);
  if (h.open++ == 0)
    for (auto& [page, a] : h.live) h.protect(a.pages, a.page_bytes, true);
}

DeviceAccess::~DeviceAccess() {
  Heap& h = heap();
  if (--depth || h.check == HostCheck::Off) return;
#if defined(__x86_64__) && defined(PKEY_DISABLE_ACCESS)
  if (h.check == HostCheck::Pkey) {
    pkey_set(h.key, PKEY_DISABLE_ACCESS);
    return;
  }
#endif
  std::lock_guard lock(h.mutex);
  if (--h.open == 0)
    for (auto& [page, a] : h.live) h.protect(a.pages, a.page_bytes, false);
}

void restore_device_access() {
#if defined(__x86_64__) && defined(PKEY_DISABLE_ACCESS)
  Heap& h = heap();
  if (depth && h.check == HostCheck::Pkey) pkey_set(h.key, 0);
#endif
}

const char* host_check() {
  switch (heap().check) {
    case HostCheck::Pkey:
      return "pkey";
    case HostCheck::Mprotect:
      return "mprotect";
    case HostCheck::Off:
      break;
  }
  return "off";
}

}  // namespace mt::emu
