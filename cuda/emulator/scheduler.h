// Runs the blocks of a launch on one OS thread: fibers, the queue of ready threads, deadlock.
#pragma once
#include <string>
#include <vector>

#include "cuda/emulator/fiber.h"
#include "cuda/emulator/settings.h"
#include "cuda/emulator/shadow.h"
#include "cuda/emulator/thread.h"

namespace mt::emu {

// Knuth's linear congruential generator, its high bits mixed into the low ones that % looks at.
struct Random {
  using result_type = uint64_t;
  uint64_t state = 0;
  static constexpr uint64_t min() { return 0; }
  static constexpr uint64_t max() { return ~0ull; }
  void seed(uint64_t s) { state = (s + 1) * 0x9e3779b97f4a7c15ull; }
  uint64_t operator()() {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    const uint64_t mixed = (state ^ state >> 29) * 0xbf58476d1ce4e5b9ull;
    return mixed ^ mixed >> 32;
  }
};

// One kernel launch. `invoke(arguments)` runs the kernel's body for the current thread.
struct Launch {
  const char* name;
  const void* function;  // identity of the kernel, for its attributes
  dim3 grid, block, cluster;
  uint32_t shared_bytes = 0;
  bool cooperative = false;
  void (*invoke)(const void* arguments) = nullptr;
  const void* arguments = nullptr;
};

struct Engine {
  Fiber main;
  std::vector<Fiber*> fibers, idle;
  Launch* launch = nullptr;
  Order order = Order::Forward;
  bool checks = true;
  Random random;

  // Blocks that are alive together: one, those of a cluster, or all of a cooperative launch.
  std::vector<Block*> wave;
  uint32_t wave_blocks = 0, block_size = 0, live_blocks = 0;
  uint64_t unstarted = 0, total = 0;
  std::vector<uint32_t> permutation;

  std::vector<Thread*> ready, spinning;  // rings
  uint32_t ready_head = 0, ready_tail = 0, ready_mask = 0;
  uint32_t spin_head = 0, spin_tail = 0;
  uint64_t events = 0, events_at_round = 0, idle_yields = 0;

  GroupBarrier grid_barrier;
  bool failed = false;
  std::string report;
  const void* report_pc = nullptr;  // its source line is looked up outside of the fiber

  std::vector<Block*> pool;

  ~Engine();
  // False if a check failed; `report` tells.
  bool run(Launch& launch);
  void follow(const Engine& leader);  // take part in its launch
  bool run_wave(const uint32_t* indices, uint32_t count);

  void push(Thread*);
  Thread* pop();
  void suspend();  // the current thread until somebody pushes it
  void set_report(std::string what, std::string line, const void* pc);  // of the current thread
  [[noreturn]] void abandon();

  Thread* take_unstarted();
  void finish(Thread*);
  void run_threads(Fiber*);
  Fiber* next_fiber();
  bool idle_work();
  [[noreturn]] void deadlock(const char* headline);
  Block* make_block();
  void begin(Block&, uint32_t linear_idx);
  void end(Block&);
  void join_clusters();
};

// Of the running OS thread.
Engine& engine();

}  // namespace mt::emu
