#include "cuda/emulator/shadow.h"

#include <algorithm>

#include "cuda/emulator/report.h"
#include "cuda/emulator/scheduler.h"
#include "cuda/emulator/shared.h"

namespace mt::emu {
namespace {

constexpr uint32_t kWritten = 0xf, kAtomic = 1u << 16;
constexpr int kWriterShift = 4, kReader0Shift = 8, kReader1Shift = 12;

// A row that the caller may change, with the knowledge of `from`.
Row* copy_row(Block& b, const Row* from) {
  Row* row;
  if (b.free_rows.empty()) {
    row = new Row;
    b.rows.push_back(row);
  } else {
    row = b.free_rows.back();
    b.free_rows.pop_back();
  }
  row->refs = 1;
  if (from) std::memcpy(row->time, from->time, b.size * sizeof(uint32_t));
  else std::memset(row->time, 0, b.size * sizeof(uint32_t));
  return row;
}

void drop(Block& b, Row*& row) {
  if (row && --row->refs == 0) b.free_rows.push_back(row);
  row = nullptr;
}

Row* writable(Block& b, Row*& row) {
  if (row && row->refs == 1) return row;
  Row* own = copy_row(b, row);
  drop(b, row);
  return row = own;
}

void join_row(Block& b, Row* into, const Row* from) {
  for (uint32_t i = 0; i < b.size; ++i) into->time[i] = std::max(into->time[i], from->time[i]);
}

void join_warp(Block& b, Row* into, const Thread& t) {
  const uint32_t first = t.warp * kWarp, last = std::min(first + kWarp, b.size);
  for (uint32_t i = first; i < last; ++i) into->time[i] = std::max(into->time[i], t.warp_seen);
}

// After so many synchronisations that stamps would overflow, the past is forgotten.
void tick(Block& b) {
  SharedHeader* h = b.shared;
  if (++h->now < kMaxTime) return;
  h->now = 1;
  h->all_seen = 0;
  for (char* p = window_of(h); p < window_of(h) + h->used; p += 4) {
    ShadowWord* w = shadow_of(p);
    *w = {0, 0, 0, w->bits & kWritten};
  }
  for (uint32_t i = 0; i < b.size; ++i) {
    b.threads[i].seen = b.threads[i].warp_seen = 0;
    drop(b, b.threads[i].row);
  }
}

bool has_seen(const Thread& t, uint32_t stamp) {
  const uint32_t time = stamp >> kRankBits, rank = stamp & kRankMask;
  return time <= t.seen || rank == t.rank || (rank / kWarp == t.warp && time <= t.warp_seen) ||
         (t.row && time <= t.row->time[rank]);
}

std::string element(const SharedArray& a, const void* p) {
  const ptrdiff_t at = reinterpret_cast<intptr_t>(p) - intptr_t(a.base);
  const ptrdiff_t size = a.element;
  ptrdiff_t index = at >= 0 ? at / size : -((-at + size - 1) / size);
  return format("%s[%td]", a.name, index);
}

const SharedArray* array_of(const SharedHeader* h, const void* p) {
  for (int i = 0; i < h->count; ++i)
    if (uintptr_t(p) - h->arrays[i].base < h->arrays[i].bytes) return &h->arrays[i];
  return nullptr;
}

[[noreturn]] void fail_race(const SharedHeader* h, const void* p, Access access, uint32_t other,
                            bool other_writes, const void* pc) {
  const SharedArray* a = array_of(h, p);
  const Thread& t = h->block->threads[other & kRankMask];
  static const char* verbs[] = {"reads", "writes", "atomically updates"};
  fail_at(format("race: %s shared %s, which thread %s %s with no barrier in between",
                 verbs[int(access)], a ? element(*a, p).c_str() : "memory",
                 text_of(t.thread_idx).c_str(), other_writes ? "wrote" : "read"),
          pc);
}

void check_word(SharedHeader* h, ShadowWord& w, const void* p, uint32_t mask, Access access,
                Thread& t, const void* pc) {
  const uint32_t me = h->now << kRankBits | t.rank;
  if (access == Access::Read && (w.bits & mask) != mask) {
    const SharedArray* a = array_of(h, p);
    fail_at(
        format("reads shared %s, which nobody has written", a ? element(*a, p).c_str() : "memory"),
        pc);
  }
  const bool atomics = access == Access::Atomic && (w.bits & kAtomic);
  if (!atomics && (w.bits >> kWriterShift & mask) && !has_seen(t, w.writer))
    fail_race(h, p, access, w.writer, true, pc);
  if (access == Access::Read) {
    if (w.reader0 == me) {
      w.bits |= mask << kReader0Shift;
    } else if (has_seen(t, w.reader0)) {
      w.reader0 = me;
      w.bits = (w.bits & ~(15u << kReader0Shift)) | mask << kReader0Shift;
    } else {
      w.reader1 = me;
      w.bits = (w.bits & ~(15u << kReader1Shift)) | mask << kReader1Shift;
    }
    return;
  }
  if ((w.bits >> kReader0Shift & mask) && !has_seen(t, w.reader0))
    fail_race(h, p, access, w.reader0, false, pc);
  if ((w.bits >> kReader1Shift & mask) && !has_seen(t, w.reader1))
    fail_race(h, p, access, w.reader1, false, pc);
  const uint32_t kept = w.bits & (w.writer == me ? 0xffu : kWritten);
  w = {me, 0, 0, kept | mask | mask << kWriterShift | (access == Access::Atomic ? kAtomic : 0u)};
}

}  // namespace

void check_access(const void* p, size_t bytes, Access access, Thread& t, const void* pc) {
  SharedHeader* h = header_of(p);
  if (!h->checks) return;
  // Another block's memory, through the cluster: its threads have other clocks.
  const bool foreign = t.block->shared != h;
  uintptr_t at = reinterpret_cast<uintptr_t>(p);
  const uintptr_t end = at + bytes;
  while (at < end) {
    const uintptr_t word = at & ~uintptr_t(3), stop = std::min(word + 4, end);
    const uint32_t mask = ((1u << (stop - at)) - 1) << (at - word);
    ShadowWord& w = *shadow_of(reinterpret_cast<void*>(word));
    if (!foreign) check_word(h, w, reinterpret_cast<void*>(at), mask, access, t, pc);
    else if (access != Access::Read) w = {0, 0, 0, (w.bits & kWritten) | mask};
    else if ((w.bits & mask) != mask)
      fail_at("reads shared memory of another block of the cluster that nobody has written", pc);
    at = stop;
  }
}

void record_read(const void* p, size_t bytes) {
  const void* pc = __builtin_return_address(0);
  SharedHeader* h = header_of(p);
  Thread& t = self();
  if (t.block->shared != h) return check_access(p, bytes, Access::Read, t, pc);
  const uint32_t me = h->now << kRankBits | t.rank, seen = t.seen;
  uintptr_t at = reinterpret_cast<uintptr_t>(p);
  for (const uintptr_t end = at + bytes; at < end;) {
    const uintptr_t word = at & ~uintptr_t(3), stop = std::min(word + 4, end);
    const uint32_t mask = ((1u << (stop - at)) - 1) << (at - word);
    ShadowWord& w = *shadow_of(reinterpret_cast<void*>(word));
    if ((w.bits & mask) != mask || unordered(w.writer, me, seen)) {
      check_word(h, w, reinterpret_cast<void*>(at), mask, Access::Read, t, pc);
    } else if (!unordered(w.reader0, me, seen)) {
      w.bits = (w.reader0 == me ? w.bits : w.bits & ~0xf00u) | mask << kReader0Shift;
      w.reader0 = me;
    } else {
      const bool same_time = (w.reader1 ^ me) >> kRankBits == 0;
      w.bits = (same_time ? w.bits : w.bits & ~0xf000u) | mask << kReader1Shift;
      if (!same_time) w.reader1 = me;
      if ((w.reader0 ^ me) >> kRankBits == 0 && (w.bits & 0xff0fu) == 0xff0fu &&
          w.writer >> kRankBits <= h->all_seen)
        w.bits = (w.bits & ~(~0u << kTagShift)) | h->now << kTagShift;
    }
    at = stop;
  }
}

void check_access_here(const void* p, size_t bytes, Access access) {
  check_access(p, bytes, access, self(), __builtin_return_address(0));
}

void fail_bounds(const SharedArray* a, const void* p, size_t bytes) {
  fail_at(
      format("out of bounds: %zu bytes at shared %s, an array of %llu elements of %u bytes", bytes,
             element(*a, p).c_str(), (unsigned long long)(a->bytes / a->element), a->element),
      __builtin_return_address(0));
}

void fail_alignment(const SharedArray* a, const void* p, size_t alignment) {
  fail_at(format("shared_cast of shared %s: the address is not aligned to %zu bytes",
                 element(*a, p).c_str(), alignment),
          __builtin_return_address(0));
}

namespace {
MT_EMU_INLINE void note(const void* p, size_t bytes, Access access, Thread& t, const void* pc) {
  if (bytes == 0) return;
  // Only arenas of live blocks of this wave may be touched.
  SharedHeader* h = header_of(p);
  bool known = h == t.block->shared;
  for (int i = 0; !known && i < t.block->cluster_size && t.block->cluster; ++i)
    known = t.block->cluster[i]->shared == h;
  if (!known) fail_at(format("address %p is not shared memory", p), pc);
  if (!h->checks) return;
  const SharedArray* a = array_of(h, p);
  if (!a) fail_at(format("address %p is in no shared array", p), pc);
  if (a->bytes - (uintptr_t(p) - a->base) < bytes)
    fail_at(format("out of bounds: %zu bytes at shared %s, an array of %llu elements of %u bytes",
                   bytes, element(*a, p).c_str(), (unsigned long long)(a->bytes / a->element),
                   a->element),
            pc);
  check_access(p, bytes, access, t, pc);
}
}  // namespace

void note_shared_read(const void* p, size_t bytes) {
  note(p, bytes, Access::Read, self(), __builtin_return_address(0));
}
void note_shared_write(const void* p, size_t bytes) {
  note(p, bytes, Access::Write, self(), __builtin_return_address(0));
}
void note_shared_read_as(Thread& t, const void* p, size_t bytes) {
  note(p, bytes, Access::Read, t, __builtin_return_address(0));
}
void note_shared_write_as(Thread& t, const void* p, size_t bytes) {
  note(p, bytes, Access::Write, t, __builtin_return_address(0));
}

void release_as(Thread& t, SyncClock& clock) {
  Block& b = *t.block;
  if (!checks_on(b)) return;
  clock.seen = std::max(clock.seen, t.seen);
  Row* row = writable(b, clock.row);
  if (t.row) join_row(b, row, t.row);
  join_warp(b, row, t);
  row->time[t.rank] = b.shared->now;
  tick(b);
}
void release_to(SyncClock& clock) { release_as(self(), clock); }

void acquire_from(const SyncClock& clock) {
  Thread& t = self();
  Block& b = *t.block;
  if (!checks_on(b)) return;
  t.seen = std::max(t.seen, clock.seen);
  if (!clock.row) return;
  if (!t.row) {
    t.row = clock.row;
    ++t.row->refs;
  } else if (t.row != clock.row) {
    join_row(b, writable(b, t.row), clock.row);
  }
}

bool checks_on(const Block& b) { return b.shared->checks; }

void sync_all(Block& b) {
  const uint32_t now = b.shared->all_seen = b.shared->now;
  for (uint32_t i = 0; i < b.size; ++i) {
    b.threads[i].seen = now;
    if (b.threads[i].row) drop(b, b.threads[i].row);
  }
  tick(b);
}

void sync_group(Block& b, Thread** members, int count, SyncClock* with) {
  if (!checks_on(b)) return;
  uint32_t seen = with ? with->seen : 0;
  Row* row = copy_row(b, with ? with->row : nullptr);
  const Row* joined = nullptr;
  for (int i = 0; i < count; ++i) {
    const Thread& t = *members[i];
    seen = std::max(seen, t.seen);
    // Members often share a row.
    if (t.row && t.row != joined) join_row(b, row, joined = t.row);
    if (i == 0 || members[i - 1]->warp != t.warp || members[i - 1]->warp_seen != t.warp_seen)
      join_warp(b, row, t);
  }
  for (int i = 0; i < count; ++i) row->time[members[i]->rank] = b.shared->now;
  for (int i = 0; i < count; ++i) {
    Thread& t = *members[i];
    t.seen = seen;
    drop(b, t.row);
    t.row = row;
  }
  row->refs = uint32_t(count);
  tick(b);
}

void sync_warp(Block& b, Warp& w, uint32_t warp, uint32_t mask) {
  if (!checks_on(b)) return;
  Thread* lanes = b.threads + warp * kWarp;
  const uint32_t live = w.live;
  bool rows = false;
  for (int i = 0; i < kWarp; ++i)
    if (mask >> i & 1)
      rows |= lanes[i].row != nullptr || lanes[i].seen != lanes[__builtin_ctz(mask)].seen;
  if (mask == live && !rows) {
    const uint32_t now = b.shared->now;
    for (int i = 0; i < kWarp; ++i) lanes[i].warp_seen = now;
    tick(b);
    return;
  }
  Thread* members[kWarp];
  int count = 0;
  for (int i = 0; i < kWarp; ++i)
    if (mask >> i & 1) members[count++] = &lanes[i];
  if (mask == live)
    for (int i = 0; i < count; ++i) members[i]->warp_seen = b.shared->now;
  sync_group(b, members, count, nullptr);
}

void drop_rows(Block& b) { b.free_rows = b.rows; }
void destroy_rows(Block& b) {
  for (Row* row : b.rows) delete row;
}

}  // namespace mt::emu
