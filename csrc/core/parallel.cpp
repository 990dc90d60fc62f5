// A pool of threads that spins briefly before it sleeps: back-to-back kernels of a training step
// find the workers awake, an idle program uses no CPU.
#include "core/parallel.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "core/check.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define MT_PAUSE() _mm_pause()
#else
#define MT_PAUSE() __asm__ volatile("yield")
#endif

namespace mt {
namespace {

constexpr int kSpins = 4000;  // about 50 us

constexpr int kMaxShares = 16;

// Chunks [first, last) that a thread has still to do, packed so that one exchange changes both: the
// owner takes from the front, so that it walks through memory in order, idle threads from the back.
struct alignas(64) Share {
  std::atomic<uint64_t> range{0};

  void set(uint64_t first, uint64_t last) { range.store(first << 32 | last); }
  bool take(bool front, int64_t* chunk) {
    uint64_t now = range.load(std::memory_order_relaxed);
    for (;;) {
      const uint64_t first = now >> 32, last = now & 0xffffffffu;
      if (first >= last) return false;
      const uint64_t next = front ? now + (uint64_t(1) << 32) : now - 1;
      if (range.compare_exchange_weak(now, next, std::memory_order_relaxed)) {
        *chunk = int64_t(front ? first : last - 1);
        return true;
      }
    }
  }
};

// Every thread starts on its own contiguous share of the chunks: memory is read and written in long
// runs, and a tensor's parts stay in the caches of the cores that used them last.
struct Job {
  void (*body)(void*, int64_t, int64_t);
  void* context;
  int64_t n, grain;
  int shares;
  std::atomic<int> failed{0};
  std::exception_ptr error;
  Share share[kMaxShares];

  Job(void (*f)(void*, int64_t, int64_t), void* c, int64_t size, int64_t step, int64_t chunks,
      int threads)
      : body(f), context(c), n(size), grain(step), shares(std::min(threads, kMaxShares)) {
    for (int i = 0; i < shares; i++)
      share[i].set(uint64_t(chunks * i / shares), uint64_t(chunks * (i + 1) / shares));
  }

  void work(int thread) {
    for (int k = 0; k < shares; k++)
      for (int64_t i; share[(thread + k) % shares].take(k == 0, &i);) run(i);
  }

  void run(int64_t i) {
    try {
      body(context, i * grain, std::min(n, (i + 1) * grain));
    } catch (...) {
      if (failed.exchange(1) == 0) error = std::current_exception();
    }
  }
};

thread_local bool in_parallel = false;

class Pool {
 public:
  void run(Job& job, int threads) {
    grow(threads - 1);
    in_parallel = true;
    job_ = &job;
    gate_.store(uint64_t(threads - 1) << 32, std::memory_order_release);
    {
      // Held so that a worker between its last look and its sleep does not miss the change.
      std::lock_guard<std::mutex> lock(sleep_);
      generation_.fetch_add(1, std::memory_order_release);
    }
    if (sleepers_.load(std::memory_order_acquire) > 0) wake_.notify_all();
    job.work(0);
    // All chunks are taken: wait for the workers that hold some, not for those still waking up.
    gate_.fetch_and(0xffffffffu, std::memory_order_acq_rel);
    while (gate_.load(std::memory_order_acquire) > 0) MT_PAUSE();
    in_parallel = false;
    if (job.error) std::rethrow_exception(job.error);
  }

  std::mutex entry;

 private:
  void grow(int n) {
    while (int(workers_.size()) < n) {
      uint64_t seen = generation_.load();
      const int id = int(workers_.size()) + 1;
      workers_.emplace_back([this, id, seen] { serve(id, seen); });
      workers_.back().detach();
    }
  }

  void serve(int id, uint64_t seen) {
    in_parallel = true;
    for (;;) {
      uint64_t now = seen;
      for (int spin = 0; spin < kSpins; spin++) {
        now = generation_.load(std::memory_order_acquire);
        if (now != seen) break;
        MT_PAUSE();
      }
      if (now == seen) {
        std::unique_lock<std::mutex> lock(sleep_);
        sleepers_.fetch_add(1);
        wake_.wait(lock, [&] { return generation_.load(std::memory_order_acquire) != seen; });
        sleepers_.fetch_sub(1);
        now = generation_.load(std::memory_order_acquire);
      }
      seen = now;
      if (enter()) {
        job_->work(id);
        gate_.fetch_sub(1, std::memory_order_release);
      }
    }
  }

  // Takes one of the open job's tickets. A job is alive while anyone is inside.
  bool enter() {
    uint64_t now = gate_.load(std::memory_order_acquire);
    while (now >> 32) {
      uint64_t inside = now - (uint64_t(1) << 32) + 1;
      if (gate_.compare_exchange_weak(now, inside, std::memory_order_acq_rel)) return true;
    }
    return false;
  }

  std::vector<std::thread> workers_;
  std::mutex sleep_;
  std::condition_variable wake_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<uint64_t> gate_{0};  // tickets left << 32 | workers inside
  Job* job_ = nullptr;
};

// Never destroyed: detached workers may outlive static destruction. A forked child has no workers
// and possibly locked mutexes, so it starts with a new pool.
Pool* pool = nullptr;

Pool& the_pool() {
  static const bool once = [] {
    pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] { pool = new Pool; });
    return true;
  }();
  (void)once;
  return *pool;
}

int default_threads() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, int(std::thread::hardware_concurrency()));
}

std::atomic<int> threads{0};

}  // namespace

int num_threads() {
  int n = threads.load(std::memory_order_relaxed);
  if (MT_UNLIKELY(n == 0)) threads.store(n = default_threads());
  return n;
}

void set_num_threads(int n) {
  MT_CHECK(n > 0, "set_num_threads(): expected a positive number of threads, got ", n);
  threads.store(n);
}

void parallel_chunks(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t),
                     void* context) {
  int64_t chunks = ceil_div(n, grain);
  int width = int(std::min<int64_t>(num_threads(), chunks));
  if (width > 1 && !in_parallel && chunks <= 0xffffffff) {
    Pool& workers = the_pool();
    std::unique_lock<std::mutex> entry(workers.entry, std::try_to_lock);
    if (entry.owns_lock()) {
      Job job(body, context, n, grain, chunks, width);
      workers.run(job, width);
      return;
    }
  }
  for (int64_t i = 0; i < chunks; i++) body(context, i * grain, std::min(n, (i + 1) * grain));
}

}  // namespace mt
