#include "cuda/emulator/parallel.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda/emulator/device_memory.h"
#include "cuda/emulator/scheduler.h"

namespace mt::emu {

MT_EMU_TLS bool waits_for_turn = false;

namespace {

struct Run {
  const Engine* leader;
  uint32_t count;
  std::atomic<uint32_t> next;    // block to hand out
  std::atomic<uint32_t> failed;  // lowest block that failed a check
  std::mutex mutex;
  std::condition_variable moved;
  uint32_t prefix;  // all blocks before it are done
  std::vector<char> done;
  std::string report;
  const void* report_pc = nullptr;

  Run(const Engine& e, uint32_t first, uint32_t n)
      : leader(&e), count(n), next(first), failed(n), prefix(first), done(n) {}
};

constinit thread_local Run* current_run = nullptr;
constinit thread_local uint32_t current_index = 0;

void finish(Run& run, uint32_t index, Engine& e, bool ok) {
  std::lock_guard lock(run.mutex);
  if (!ok && index < run.failed) {
    run.failed = index;
    run.report = e.report;
    run.report_pc = e.report_pc;
  }
  run.done[index] = 1;
  while (run.prefix < run.count && run.done[run.prefix]) ++run.prefix;
  run.moved.notify_all();
}

void work(Run& run) {
  Engine& e = engine();
  if (&e != run.leader) e.follow(*run.leader);
  current_run = &run;
  for (;;) {
    const uint32_t index = run.next++;
    if (index >= run.count) break;
    if (index > run.failed) {
      // Not run, but others may wait for its turn to be over.
      finish(run, index, e, true);
      continue;
    }
    current_index = index;
    waits_for_turn = true;
    const uint32_t block = e.order == Order::Reverse ? run.count - 1 - index : index;
    e.failed = false;
    const bool ok = e.run_wave(&block, 1);
    finish(run, index, e, ok);
  }
  waits_for_turn = false;
  current_run = nullptr;
}

// Threads wait for runs for as long as the process lives. A run does not depend on them: its own
// thread works, too, and waits only for those that have joined.
struct Pool {
  std::mutex mutex, one_run;
  std::condition_variable wake, idle;
  Run* run = nullptr;
  uint64_t serial = 0;
  int size = 0, wanted = 0, active = 0;

  void grow(int threads) {
    for (; size < threads; ++size) std::thread([this, number = size] { serve(number); }).detach();
  }

  void serve(int number) {
    prepare_thread();
    uint64_t seen = 0;
    std::unique_lock lock(mutex);
    for (;;) {
      wake.wait(lock, [&] { return run && serial != seen && number < wanted; });
      seen = serial;
      Run* mine = run;
      ++active;
      lock.unlock();
      {
        DeviceAccess access;
        work(*mine);
      }
      lock.lock();
      if (--active == 0) idle.notify_all();
    }
  }
};

Pool& pool() {
  static Pool* one = new Pool;  // its threads never end
  return *one;
}

}  // namespace

void wait_for_turn() {
  Run& run = *current_run;
  std::unique_lock lock(run.mutex);
  run.moved.wait(lock, [&] { return run.prefix >= current_index; });
  waits_for_turn = false;
}

bool run_parallel(Engine& e, uint32_t first, uint32_t count) {
  int threads = settings().threads;
  if (threads <= 0) threads = std::min(int(std::thread::hardware_concurrency()), 4);
  threads = std::min<int64_t>(threads, count - first);
  if (threads <= 1) return false;
  Pool& p = pool();
  std::unique_lock one(p.one_run, std::try_to_lock);
  if (!one) return false;
  Run run(e, first, count);
  {
    std::lock_guard lock(p.mutex);
    p.grow(threads - 1);
    p.run = &run;
    p.wanted = threads - 1;
    ++p.serial;
  }
  p.wake.notify_all();
  work(run);
  std::unique_lock lock(p.mutex);
  p.run = nullptr;
  p.idle.wait(lock, [&] { return p.active == 0; });
  e.failed = run.failed < count;
  e.report = run.report;
  e.report_pc = run.report_pc;
  return true;
}

}  // namespace mt::emu
