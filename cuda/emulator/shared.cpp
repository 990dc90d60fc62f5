// Shared memory of a block: its arena, the arrays in it, addresses.
#include "cuda/emulator/shared.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "cuda/emulator/report.h"
#include "cuda/emulator/scheduler.h"

namespace mt::emu {

SharedHeader* create_arena(Block* b) {
  const size_t bytes = 2 * kArena;
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  const uintptr_t start = uintptr_t(memory), base = (start + kArena - 1) & ~(kArena - 1);
  if (base > start) munmap(memory, base - start);
  if (start + bytes > base + kArena)
    munmap(reinterpret_cast<void*>(base + kArena), start + bytes - base - kArena);
  auto* h = reinterpret_cast<SharedHeader*>(base);
  mprotect(window_of(h) + kWindowBytes - 4096, 4096, PROT_NONE);
  h->block = b;
  return h;
}

void destroy_arena(SharedHeader* h) { munmap(h, kArena); }

void begin_block(SharedHeader* h, bool checks) {
  h->checks = checks;
  h->now = 1;
  h->all_seen = 0;
  h->count = 0;
  h->used = kSharedStart;
  h->statics = 0;
}

namespace {
const SharedArray* add_array(SharedHeader* h, const void* site, const char* name, size_t bytes,
                             size_t element, size_t alignment) {
  if (h->count == kMaxSharedArrays)
    MT_EMU_FAIL_HERE(format("more than %d shared arrays in one block", kMaxSharedArrays));
  const uint32_t at = uint32_t((h->used + alignment - 1) & ~(alignment - 1));
  const uint32_t end = uint32_t(at + bytes);
  char* base = window_of(h) + at;
  // All bytes set is NaN in every float format and -1 in integers.
  std::memset(base, 0xff, bytes);
  if (h->checks && bytes)
    std::memset(static_cast<void*>(shadow_of(base)), 0, ((bytes + 3) / 4) * sizeof(ShadowWord));
  h->used = (end + 127) & ~127u;
  SharedArray& a = h->arrays[h->count++];
  a = {uintptr_t(base), bytes, name, site, uint32_t(element)};
  return &a;
}
}  // namespace

const SharedArray* find_shared(const void* site, const char* name, size_t count, size_t element,
                               size_t alignment) {
  SharedHeader* h = self().block->shared;
  for (int i = 0; i < h->count; ++i)
    if (h->arrays[i].site == site) return &h->arrays[i];
  // The dynamic part lies first, whether or not it has been asked for yet.
  const uint32_t dynamic = self().block->launch->shared_bytes;
  if (h->used == kSharedStart) h->used += (dynamic + 127) & ~127u;
  const size_t bytes = count * element;
  h->statics += uint32_t(bytes);
  if (h->statics > kMaxStaticShared)
    MT_EMU_FAIL_HERE(
        format("static shared memory: %u bytes with %s, more than the 48 KiB of a block",
               h->statics, name));
  if (h->statics + dynamic > kMaxShared)
    MT_EMU_FAIL_HERE(
        format("shared memory: %u bytes static and %u dynamic, more than the 227 KiB of "
               "a block",
               h->statics, dynamic));
  return add_array(h, site, name, bytes, element, std::max<size_t>(alignment, 128));
}

const SharedArray* find_dynamic(const char* name, size_t element, size_t alignment) {
  SharedHeader* h = self().block->shared;
  static const char site = 0;
  for (int i = 0; i < h->count; ++i)
    if (h->arrays[i].site == &site) return &h->arrays[i];
  const uint32_t bytes = self().block->launch->shared_bytes;
  if (alignment > kSharedStart) MT_EMU_FAIL_HERE("dynamic shared memory: alignment above 1024");
  const uint32_t used = h->used;
  h->used = kSharedStart;
  const SharedArray* a = add_array(h, &site, name, bytes, element, kSharedStart);
  h->used = std::max(h->used, used);
  return a;
}

uint32_t shared_address(const void* p) {
  return uint32_t(uintptr_t(p) - uintptr_t(window_of(self().block->shared)));
}
uint32_t map_shared_address(uint32_t address, int cta_rank) {
  return (address & 0xffffffu) | uint32_t(cta_rank + 1) << 24;
}
void* map_shared(uint32_t address, int cta_rank) {
  Block& b = *self().block;
  if (cta_rank < 0 || cta_rank >= b.cluster_size)
    MT_EMU_FAIL_HERE(format("block %d of a cluster of %d", cta_rank, b.cluster_size));
  SharedHeader* h = b.cluster_size > 1 ? b.cluster[cta_rank]->shared : b.shared;
  return window_of(h) + (address & 0xffffffu);
}
void* shared_pointer(uint32_t address) {
  if (uint32_t mapped = address >> 24) return map_shared(address, int(mapped) - 1);
  return window_of(self().block->shared) + address;
}

}  // namespace mt::emu
