// The state machine of an mbarrier, kept in its own 8 bytes of shared memory as on hardware, and
// the order of accesses that it gives to the race check.
#pragma once
#include <bit>
#include <cstring>
#include <map>
#include <string>

#include "cuda/emulator/proxy.h"
#include "cuda/emulator/ptx_copy.h"

namespace mt::emu {

struct Mbarrier {
  static constexpr uint64_t kMagic = 2;
  static constexpr uint32_t kMaxCount = (1u << 20) - 1;
  uint64_t magic : 2, phase : 1, count : 20, pending : 20;
  int64_t bytes : 21;  // announced and not yet landed
};
static_assert(sizeof(Mbarrier) == 8);

// Who initialised a barrier and when, and what arrivals make known to those who wait, by parity of
// the phase.
struct MbarrierOrder {
  uint32_t rank = 0, time = 0;
  SyncClock clock[2];
};
struct MbarrierOrders {
  std::map<const void*, MbarrierOrder> of;
};

inline MbarrierOrder& order_of(const void* bar) { return block_local<MbarrierOrders>().of[bar]; }
inline SyncClock& clock_of(const void* bar, int phase) { return order_of(bar).clock[phase]; }

inline void note_initialised(const void* bar) {
  MbarrierOrder& order = order_of(bar);
  order.rank = self().rank;
  order.time = self().block->shared->now;
}

inline void check_initialised(const void* bar, const char* what, Location where) {
  const SharedHeader* h = self().block->shared;
  MbarrierOrder& order = order_of(bar);
  if (order.time > h->now) order.time = 0;  // the race check has forgotten the past
  if (h->checks && !has_synchronised_with(self(), order.rank, order.time))
    fail(format("race: %s uses a barrier that thread %s initialised with no barrier in between",
                what, text_of(self().block->threads[order.rank].thread_idx).c_str()),
         where);
}

// `owner` is false for a barrier in another block of the cluster.
inline Mbarrier load_mbarrier(const void* bar, const char* what, Location where,
                              bool owner = true) {
  check_aligned(bar, 8, what, where);
  if (owner) {
    check_shared(bar, what, where);
    check_initialised(bar, what, where);
  }
  Mbarrier b;
  std::memcpy(&b, bar, 8);
  if (b.magic != Mbarrier::kMagic)
    fail(format("%s: no mbarrier was initialised at %p", what, bar), where);
  return b;
}

inline std::string text_of(const Mbarrier& b) {
  return format("phase %d, %d of %d arrivals missing, %d bytes announced and not landed",
                int(b.phase), int(b.pending), int(b.count), int(b.bytes));
}

inline void store_mbarrier(void* bar, Mbarrier b) {
  if (b.pending == 0 && b.bytes == 0) {
    b.phase ^= 1;
    b.pending = b.count;
    note_progress();
  }
  std::memcpy(bar, &b, 8);
}

inline void check_bytes(int64_t bytes, const char* what, Location where) {
  if (bytes > int64_t(Mbarrier::kMaxCount) || bytes < -int64_t(Mbarrier::kMaxCount))
    fail(format("%s: more than %u bytes under way in one phase", what, Mbarrier::kMaxCount), where);
}

inline void mbarrier_update(void* bar, uint32_t arrivals, int64_t bytes, const char* what,
                            Location where, bool owner = true) {
  Mbarrier b = load_mbarrier(bar, what, where, owner);
  if (arrivals > b.pending)
    fail(format("%s: more arrivals in one phase than the %d that mbarrier_init announced", what,
                int(b.count)),
         where);
  check_bytes(b.bytes + bytes, what, where);
  if (owner) release_to(clock_of(bar, int(b.phase)));
  b.pending -= arrivals;
  b.bytes += bytes;
  store_mbarrier(bar, b);
}

// Bytes that a copy issued by `thread` has landed.
inline void mbarrier_complete_bytes(void* bar, Thread& thread, int64_t bytes, const char* what,
                                    Location where) {
  Mbarrier b = load_mbarrier(bar, what, where, false);
  check_bytes(b.bytes - bytes, what, where);
  if (thread.block == self().block && is_shared(bar))
    release_as(thread, clock_of(bar, int(b.phase)));
  b.bytes -= bytes;
  store_mbarrier(bar, b);
}

// Whether the phase of this parity has completed; if so, what came before it is visible.
inline bool mbarrier_passed(void* bar, uint32_t parity, const char* what, Location where) {
  if (parity > 1) fail(format("%s: parity %u is neither 0 nor 1", what, parity), where);
  Mbarrier b = load_mbarrier(bar, what, where);
  if (b.phase == parity) return false;
  acquire_from(clock_of(bar, int(parity)));
  return true;
}

// Texts for the deadlock report: who waits, and for which state.
struct MbarrierWaits {
  struct Wait {
    const void* bar = nullptr;
    char text[160] = {};
  };
  std::vector<Wait> of;

  Wait& mine() {
    if (of.empty()) of.resize(self().block->size);
    return of[self().rank];
  }
  void describe(Wait& w) {
    Mbarrier b;
    std::memcpy(&b, w.bar, 8);
    std::strncpy(w.text, ("mbarrier_wait (" + text_of(b) + ")").c_str(), sizeof(w.text) - 1);
  }
  bool idle() {
    for (Wait& w : of)
      if (w.bar) describe(w);
    return false;
  }
};

inline void mbarrier_wait(void* bar, uint32_t parity, Location where) {
  if (mbarrier_passed(bar, parity, "mbarrier_wait", where)) return;
  MbarrierWaits::Wait& w = block_local<MbarrierWaits>().mine();
  w.bar = bar;
  std::strcpy(w.text, "mbarrier_wait");
  do {
    yield(w.text, where);
  } while (!mbarrier_passed(bar, parity, "mbarrier_wait", where));
  w.bar = nullptr;
}

}  // namespace mt::emu
