// The shared memory of a block and the shadow that checks its use. One arena of 2 MiB of address
// space per block, aligned to its size, so that header and shadow are found by arithmetic:
//   [0, 4K) SharedHeader   [256K, 512K) the shared window   [512K, 1536K) the shadow
// Note [Race check]: accesses carry a stamp (time, thread), where time counts the synchronisations
// of the block. Two accesses of one word, one of them a write, by different threads are a race
// unless the later thread has "seen" the earlier access: through barriers, warp rendezvous or
// SyncClocks. The shadow keeps the last writer and two readers per word, so it never reports a race
// that is not there, and may miss one that another schedule shows.
#pragma once
#include <cstddef>
#include <cstring>

#include "cuda/emulator/thread.h"

namespace mt::emu {

constexpr uintptr_t kArena = 2 << 20, kWindow = 256 << 10, kShadow = 512 << 10;
constexpr uintptr_t kWindowBytes = 256 << 10;
// Hardware reserves the first KiB of the window.
constexpr uint32_t kSharedStart = 1024;
constexpr uint32_t kMaxShared = 227 << 10, kMaxStaticShared = 48 << 10;
constexpr int kMaxSharedArrays = 96;

struct SharedArray {
  uintptr_t base;
  uint64_t bytes;
  const char* name;
  const void* site;  // of its declaration
  uint32_t element;  // bytes
};

struct SharedHeader {
  bool checks;
  uint32_t now;
  uint32_t all_seen;  // every thread of the block has seen all accesses up to this time
  uint32_t used;      // end of the last array, from the window's start
  uint32_t statics;   // bytes of static arrays
  int count;
  Block* block;
  SharedArray arrays[kMaxSharedArrays];
};
static_assert(sizeof(SharedHeader) <= 4096 + 1024);

// bits: 0-3 bytes written since the poisoning; 4-7, 8-11, 12-15 bytes touched by writer, readers;
// 16 the writer was atomic; 17-31 the tag, see note_read.
struct ShadowWord {
  uint32_t writer, reader0, reader1, bits;
};

struct Row {
  uint32_t refs;
  uint32_t time[kMaxThreads];
};

constexpr int kTagShift = 17;
constexpr uint32_t kRankBits = 10, kRankMask = (1u << kRankBits) - 1;
constexpr uint32_t kMaxTime = (1u << (32 - kRankBits)) - 2;

MT_EMU_INLINE SharedHeader* header_of(const void* p) {
  return reinterpret_cast<SharedHeader*>(reinterpret_cast<uintptr_t>(p) & ~(kArena - 1));
}
MT_EMU_INLINE ShadowWord* shadow_of(const void* p) {
  uintptr_t address = reinterpret_cast<uintptr_t>(p);
  return reinterpret_cast<ShadowWord*>((address & ~(kArena - 1)) + kShadow +
                                       ((address & (kWindowBytes - 4)) << 2));
}
MT_EMU_INLINE char* window_of(SharedHeader* h) { return reinterpret_cast<char*>(h) + kWindow; }
MT_EMU_INLINE bool is_shared(const void* p) {
  return current_thread &&
         uintptr_t(p) - uintptr_t(window_of(current_thread->block->shared)) < kWindowBytes;
}

enum class Access { Read, Write, Atomic };

// The complete check of an access, which the inline parts below fall back to. `pc` is the code to
// blame.
void check_access(const void* p, size_t bytes, Access, Thread& thread, const void* pc);
__attribute__((noinline)) void check_access_here(const void* p, size_t bytes, Access);
[[noreturn]] MT_EMU_COLD void fail_bounds(const SharedArray*, const void* p, size_t bytes);

MT_EMU_INLINE bool unordered(uint32_t stamp, uint32_t me, uint32_t seen) {
  return (stamp >> kRankBits) > seen && ((stamp ^ me) & kRankMask);
}

// Bytes of its word that an access of N bytes touches; N is 1, 2, or a multiple of 4.
template <size_t N>
MT_EMU_INLINE uint32_t byte_mask(const void* p) {
  if constexpr (N % 4 == 0) return 15u;
  else return ((1u << N) - 1) << (reinterpret_cast<uintptr_t>(p) & 3);
}
template <size_t N>
constexpr bool kInlineAccess = N == 1 || N == 2 || (N % 4 == 0 && N <= 16);

// Loads that compilers do not turn into gathers, which are slower than what they replace.
MT_EMU_INLINE uint32_t plain(const uint32_t& x) {
  return *const_cast<const volatile uint32_t*>(&x);
}

// The shadow of a read that is not tagged.
__attribute__((noinline)) void record_read(const void* p, size_t bytes);

template <size_t N>
MT_EMU_INLINE void note_read(SharedHeader* h, const void* p) {
  if constexpr (kInlineAccess<N>) {
    // Of words with the tag of this time, all bytes are written, the writer has been seen by all,
    // and two readers are known: nothing to check or to add.
    constexpr size_t kWords = (N + 3) / 4;
    const uint32_t mask = byte_mask<N>(p), wanted = h->now << kTagShift | mask;
    const ShadowWord* w = shadow_of(p);
    uint32_t different = plain(w[0].bits) ^ wanted;
    if constexpr (kWords > 1) different |= plain(w[1].bits) ^ wanted;
    if constexpr (kWords > 2) different |= plain(w[2].bits) ^ wanted;
    if constexpr (kWords > 3) different |= plain(w[3].bits) ^ wanted;
    if (different & (~0u << kTagShift | mask)) record_read(p, N);
  } else {
    record_read(p, N);
  }
}

template <size_t N>
MT_EMU_INLINE void note_write(SharedHeader* h, const void* p) {
  if constexpr (kInlineAccess<N>) {
    constexpr size_t kWords = (N + 3) / 4;
    Thread& t = self();
    const uint32_t seen = t.seen, me = h->now << kRankBits | t.rank, mask = byte_mask<N>(p);
    ShadowWord* w = shadow_of(p);
    bool slow = t.block->shared != h;
    for (size_t i = 0; i < kWords; ++i)
      slow |= unordered(plain(w[i].writer), me, seen) || unordered(plain(w[i].reader0), me, seen) ||
              unordered(plain(w[i].reader1), me, seen);
    if (__builtin_expect(slow, 0)) return check_access_here(p, N, Access::Write);
    for (size_t i = 0; i < kWords; ++i) {
      // Of a word that the thread writes in parts, all parts are kept.
      const uint32_t kept = N % 4 == 0 ? 0u : w[i].bits & (w[i].writer == me ? 0xffu : 15u);
      w[i] = {me, 0, 0, kept | mask | mask << 4};
    }
  } else {
    check_access_here(p, N, Access::Write);
  }
}

// For code that uses raw addresses: bounds of the array, initialisation, races. An address that is
// not in the window of a live block's shared memory is an error.
void note_shared_read(const void* p, size_t bytes);
void note_shared_write(const void* p, size_t bytes);
// On behalf of another thread of the block (asynchronous copies).
void note_shared_write_as(Thread&, const void* p, size_t bytes);
void note_shared_read_as(Thread&, const void* p, size_t bytes);
void release_as(Thread&, SyncClock&);

// 32-bit addresses in the shared window: of the caller's block, or of a block of its cluster (the
// rank in bits 24 and up, as mapa gives them).
uint32_t shared_address(const void* p);
void* shared_pointer(uint32_t address);
void* map_shared(uint32_t address, int cta_rank);
uint32_t map_shared_address(uint32_t address, int cta_rank);

// Used by the scheduler.
SharedHeader* create_arena(Block*);
void destroy_arena(SharedHeader*);
void begin_block(SharedHeader*, bool checks);
bool checks_on(const Block&);
void sync_all(Block&);                                                  // every live thread met
void sync_group(Block&, Thread** members, int count, SyncClock* with);  // these did
void sync_warp(Block&, Warp&, uint32_t warp, uint32_t mask);
void drop_rows(Block&);
void destroy_rows(Block&);

}  // namespace mt::emu
