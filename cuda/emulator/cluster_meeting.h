// The barrier of a cluster's threads, in the two halves of barrier.cluster. Its state lives with
// the first block of the cluster; the race check of each block sees it as one barrier of that
// block.
#pragma once
#include <vector>

#include "cuda/emulator/report.h"
#include "cuda/emulator/shadow.h"

namespace mt::emu {

// Runs with `thread` as the current one, wherever it is called from.
struct ActAs {
  Thread* before;
  explicit ActAs(Thread* thread) : before(current_thread) { current_thread = thread; }
  ~ActAs() { current_thread = before; }
};

struct ClusterMeeting {
  uint32_t arrived = 0, phase = 0;
};
struct ClusterMember {
  SyncClock clock;
  std::vector<uint32_t> waits_for;  // per thread: the phase it arrived in, plus 1; 0 = none
};

inline ClusterMeeting& cluster_meeting() {
  Block& b = *self().block;
  ActAs first(b.cluster_size > 1 ? &b.cluster[0]->threads[0] : &self());
  return block_local<ClusterMeeting>();
}

inline void cluster_complete_if_full(ClusterMeeting& m) {
  Block& b = *self().block;
  uint32_t live = 0;
  if (b.cluster_size > 1)
    for (int i = 0; i < b.cluster_size; ++i) live += b.cluster[i]->live;
  else live = b.live;
  if (m.arrived < live) return;
  m.arrived = 0;
  ++m.phase;
  note_progress();
}

inline void cluster_arrive(Location where) {
  ClusterMember& mine = block_local<ClusterMember>();
  if (mine.waits_for.empty()) mine.waits_for.resize(self().block->size);
  uint32_t& waits_for = mine.waits_for[self().rank];
  if (waits_for) fail("cluster_arrive: arrives twice without cluster_wait", where);
  ClusterMeeting& m = cluster_meeting();
  waits_for = m.phase + 1;
  release_to(mine.clock);
  ++m.arrived;
  cluster_complete_if_full(m);
}

inline void cluster_wait(Location where) {
  ClusterMember& mine = block_local<ClusterMember>();
  if (mine.waits_for.empty() || !mine.waits_for[self().rank])
    fail("cluster_wait: without cluster_arrive", where);
  uint32_t& waits_for = mine.waits_for[self().rank];
  ClusterMeeting& m = cluster_meeting();
  wait_until(
      [&] {
        if (m.phase < waits_for) cluster_complete_if_full(m);
        return m.phase >= waits_for;
      },
      "cluster_wait", where);
  waits_for = 0;
  acquire_from(mine.clock);
}

}  // namespace mt::emu
