// The running CUDA thread, its block, and the primitives that everything else is built on: waiting,
// barriers, rendezvous of lanes. See docs/emulator.md.
#pragma once
#include <cstdint>
#include <source_location>
#include <vector>

#include "cuda/emulator/vector_types.h"

#define MT_EMU_INLINE __attribute__((always_inline)) inline
#define MT_EMU_COLD __attribute__((noinline, cold))
// For thread-local variables read in hot code: one load, also inside of a shared library.
#define MT_EMU_TLS constinit thread_local __attribute__((tls_model("initial-exec")))

namespace mt::emu {

struct Block;
struct Engine;
struct Fiber;
struct SharedHeader;
struct Row;
using Location = std::source_location;

constexpr int kWarp = 32, kMaxThreads = 1024, kMaxWarps = kMaxThreads / kWarp;
constexpr int kNamedBarriers = 16;

enum class State : uint8_t {
  Unstarted,
  Running,
  Ready,
  Spinning,
  Barrier,
  Group,
  Cluster,
  Grid,
  Done
};

// One CUDA thread. Read its coordinates only; the rest belongs to the scheduler and the race check.
struct Thread {
  uint3 thread_idx;
  uint32_t rank;  // within the block, x fastest
  uint32_t lane, warp;
  Block* block;
  Fiber* fiber;
  State state;
  uint8_t barrier_id;
  uint32_t cluster_phase;  // of the cluster barrier, after the thread's last arrival
  bool chosen;             // to finish a rendezvous whose last missing lane exited
  const char* waiting_for;
  Location where;     // of the wait
  const void* given;  // to a rendezvous
  void* taken;
  // Race check: this thread has seen every access of the block up to time `seen`, of its warp up to
  // `warp_seen`, and of thread r up to row->time[r].
  uint32_t seen, warp_seen;
  Row* row;
};

// Threads that wait for each other: the lanes of a mask, or the threads of a warpgroup.
struct Rendezvous {
  uint32_t mask = 0;     // as the callers gave it; 0 = free
  uint32_t missing = 0;  // lanes, or for a warpgroup the number of threads
  const char* what = nullptr;
  Location where;
};

// What a synchronisation object knows of the accesses before it: everything up to time `seen`, and
// of thread r everything up to row->time[r].
struct SyncClock {
  uint32_t seen = 0;
  Row* row = nullptr;
};

struct NamedBarrier {
  uint32_t expected = 0, arrived = 0;  // expected 0 = nobody has arrived
  Location where;
  SyncClock clock;  // of those who arrived without waiting
};

// A barrier over all threads of several blocks.
struct GroupBarrier {
  uint32_t phase = 0, missing = 0;
  bool used = false;
};

struct Warp {
  uint32_t live = 0;        // lanes that have not exited
  uint32_t open = 0;        // meetings in use
  Rendezvous meetings[16];  // disjoint masks may meet at the same time
};

struct Launch;

struct Block {
  uint3 block_idx;
  dim3 block_dim, grid_dim;
  Launch* launch;
  Engine* engine;
  SharedHeader* shared;  // of this block's arena
  Thread* threads;
  uint32_t size, live, linear_idx;
  Warp warps[kMaxWarps];
  Rendezvous groups[kMaxWarps / 4];
  NamedBarrier barriers[kNamedBarriers];
  int votes, vote_result;  // of __syncthreads_count and its kin
  int cluster_rank, cluster_size;
  Block** cluster;  // the blocks of the cluster by rank
  GroupBarrier cluster_barrier;
  std::vector<Row*> rows, free_rows;
  // State that other parts keep per block, by key.
  struct Local {
    const void* key;
    void* data;
    void (*destroy)(void*);
    bool (*idle)(void*);
  };
  std::vector<Local> locals;
};

extern MT_EMU_TLS Thread* current_thread;

MT_EMU_INLINE Thread& self() { return *current_thread; }
// Whether a kernel runs on this OS thread.
MT_EMU_INLINE bool in_kernel() { return current_thread != nullptr; }

// Let others run, from inside of a loop that waits for them.
void yield(const char* waiting_for, Location where = Location::current());

template <class Pred>
void wait_until(Pred&& ready, const char* what, Location where = Location::current()) {
  while (!ready()) yield(what, where);
}
// Tell the scheduler that memory changed which somebody may wait for (else a long sequence of
// yields would pass for a deadlock).
void note_progress();

// bar.sync id, count: `count` threads arrive, then all go on. Count 0 is every thread of the block
// that has not exited.
void barrier(int id, int count, Location where = Location::current());
// bar.arrive: counts as an arrival, does not wait.
void barrier_arrive(int id, int count, Location where = Location::current());
// Called for a thread that exits.
void barrier_exited(Block&);
void group_exited(Thread&);
void syncthreads(Location where = Location::current());
// The barrier of __syncthreads_count/_and/_or: the number of threads whose predicate held.
int syncthreads_count(bool predicate, Location where = Location::current());

// The lanes of `mask` (of the calling thread's own warp) wait for each other; lanes that have
// exited do not count. The last one to arrive gets the mask of those present (in all others it is
// 0), does the work of all and calls warp_leave(present). The others return after that.
uint32_t warp_arrive(uint32_t mask, const void* given, void* taken, const char* what,
                     Location where);
void warp_leave(uint32_t present);
// The same for the 128 threads of a warpgroup (4 warps, the first one a multiple of 4).
bool warpgroup_arrive(const void* given, void* taken, const char* what, Location where);
void warpgroup_leave();

// Everybody in `mask` gives an In; the last one to arrive runs f(const In* ins, Out* outs, present)
// once, both indexed by lane; everybody gets his Out.
template <class In, class Out, class F>
Out warp_collective(uint32_t mask, const In& in, F&& f, const char* what,
                    Location where = Location::current()) {
  Out out{};
  if (const uint32_t present = warp_arrive(mask, &in, &out, what, where)) {
    In ins[kWarp];
    Out outs[kWarp];
    Thread* lanes = self().block->threads + self().warp * kWarp;
    for (int i = 0; i < kWarp; ++i)
      if (present >> i & 1) ins[i] = *static_cast<const In*>(lanes[i].given);
    f(static_cast<const In*>(ins), static_cast<Out*>(outs), present);
    for (int i = 0; i < kWarp; ++i)
      if (present >> i & 1) *static_cast<Out*>(lanes[i].taken) = outs[i];
    warp_leave(present);
  }
  return out;
}

// f(const In* const* ins, Out* const* outs), both of 128 pointers in rank order, is run once.
template <class In, class Out, class F>
Out warpgroup_collective(const In& in, F&& f, const char* what,
                         Location where = Location::current()) {
  Out out{};
  if (warpgroup_arrive(&in, &out, what, where)) {
    const In* ins[128];
    Out* outs[128];
    Thread* threads = self().block->threads + self().warp / 4 * 128;
    for (int i = 0; i < 128; ++i) {
      ins[i] = static_cast<const In*>(threads[i].given);
      outs[i] = static_cast<Out*>(threads[i].taken);
    }
    f(static_cast<const In* const*>(ins), static_cast<Out* const*>(outs));
    warpgroup_leave();
  }
  return out;
}

// For objects such as mbarriers: what the calling thread has done and seen becomes known to the
// clock (release), what the clock knows becomes known to the thread (acquire). A clock lives as
// long as its block and starts as SyncClock{}.
void release_to(SyncClock&);
void acquire_from(const SyncClock&);

// A T of the running block, made at its first use and destroyed with the block. If T has a member
// `bool idle()`, it is called when no thread can run: it may do pending work and return true.
void* block_local(const void* key, void* (*make)(), void (*destroy)(void*), bool (*idle)(void*));
template <class T>
T& block_local() {
  static const char key = 0;
  bool (*idle)(void*) = nullptr;
  if constexpr (requires(T t) { t.idle(); })
    idle = [](void* p) -> bool { return static_cast<T*>(p)->idle(); };
  return *static_cast<T*>(block_local(
      &key, []() -> void* { return new T(); }, [](void* p) { delete static_cast<T*>(p); }, idle));
}

}  // namespace mt::emu
