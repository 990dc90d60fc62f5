// Barriers and rendezvous: who waits where, and what goes wrong.
#include <cstring>

#include "cuda/emulator/report.h"
#include "cuda/emulator/scheduler.h"
#include "cuda/emulator/warp.h"

namespace mt::emu {
namespace {

constexpr uint32_t kEveryone = ~0u;

bool same_place(Location a, Location b) {
  return a.line() == b.line() && a.column() == b.column() &&
         (a.file_name() == b.file_name() || std::strcmp(a.file_name(), b.file_name()) == 0);
}

void complete(Block& b, int id) {
  NamedBarrier& n = b.barriers[id];
  Engine& e = *b.engine;
  ++e.events;
  if (n.expected == kEveryone || n.arrived >= b.live) {
    sync_all(b);
  } else {
    Thread* members[kMaxThreads];
    int count = 0;
    for (uint32_t i = 0; i < b.size; ++i)
      if (b.threads[i].state == State::Barrier && b.threads[i].barrier_id == id)
        members[count++] = &b.threads[i];
    sync_group(b, members, count, &n.clock);
  }
  if (n.expected == kEveryone) {
    b.vote_result = b.votes;
    b.votes = 0;
  }
  n = {};
  auto wake = [&](Thread& t) {
    if (t.state == State::Barrier && t.barrier_id == id) e.push(&t);
  };
  if (e.order == Order::Reverse)
    for (uint32_t i = b.size; i-- > 0;) wake(b.threads[i]);
  else
    for (uint32_t i = 0; i < b.size; ++i) wake(b.threads[i]);
}

void arrive(Block& b, int id, int count, Location where) {
  if (id < 0 || id >= kNamedBarriers) fail(format("barrier %d: ids go from 0 to 15", id), where);
  const uint32_t expected = count ? uint32_t(count) : kEveryone;
  if (count < 0 || count % kWarp || uint32_t(count) > (b.size + 31) / 32 * 32)
    fail(format("barrier %d expects %d threads: must be a multiple of 32, at most the %u of the "
                "block",
                id, count, b.size),
         where);
  NamedBarrier& n = b.barriers[id];
  if (n.expected == 0) {
    n.expected = expected;
    n.where = where;
  } else if (n.expected != expected) {
    fail(format("barrier %d: expects %u threads here, but others wait for %u of them at %s", id,
                expected == kEveryone ? b.live : expected,
                n.expected == kEveryone ? b.live : n.expected, text_of(n.where).c_str()),
         where);
  } else if (expected == kEveryone && !same_place(n.where, where)) {
    fail(
        format("divergent barrier: this thread is at the __syncthreads() of %s while %u threads of "
               "its block wait at the one of %s",
               text_of(where).c_str(), n.arrived, text_of(n.where).c_str()),
        where);
  }
  ++n.arrived;
}

bool full(const Block& b, const NamedBarrier& n) {
  return n.arrived >= (n.expected == kEveryone ? b.live : n.expected);
}

}  // namespace

void barrier(int id, int count, Location where) {
  Thread& t = self();
  Block& b = *t.block;
  arrive(b, id, count, where);
  t.state = State::Barrier;
  t.barrier_id = uint8_t(id);
  t.waiting_for = count ? "named barrier" : "__syncthreads()";
  t.where = where;
  if (full(b, b.barriers[id])) complete(b, id);
  b.engine->suspend();
}

void barrier_arrive(int id, int count, Location where) {
  Block& b = *self().block;
  if (count == 0) fail("bar.arrive needs the number of threads", where);
  arrive(b, id, count, where);
  release_to(b.barriers[id].clock);
  if (full(b, b.barriers[id])) complete(b, id);
}

void barrier_exited(Block& b) {
  NamedBarrier& n = b.barriers[0];
  if (n.expected == kEveryone && n.arrived >= b.live) complete(b, 0);
}

void syncthreads(Location where) { barrier(0, 0, where); }

int syncthreads_count(bool predicate, Location where) {
  Block& b = *self().block;
  b.votes += predicate;
  barrier(0, 0, where);
  return b.vote_result;
}

void yield(const char* waiting_for, Location where) {
  Thread& t = self();
  Engine& e = *t.block->engine;
  t.state = State::Spinning;
  t.waiting_for = waiting_for;
  t.where = where;
  e.spinning[e.spin_tail++ & e.ready_mask] = &t;
  e.suspend();
}

void note_progress() {
  if (current_thread) ++current_thread->block->engine->events;
}

uint32_t warp_arrive(uint32_t mask, const void* given, void* taken, const char* what,
                     Location where) {
  Thread& t = self();
  Warp& w = t.block->warps[t.warp];
  const uint32_t bit = 1u << t.lane;
  if (!(mask & bit))
    fail(format("%s: lane %u is not in its own mask 0x%08x", what, t.lane, mask), where);
  Rendezvous *meeting = nullptr, *unused = nullptr;
  if (w.open == 0) {
    unused = &w.meetings[0];
  } else {
    for (Rendezvous& m : w.meetings) {
      if (m.mask == mask && (m.missing & bit)) {
        meeting = &m;
        break;
      }
      if (!m.mask && !unused) unused = &m;
    }
  }
  if (!meeting) {
    if (!unused) fail(format("%s: too many masks of one warp wait at once", what), where);
    meeting = unused;
    ++w.open;
    *meeting = {mask, mask & w.live, what, where};
  } else if (meeting->what != what && std::strcmp(meeting->what, what) != 0) {
    fail(format("divergent warp: lane %u is at %s with mask 0x%08x while other lanes of it wait at "
                "%s of %s",
                t.lane, what, mask, meeting->what, text_of(meeting->where).c_str()),
         where);
  } else if (!same_place(meeting->where, where)) {
    fail(format(
             "divergent warp: lane %u is at the %s of %s while other lanes of mask 0x%08x wait at "
             "the one of %s",
             t.lane, what, text_of(where).c_str(), mask, text_of(meeting->where).c_str()),
         where);
  }
  t.given = given;
  t.taken = taken;
  meeting->missing &= ~bit;
  if (meeting->missing == 0) return mask & w.live;
  t.state = State::Group;
  t.waiting_for = what;
  t.where = where;
  t.block->engine->suspend();
  if (!t.chosen) return 0;
  t.chosen = false;
  return mask & w.live;
}

void warp_leave(uint32_t present) {
  Thread& t = self();
  Block& b = *t.block;
  Warp& w = b.warps[t.warp];
  Engine& e = *b.engine;
  ++e.events;
  --w.open;
  for (Rendezvous& m : w.meetings)
    if (m.mask && m.missing == 0 && (m.mask & (1u << t.lane))) {
      m.mask = 0;
      break;
    }
  sync_warp(b, w, t.warp, present);
  Thread* lanes = b.threads + t.warp * kWarp;
  if (e.order == Order::Reverse) {
    for (int i = kWarp; i-- > 0;)
      if (present >> i & 1) e.push(&lanes[i]);
  } else {
    for (int i = 0; i < kWarp; ++i)
      if (present >> i & 1) e.push(&lanes[i]);
  }
  e.suspend();
}

bool warpgroup_arrive(const void* given, void* taken, const char* what, Location where) {
  Thread& t = self();
  Block& b = *t.block;
  const uint32_t group = t.warp / 4;
  Rendezvous& m = b.groups[group];
  if (!m.mask) {
    uint32_t live = 0;
    for (uint32_t w = 0; w < 4; ++w)
      live += uint32_t(__builtin_popcount(b.warps[group * 4 + w].live));
    if (live != 128 || (group + 1) * 128 > b.size)
      fail(format("%s: needs the 128 threads of a warpgroup, %u are there", what, live), where);
    m = {1, 128, what, where};
  } else if (!same_place(m.where, where) || std::strcmp(m.what, what) != 0) {
    fail(format("divergent warpgroup: this thread is at %s of %s while %u others wait at %s of %s",
                what, text_of(where).c_str(), 128 - m.missing, m.what, text_of(m.where).c_str()),
         where);
  }
  t.given = given;
  t.taken = taken;
  if (--m.missing == 0) return true;
  t.state = State::Group;
  t.waiting_for = what;
  t.where = where;
  b.engine->suspend();
  return false;
}

void warpgroup_leave() {
  Thread& t = self();
  Block& b = *t.block;
  Engine& e = *b.engine;
  ++e.events;
  b.groups[t.warp / 4] = {};
  Thread* threads = b.threads + t.warp / 4 * 128;
  Thread* members[128];
  for (int i = 0; i < 128; ++i) members[i] = &threads[i];
  sync_group(b, members, 128, nullptr);
  for (int i = 0; i < 128; ++i) e.push(&threads[e.order == Order::Reverse ? 127 - i : i]);
  e.suspend();
}

uint32_t active_mask() { return self().block->warps[self().warp].live; }

void fail_shuffle(int lane, int source, uint32_t mask, const char* what, Location where) {
  Warp& w = self().block->warps[self().warp];
  fail(format("%s: lane %d reads from lane %d, which %s (mask of those present 0x%08x)", what, lane,
              source, w.live >> source & 1 ? "is not in the mask" : "has exited", mask),
       where);
}

void* block_local(const void* key, void* (*make)(), void (*destroy)(void*), bool (*idle)(void*)) {
  Block& b = *self().block;
  for (auto& local : b.locals)
    if (local.key == key) return local.data;
  b.locals.push_back({key, make(), destroy, idle});
  return b.locals.back().data;
}

}  // namespace mt::emu
