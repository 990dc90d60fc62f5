// Emulated bodies of ptx_barrier.cuh.
#pragma once
#include "cuda/emulator/cluster.h"
#include "cuda/emulator/mbarrier.h"
#include "cuda/emulator/proxy.h"

namespace mt::ptx {

inline void mbarrier_init(uint64_t* bar_shared, uint32_t count,
                          emu::Location where = emu::Location::current()) {
  emu::check_shared(bar_shared, "mbarrier_init", where);
  emu::check_aligned(bar_shared, 8, "mbarrier_init", where);
  if (count == 0 || count > emu::Mbarrier::kMaxCount)
    emu::fail(
        emu::format("mbarrier_init: count %u is not in 1..%u", count, emu::Mbarrier::kMaxCount),
        where);
  emu::note_shared_write(bar_shared, 8);
  emu::note_initialised(bar_shared);
  emu::Mbarrier b{emu::Mbarrier::kMagic, 0, count, count, 0};
  std::memcpy(bar_shared, &b, 8);
}

inline void mbarrier_inval(uint64_t* bar_shared, emu::Location where = emu::Location::current()) {
  emu::load_mbarrier(bar_shared, "mbarrier_inval", where);
  emu::note_shared_write(bar_shared, 8);
  std::memset(bar_shared, 0, 8);
}

inline void mbarrier_arrive(uint64_t* bar_shared, emu::Location where = emu::Location::current()) {
  emu::mbarrier_update(bar_shared, 1, 0, "mbarrier_arrive", where);
}

inline void mbarrier_arrive_expect_tx(uint64_t* bar_shared, uint32_t bytes,
                                      emu::Location where = emu::Location::current()) {
  emu::mbarrier_update(bar_shared, 1, bytes, "mbarrier_arrive_expect_tx", where);
}

inline void mbarrier_expect_tx(uint64_t* bar_shared, uint32_t bytes,
                               emu::Location where = emu::Location::current()) {
  emu::mbarrier_update(bar_shared, 0, bytes, "mbarrier_expect_tx", where);
}

inline void mbarrier_arrive_cluster(uint64_t* bar_shared, uint32_t cta,
                                    emu::Location where = emu::Location::current()) {
  void* remote = emu::map_shared(emu::shared_address(bar_shared), int(cta));
  emu::mbarrier_update(remote, 1, 0, "mbarrier_arrive_cluster", where,
                       int(cta) == emu::self().block->cluster_rank);
}

inline bool mbarrier_try_wait(uint64_t* bar_shared, uint32_t parity,
                              emu::Location where = emu::Location::current()) {
  if (emu::mbarrier_passed(bar_shared, parity, "mbarrier_try_wait", where)) return true;
  emu::yield("mbarrier_try_wait", where);
  return emu::mbarrier_passed(bar_shared, parity, "mbarrier_try_wait", where);
}

inline void mbarrier_wait(uint64_t* bar_shared, uint32_t parity,
                          emu::Location where = emu::Location::current()) {
  emu::mbarrier_wait(bar_shared, parity, where);
}

inline void mbarrier_wait_cluster(uint64_t* bar_shared, uint32_t parity,
                                  emu::Location where = emu::Location::current()) {
  emu::mbarrier_wait(bar_shared, parity, where);
}

inline void mbarrier_fence_init() {}

inline void fence_proxy_async() { emu::note_proxy_fence(); }

inline void named_barrier_sync(int id, int threads,
                               emu::Location where = emu::Location::current()) {
  emu::barrier(id, threads, where);
}

inline void named_barrier_arrive(int id, int threads,
                                 emu::Location where = emu::Location::current()) {
  emu::barrier_arrive(id, threads, where);
}

inline bool elect_one(emu::Location where = emu::Location::current()) {
  return emu::warp_collective<bool, bool>(
      ~0u, false,
      [](const bool*, bool* outs, uint32_t) {
        for (int i = 0; i < emu::kWarp; ++i) outs[i] = i == 0;
      },
      "elect_one", where);
}

inline uint32_t cluster_cta_rank() { return uint32_t(emu::self().block->cluster_rank); }
inline uint32_t cluster_cta_count() { return uint32_t(emu::self().block->cluster_size); }

inline void cluster_arrive(emu::Location where = emu::Location::current()) {
  emu::cluster_barrier_arrive(where);
}
inline void cluster_wait(emu::Location where = emu::Location::current()) {
  emu::cluster_barrier_wait(where);
}

inline uint32_t mapa(const void* p_shared, uint32_t cta) {
  return emu::map_shared_address(emu::shared_address(p_shared), int(cta));
}

inline uint32_t load_cluster(uint32_t address) {
  uint32_t r;
  const void* p = emu::shared_pointer(address);
  emu::note_shared_read(p, 4);
  std::memcpy(&r, p, 4);
  return r;
}

inline void store_cluster(uint32_t address, uint32_t value) {
  void* p = emu::shared_pointer(address);
  emu::note_shared_write(p, 4);
  std::memcpy(p, &value, 4);
}

inline void grid_dependency_wait() {}
inline void grid_dependency_launch() {}

}  // namespace mt::ptx
