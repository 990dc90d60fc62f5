// Blocks of one launch on several OS threads, with the results of one.
// Note [Order of atomics]: blocks are handed out in order, and before its first atomic operation on
// global memory, or when it only spins, a block waits until all blocks before it are done. So
// atomics happen in the order of a serial run, sums of floats included.
#pragma once
#include <cstdint>

#include "cuda/emulator/thread.h"

namespace mt::emu {

struct Engine;

// Whether the block on this OS thread must wait for its turn before an atomic.
extern MT_EMU_TLS bool waits_for_turn;
MT_EMU_COLD void wait_for_turn();
MT_EMU_INLINE void take_turn() {
  if (__builtin_expect(waits_for_turn, 0)) wait_for_turn();
}

// Runs the blocks from number `first` of `count` on; false if other threads are not to be had. The
// outcome is left in the engine, which is that of the calling thread.
bool run_parallel(Engine&, uint32_t first, uint32_t count);

}  // namespace mt::emu
