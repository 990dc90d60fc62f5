// Emulated bodies of ptx_tma.cuh. MINITORCH_EMULATOR_ASYNC=early: a copy happens when it is issued.
// late: a load happens when no thread of the block can go on without it, a store when its thread
// waits for it (never, if it does not wait).
#pragma once
#include <algorithm>
#include <deque>

#include "cuda/emulator/cluster.h"
#include "cuda/emulator/mbarrier.h"
#include "cuda/emulator/proxy.h"
#include "cuda/emulator/ptx_mma.h"
#include "cuda/emulator/tensor_map.h"

namespace mt::emu {

struct BulkCopy {
  Thread* thread;
  const TensorMap* map;  // null: plain bytes
  char* shared;
  char* global;    // plain bytes
  uint32_t bytes;  // of the box
  int coord[5];
  void* bar;       // of loads
  uint16_t ctas;   // multicast: the blocks of the cluster that receive the box; 0 = only this one
  uint32_t group;  // of stores
  const char* what;
  Location where;
};

// Calls f(shared offset in the box, global address or null outside, bytes) for each row of a box.
// Rows are cut at the edges of the tensor.
template <class F>
void for_rows_of_box(const TensorMap& m, const int* coord, F&& f) {
  int index[5] = {};
  const int element = m.element, row = m.box[0];
  const int64_t first = std::clamp<int64_t>(-int64_t(coord[0]), 0, row);
  const int64_t last = std::clamp<int64_t>(int64_t(m.size[0]) - coord[0], first, row);
  for (uint32_t offset = 0;;) {
    bool inside = true;
    char* p = m.base + int64_t(coord[0]) * element;
    for (int i = 1; i < m.rank; ++i) {
      int64_t at = int64_t(coord[i]) + index[i];
      inside = inside && at >= 0 && at < int64_t(m.size[i]);
      p += at * int64_t(m.stride_bytes[i]);
    }
    if (!inside) {
      f(offset, static_cast<char*>(nullptr), row * element);
    } else {
      if (first > 0) f(offset, static_cast<char*>(nullptr), int(first) * element);
      if (last > first)
        f(offset + uint32_t(first) * element, p + first * element, int(last - first) * element);
      if (last < row)
        f(offset + uint32_t(last) * element, static_cast<char*>(nullptr),
          int(row - last) * element);
    }
    offset += uint32_t(row * element);
    int i = 1;
    while (i < m.rank && ++index[i] == m.box[i]) index[i++] = 0;
    if (i >= m.rank) return;
  }
}

// Copies between a run of bytes and its swizzled places: 16-byte chunks stay whole.
template <class F>
void for_swizzled_chunks(uint32_t address, int bytes, int swizzle, F&& f) {
  for (int done = 0; done < bytes;) {
    uint32_t a = address + uint32_t(done);
    int n = std::min<int>(bytes - done, 16 - int(a % 16));
    f(swizzled(a, swizzle) - address, done, n);
    done += n;
  }
}

inline void copy_as_tf32(char* dst, const char* src, int bytes) {
  for (int i = 0; i < bytes; i += 4) {
    float x;
    std::memcpy(&x, src + i, 4);
    const uint32_t rounded = ptx::to_tf32(x);
    std::memcpy(dst + i, &rounded, 4);
  }
}

inline void land(char* shared, const BulkCopy& c) {
  if (!c.map) {
    std::memcpy(shared, c.global, c.bytes);
    return;
  }
  const uint32_t base = uint32_t(reinterpret_cast<uintptr_t>(shared) & (kWindowBytes - 1));
  for_rows_of_box(*c.map, c.coord, [&](uint32_t offset, const char* p, int bytes) {
    for_swizzled_chunks(base + offset, bytes, c.map->swizzle, [&](uint32_t to, int from, int n) {
      char* dst = shared + int32_t(offset + to);
      if (p && c.map->round_to_tf32) copy_as_tf32(dst, p + from, n);
      else if (p) std::memcpy(dst, p + from, size_t(n));
      else std::memset(dst, 0, size_t(n));
    });
  });
}

// Runs with `thread` as the current one, wherever it is called from.
struct ActAs {
  Thread* before;
  explicit ActAs(Thread* thread) : before(current_thread) { current_thread = thread; }
  ~ActAs() { current_thread = before; }
};

inline void perform_load(const BulkCopy& c) {
  ActAs act(c.thread);
  Block& block = *c.thread->block;
  if (!c.ctas) {
    note_shared_write_as(*c.thread, c.shared, c.bytes);
    note_proxy_write(c.shared, c.bytes);
    land(c.shared, c);
    mbarrier_complete_bytes(c.bar, *c.thread, c.bytes, c.what, c.where);
    return;
  }
  const uint32_t to = shared_address(c.shared), at = shared_address(c.bar);
  for (int cta = 0; cta < block.cluster_size; ++cta) {
    if (!(c.ctas >> cta & 1)) continue;
    char* shared = static_cast<char*>(map_shared(to, cta));
    void* bar = map_shared(at, cta);
    // In another block the race check knows no threads of this one: it takes the bytes as ordered.
    note_shared_write_as(*c.thread, shared, c.bytes);
    if (cta == block.cluster_rank) note_proxy_write(shared, c.bytes);
    land(shared, c);
    mbarrier_complete_bytes(bar, *c.thread, c.bytes, c.what, c.where);
  }
}

inline void perform_store(const BulkCopy& c) {
  note_shared_read_as(*c.thread, c.shared, c.bytes);
  if (!c.map) {
    std::memcpy(c.global, c.shared, c.bytes);
    return;
  }
  const uint32_t base = uint32_t(reinterpret_cast<uintptr_t>(c.shared) & (kWindowBytes - 1));
  for_rows_of_box(*c.map, c.coord, [&](uint32_t offset, char* p, int bytes) {
    if (!p) return;
    for_swizzled_chunks(base + offset, bytes, c.map->swizzle, [&](uint32_t at, int to, int n) {
      std::memcpy(p + to, c.shared + int32_t(offset + at), size_t(n));
    });
  });
}

// What has been issued in a block and has not happened yet.
struct BulkCopies {
  std::deque<BulkCopy> loads;
  uint64_t random = 1;
  struct Stores {
    std::deque<BulkCopy> pending;
    uint32_t committed = 0;
  };
  std::vector<Stores> stores;

  Stores& mine() {
    if (stores.empty()) stores.resize(self().block->size);
    return stores[self().rank];
  }
  // Loads finish in any order: the schedule's.
  size_t pick() {
    if (settings().order == Order::Forward) return 0;
    if (settings().order == Order::Reverse) return loads.size() - 1;
    random = (random ^ settings().seed) * 6364136223846793005u + 1442695040888963407u;
    return size_t(random >> 33) % loads.size();
  }
  bool idle() {
    if (loads.empty()) return false;
    const auto at = loads.begin() + ptrdiff_t(pick());
    BulkCopy c = *at;
    loads.erase(at);
    perform_load(c);
    return true;
  }
};

inline void check_bulk(const BulkCopy& c) {
  check_shared(c.shared, c.what, c.where);
  uintptr_t alignment = 16;
  if (c.map) {
    if (c.map->rank == 0) fail(format("%s: the tensor map was never encoded", c.what), c.where);
    alignment = c.map->swizzle ? 128u << c.map->swizzle : 128;
  } else {
    check_aligned(c.global, 16, c.what, c.where);
    if (c.bytes == 0 || c.bytes % 16)
      fail(format("%s: %u bytes are not a multiple of 16", c.what, c.bytes), c.where);
  }
  check_aligned(c.shared, alignment, c.what, c.where);
}

template <size_t Rank>
BulkCopy box_copy(const char* what, const TensorMap* map, void* shared, const int (&coord)[Rank],
                  Location where) {
  BulkCopy c{};
  c.thread = &self();
  c.map = map;
  c.shared = static_cast<char*>(shared);
  c.what = what;
  c.where = where;
  if (map->rank && map->rank != Rank)
    fail(format("%s: %d coordinates for a tensor map of rank %d", what, int(Rank), int(map->rank)),
         where);
  c.bytes = map->element;
  for (int i = 0; i < map->rank; ++i) c.bytes *= map->box[i];
  std::copy_n(coord, Rank, c.coord);
  return c;
}

inline void issue_load(BulkCopy c, void* bar, uint32_t ctas = 0) {
  check_bulk(c);
  load_mbarrier(bar, c.what, c.where);
  c.bar = bar;
  if (ctas >> self().block->cluster_size)
    fail(format("%s: mask 0x%x names blocks beyond the %d of the cluster", c.what, ctas,
                self().block->cluster_size),
         c.where);
  c.ctas = uint16_t(ctas);
  if (async_late()) block_local<BulkCopies>().loads.push_back(c);
  else perform_load(c);
}

inline void issue_store(BulkCopy c) {
  check_bulk(c);
  check_proxy_read(c.shared, c.bytes, c.what, c.where);
  note_shared_read_as(*c.thread, c.shared, c.bytes);
  if (!async_late()) return perform_store(c);
  BulkCopies::Stores& s = block_local<BulkCopies>().mine();
  c.group = s.committed;
  s.pending.push_back(c);
}

inline void wait_for_stores(uint32_t pending) {
  if (!async_late()) return;
  BulkCopies::Stores& s = block_local<BulkCopies>().mine();
  while (!s.pending.empty() && s.pending.front().group + pending < s.committed) {
    perform_store(s.pending.front());
    s.pending.pop_front();
  }
}

}  // namespace mt::emu

namespace mt::ptx {

inline void prefetch_tensor_map(const TensorMap*) {}

// The coordinates end at the call's source location, which every overload takes by default.
#define MT_EMU_TMA_(params, ...)                                                                   \
  inline void tma_load(void* dst_shared, const TensorMap* map, uint64_t* bar_shared,               \
                       MT_EMU_PACK_ params, emu::Location where = emu::Location::current()) {      \
    emu::issue_load(emu::box_copy("tma_load", map, dst_shared, {__VA_ARGS__}, where), bar_shared); \
  }                                                                                                \
  inline void tma_load_multicast(void* dst_shared, const TensorMap* map, uint64_t* bar_shared,     \
                                 uint16_t ctas, MT_EMU_PACK_ params,                               \
                                 emu::Location where = emu::Location::current()) {                 \
    emu::issue_load(emu::box_copy("tma_load_multicast", map, dst_shared, {__VA_ARGS__}, where),    \
                    bar_shared, ctas);                                                             \
  }                                                                                                \
  inline void tma_store(const TensorMap* map, const void* src_shared, MT_EMU_PACK_ params,         \
                        emu::Location where = emu::Location::current()) {                          \
    emu::issue_store(                                                                              \
        emu::box_copy("tma_store", map, const_cast<void*>(src_shared), {__VA_ARGS__}, where));     \
  }
#define MT_EMU_PACK_(...) __VA_ARGS__
MT_EMU_TMA_((int c0, int c1), c0, c1)
MT_EMU_TMA_((int c0, int c1, int c2), c0, c1, c2)
MT_EMU_TMA_((int c0, int c1, int c2, int c3), c0, c1, c2, c3)
MT_EMU_TMA_((int c0, int c1, int c2, int c3, int c4), c0, c1, c2, c3, c4)
#undef MT_EMU_PACK_
#undef MT_EMU_TMA_

inline void bulk_load(void* dst_shared, const void* src, uint32_t bytes, uint64_t* bar_shared,
                      emu::Location where = emu::Location::current()) {
  emu::BulkCopy c{};
  c.thread = &emu::self();
  c.shared = static_cast<char*>(dst_shared);
  c.global = static_cast<char*>(const_cast<void*>(src));
  c.bytes = bytes;
  c.what = "bulk_load";
  c.where = where;
  emu::issue_load(c, bar_shared);
}

inline void bulk_store(void* dst, const void* src_shared, uint32_t bytes,
                       emu::Location where = emu::Location::current()) {
  emu::BulkCopy c{};
  c.thread = &emu::self();
  c.shared = static_cast<char*>(const_cast<void*>(src_shared));
  c.global = static_cast<char*>(dst);
  c.bytes = bytes;
  c.what = "bulk_store";
  c.where = where;
  emu::issue_store(c);
}

inline void bulk_commit() {
  if (emu::async_late()) ++emu::block_local<emu::BulkCopies>().mine().committed;
}

template <int Pending>
void bulk_wait() {
  emu::wait_for_stores(Pending);
}

template <int Pending>
void bulk_wait_read() {
  emu::wait_for_stores(Pending);
}

}  // namespace mt::ptx
