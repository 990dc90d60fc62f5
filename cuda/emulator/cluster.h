// Waiting for threads of other blocks: of the cluster, or of the grid in a cooperative launch.
#pragma once
#include "cuda/emulator/thread.h"

namespace mt::emu {

// barrier.cluster.arrive and .wait; every thread of the cluster that has not exited takes part.
void cluster_barrier_arrive(Location where = Location::current());
void cluster_barrier_wait(Location where = Location::current());
void cluster_barrier_sync(Location where = Location::current());
uint3 block_in_cluster();

void grid_sync(Location where = Location::current());

}  // namespace mt::emu
