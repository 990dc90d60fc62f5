// Note [Proxy check]: the tensor memory accelerator and wgmma read shared memory through a proxy of
// their own. What ordinary stores wrote is visible to them only after fence.proxy.async, run by the
// writer or by somebody who has synchronised with the writer, and before the reader synchronised
// with that thread. Forgetting it is the commonest silent mistake on Hopper: here it is a report.
#pragma once
#include <memory>
#include <vector>

#include "cuda/emulator/report.h"
#include "cuda/emulator/shadow.h"

namespace mt::emu {

struct ProxyState {
  // Stamp of the last write by the proxy itself, per 16 bytes of the window.
  std::vector<uint32_t> written;
  // The latest two fences of each thread, and the accesses that they cover: a thread that runs
  // ahead fences its next writes while others still read what the fence before made visible.
  struct Fence {
    uint32_t time = 0;
    bool used = false;
    SyncClock covers;
  };
  struct Fences {
    Fence latest[2];
    int next = 0;
  };
  std::vector<Fences> fences;  // by rank of the thread

  ProxyState() : written(kWindowBytes / 16) {}

  uint32_t& stamp_at(const void* p) {
    return written[(reinterpret_cast<uintptr_t>(p) & (kWindowBytes - 1)) / 16];
  }
};

inline void note_proxy_fence() {
  Thread& t = self();
  if (!t.block->shared->checks) return;
  std::vector<ProxyState::Fences>& all = block_local<ProxyState>().fences;
  if (all.size() <= t.rank) all.resize(t.block->size);
  ProxyState::Fence& f = all[t.rank].latest[all[t.rank].next ^= 1];
  f.used = true;
  f.time = t.block->shared->now;
  release_to(f.covers);
}

// After a write by the proxy that the race check knows of.
inline void note_proxy_write(const void* p, size_t bytes) {
  ProxyState& state = block_local<ProxyState>();
  const char* c = static_cast<const char*>(p);
  for (size_t i = 0; i < bytes; i += 16) state.stamp_at(c + i) = shadow_of(c + i)->writer;
}

inline bool has_synchronised_with(const Thread& t, uint32_t rank, uint32_t time) {
  return rank == t.rank || time <= t.seen || (rank / kWarp == t.warp && time <= t.warp_seen) ||
         (t.row && time <= t.row->time[rank]);
}

inline bool is_fenced(const ProxyState& state, uint32_t stamp) {
  const uint32_t rank = stamp & kRankMask, time = stamp >> kRankBits;
  const auto by = [&](uint32_t fencer) {
    for (const ProxyState::Fence& f : state.fences[fencer].latest) {
      const SyncClock& c = f.covers;
      if (f.used && (time <= c.seen || (c.row && time <= c.row->time[rank])) &&
          has_synchronised_with(self(), fencer, f.time))
        return true;
    }
    return false;
  };
  if (rank < state.fences.size() && by(rank)) return true;  // mostly the writer itself
  for (uint32_t fencer = 0; fencer < state.fences.size(); ++fencer)
    if (by(fencer)) return true;
  return false;
}

// Before a read by the proxy of `bytes` bytes (16-byte aligned).
inline void check_proxy_read(const void* p, size_t bytes, const char* what, Location where) {
  if (!self().block->shared->checks) return;
  ProxyState& state = block_local<ProxyState>();
  const char* c = static_cast<const char*>(p);
  uint32_t fenced = 0;  // the last stamp that proved to be; neighbours often share it
  for (size_t i = 0; i < bytes; i += 4) {
    const uint32_t stamp = shadow_of(c + i)->writer;
    if (stamp == 0 || stamp == fenced || stamp == state.stamp_at(c + i)) continue;
    if (!is_fenced(state, stamp))
      fail(format("%s reads shared memory at address 0x%x, which thread %u wrote with an ordinary "
                  "store and no fence_proxy_async made visible to it",
                  what, shared_address(c + i), stamp & kRankMask),
           where);
    fenced = stamp;
  }
}

}  // namespace mt::emu
