// Clusters and cooperative launches: blocks that run together and wait for each other.
#include "cuda/emulator/cluster.h"

#include "cuda/emulator/report.h"
#include "cuda/emulator/scheduler.h"

namespace mt::emu {

// `wave` holds whole clusters, the blocks of each adjacent and in order of their rank.
void Engine::join_clusters() {
  const uint32_t size = launch->cluster.x * launch->cluster.y * launch->cluster.z;
  for (size_t i = 0; i < wave.size(); ++i) {
    Block& b = *wave[i];
    b.cluster_size = int(size);
    b.cluster_rank = int(i % size);
    b.cluster = &wave[i - i % size];
    if (b.cluster_rank == 0) b.cluster_barrier = {0, size * block_size, true};
  }
}

namespace {

// Barriers over several blocks: of a cluster, kept in its first block, or of the grid.
GroupBarrier& cluster_barrier_of(Block& b) {
  return b.cluster_size > 1 ? b.cluster[0]->cluster_barrier : b.cluster_barrier;
}

void complete(Engine& e, Block** blocks, size_t count, GroupBarrier& barrier, State state) {
  ++e.events;
  ++barrier.phase;
  barrier.missing = 0;
  for (size_t i = 0; i < count; ++i) {
    barrier.missing += blocks[i]->live;
    sync_all(*blocks[i]);
  }
  for (size_t i = 0; i < count; ++i)
    for (uint32_t j = 0; j < blocks[i]->size; ++j) {
      const bool backwards = e.order == Order::Reverse;
      Block& b = *blocks[backwards ? count - 1 - i : i];
      Thread& t = b.threads[backwards ? b.size - 1 - j : j];
      if (t.state == state) e.push(&t);
    }
}

void cluster_arrived(Block& b) {
  GroupBarrier& barrier = cluster_barrier_of(b);
  if (--barrier.missing > 0) return;
  if (b.cluster_size > 1)
    complete(*b.engine, b.cluster, size_t(b.cluster_size), barrier, State::Cluster);
  else {
    Block* self = &b;
    complete(*b.engine, &self, 1, barrier, State::Cluster);
  }
}

void grid_arrived(Engine& e) {
  if (--e.grid_barrier.missing == 0)
    complete(e, e.wave.data(), e.wave.size(), e.grid_barrier, State::Grid);
}

}  // namespace

void cluster_barrier_arrive(Location where) {
  Thread& t = self();
  Block& b = *t.block;
  GroupBarrier& barrier = cluster_barrier_of(b);
  if (!barrier.used) barrier = {0, b.live, true};  // a cluster of one block
  if (t.cluster_phase != barrier.phase)
    fail("barrier.cluster.arrive: the thread has arrived before and not waited since", where);
  t.cluster_phase = barrier.phase + 1;
  t.where = where;
  cluster_arrived(b);
}

void cluster_barrier_wait(Location where) {
  Thread& t = self();
  Block& b = *t.block;
  GroupBarrier& barrier = cluster_barrier_of(b);
  if (t.cluster_phase != barrier.phase + 1 && t.cluster_phase != barrier.phase)
    fail("barrier.cluster.wait: the thread has not arrived", where);
  if (barrier.phase == t.cluster_phase) return;
  t.state = State::Cluster;
  t.waiting_for = "cluster barrier";
  t.where = where;
  b.engine->suspend();
}

void cluster_barrier_sync(Location where) {
  cluster_barrier_arrive(where);
  cluster_barrier_wait(where);
}

void grid_sync(Location where) {
  Thread& t = self();
  Engine& e = *t.block->engine;
  if (!e.launch->cooperative)
    fail("grid sync in a kernel that was not launched as a cooperative one", where);
  t.state = State::Grid;
  t.waiting_for = "grid sync";
  t.where = where;
  grid_arrived(e);
  e.suspend();
}

// The thread's arrivals are no longer waited for.
void group_exited(Thread& t) {
  Block& b = *t.block;
  GroupBarrier& barrier = cluster_barrier_of(b);
  if (barrier.used && t.cluster_phase == barrier.phase) cluster_arrived(b);
  if (b.launch->cooperative) grid_arrived(*b.engine);
}

uint3 block_in_cluster() {
  const Block& b = *self().block;
  const dim3 c = b.launch->cluster;
  const uint32_t r = uint32_t(b.cluster_rank);
  return {r % c.x, r / c.x % c.y, r / c.x / c.y};
}

}  // namespace mt::emu
