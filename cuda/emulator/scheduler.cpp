#include "cuda/emulator/scheduler.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <memory>

#include "cuda/emulator/device_memory.h"
#include "cuda/emulator/parallel.h"
#include "cuda/emulator/report.h"

namespace mt::emu {

MT_EMU_TLS Thread* current_thread = nullptr;

Engine& engine() {
  // On the heap: an extension module has little room for variables of threads.
  thread_local const auto one = std::make_unique<Engine>();
  return *one;
}

namespace {
// Times of a launch and of its blocks, on average, that make it worth waking other OS threads.
constexpr std::chrono::nanoseconds kParallelLaunch{100000}, kParallelBlock{3000};

void fiber_main(Fiber* fiber) {
  fiber_started(fiber);
  auto* e = static_cast<Engine*>(fiber->engine);
  for (;;) e->run_threads(fiber);
}
}  // namespace

Engine::~Engine() {
  for (Fiber* f : fibers) destroy_fiber(f);
  for (Block* b : pool) {
    destroy_arena(b->shared);
    destroy_rows(*b);
    delete[] b->threads;
    delete b;
  }
}

Block* Engine::make_block() {
  if (!pool.empty()) {
    Block* b = pool.back();
    pool.pop_back();
    return b;
  }
  auto* b = new Block();
  b->engine = this;
  b->threads = new Thread[kMaxThreads]();
  b->block_dim = dim3(0, 0, 0);
  b->shared = create_arena(b);
  return b;
}

void Engine::begin(Block& b, uint32_t linear_idx) {
  const dim3 g = launch->grid, d = launch->block;
  b.launch = launch;
  b.linear_idx = linear_idx;
  b.block_idx = {linear_idx % g.x, linear_idx / g.x % g.y, linear_idx / g.x / g.y};
  b.grid_dim = g;
  b.size = b.live = block_size;
  if (b.block_dim.x != d.x || b.block_dim.y != d.y || b.block_dim.z != d.z) {
    b.block_dim = d;
    uint32_t rank = 0;
    for (uint32_t z = 0; z < d.z; ++z)
      for (uint32_t y = 0; y < d.y; ++y)
        for (uint32_t x = 0; x < d.x; ++x, ++rank) {
          Thread& t = b.threads[rank];
          t.thread_idx = {x, y, z};
          t.rank = rank;
          t.lane = rank % kWarp;
          t.warp = rank / kWarp;
          t.block = &b;
        }
  }
  for (uint32_t i = 0; i < block_size; ++i) {
    Thread& t = b.threads[i];
    t.state = State::Unstarted;
    t.chosen = false;
    t.cluster_phase = 0;
    t.seen = t.warp_seen = 0;
    t.row = nullptr;
  }
  for (uint32_t w = 0, left = block_size; left > 0; ++w) {
    uint32_t lanes = std::min<uint32_t>(left, kWarp);
    b.warps[w].live = lanes == kWarp ? ~0u : (1u << lanes) - 1;
    left -= lanes;
  }
  b.votes = 0;
  b.cluster_rank = 0;
  b.cluster_size = 1;
  b.cluster = nullptr;
  b.cluster_barrier = {};
  begin_block(b.shared, checks);
}

void Engine::end(Block& b) {
  for (auto& local : b.locals) local.destroy(local.data);
  b.locals.clear();
  drop_rows(b);
  if (failed) {
    for (Warp& w : b.warps) w = {};
    for (Rendezvous& g : b.groups) g = {};
  }
  // A bar.arrive that nobody waited for may be left over.
  for (NamedBarrier& n : b.barriers) n = {};
  pool.push_back(&b);
}

bool Engine::run_wave(const uint32_t* indices, uint32_t count) {
  wave.clear();
  for (uint32_t i = 0; i < count; ++i) {
    wave.push_back(make_block());
    begin(*wave.back(), indices[i]);
  }
  if (launch->cluster.x * launch->cluster.y * launch->cluster.z > 1) join_clusters();
  wave_blocks = live_blocks = count;
  total = unstarted = uint64_t(count) * block_size;
  grid_barrier = {0, uint32_t(total), true};
  if (order == Order::Random) {
    permutation.resize(total);
    for (uint32_t i = 0; i < total; ++i) permutation[i] = i;
    std::shuffle(permutation.begin(), permutation.end(), random);
  }
  ready_head = ready_tail = spin_head = spin_tail = 0;
  if (ready.size() < total) {
    size_t capacity = 1024;
    while (capacity < total) capacity *= 2;
    ready.resize(capacity);
    spinning.resize(capacity);
    ready_mask = uint32_t(capacity - 1);
  }
  events_at_round = ++events;
  idle_yields = 0;

  switch_fiber(&main, next_fiber());
  current_thread = nullptr;
  for (Block* b : wave) end(*b);
  if (failed) {
    restore_device_access();
    idle = fibers;
    for (Fiber* f : fibers) reset_fiber(f, fiber_main);
  }
  return !failed;
}

void Engine::push(Thread* t) {
  t->state = State::Ready;
  ready[ready_tail++ & ready_mask] = t;
}

Thread* Engine::pop() {
  if (order == Order::Random) {
    uint32_t pick = ready_head + uint32_t(random() % (ready_tail - ready_head));
    std::swap(ready[pick & ready_mask], ready[ready_head & ready_mask]);
  }
  return ready[ready_head++ & ready_mask];
}

Thread* Engine::take_unstarted() {
  if (unstarted == 0) return nullptr;
  uint64_t at = total - unstarted--;
  if (order == Order::Reverse) at = unstarted;
  if (order == Order::Random) at = permutation[at];
  Block* b = wave_blocks == 1 ? wave[0] : wave[at / block_size];
  return &b->threads[wave_blocks == 1 ? at : at % block_size];
}

void Engine::run_threads(Fiber* fiber) {
  while (Thread* t = take_unstarted()) {
    t->fiber = fiber;
    t->state = State::Running;
    current_thread = t;
    char thrown[256] = "";
    try {
      launch->invoke(launch->arguments);
    } catch (const std::exception& e) {
      std::strncpy(thrown, e.what(), sizeof(thrown) - 1);
      if (!thrown[0]) std::strcpy(thrown, "(no text)");
    } catch (...) {
      std::strcpy(thrown, "not a std::exception");
    }
    if (thrown[0]) fail_at(format("the kernel threw an exception: %s", thrown), nullptr);
    finish(t);
    if (ready_head != ready_tail && (order != Order::Random || random() % 2)) break;
  }
  current_thread = nullptr;
  idle.push_back(fiber);
  Fiber* next = live_blocks == 0 ? &main : next_fiber();
  if (next != fiber) switch_fiber(fiber, next);
}

void Engine::finish(Thread* t) {
  Block& b = *t->block;
  Warp& w = b.warps[t->warp];
  const uint32_t bit = 1u << t->lane;
  t->state = State::Done;
  ++events;
  w.live &= ~bit;
  // Exited threads count no longer: what waited only for this one goes on.
  if (w.open)
    for (Rendezvous& m : w.meetings) {
      if (!(m.mask & bit) || !m.missing) continue;
      m.missing &= ~bit;
      if (m.missing) continue;
      for (uint32_t i = 0; i < kWarp; ++i) {
        Thread& lane = b.threads[t->warp * kWarp + i];
        if (!(m.mask >> i & 1) || !(w.live >> i & 1)) continue;
        lane.chosen = true;
        push(&lane);
        break;
      }
    }
  if (--b.live == 0) --live_blocks;
  else barrier_exited(b);
  if (b.cluster_size > 1 || b.cluster_barrier.used || launch->cooperative) group_exited(*t);
}

Fiber* Engine::next_fiber() {
  for (;;) {
    if (ready_head != ready_tail && (unstarted == 0 || order != Order::Random || random() % 2)) {
      Thread* t = pop();
      t->state = State::Running;
      return t->fiber;
    }
    if (unstarted) {
      if (idle.empty()) {
        fibers.push_back(create_fiber(this, fiber_main));
        return fibers.back();
      }
      Fiber* f = idle.back();
      idle.pop_back();
      return f;
    }
    if (uint32_t spinners = spin_tail - spin_head) {
      if (events != events_at_round) {
        events_at_round = events;
        idle_yields = 0;
      } else if (++idle_yields % spinners == 0) {
        // A whole round without anything happening.
        if (idle_work()) continue;
        if (waits_for_turn) {
          wait_for_turn();
          idle_yields = 0;
        }
        if (idle_yields > 1000ull * spinners + 10000) deadlock("threads spin for ever");
      }
      if (order == Order::Random)
        std::swap(spinning[spin_head & ready_mask],
                  spinning[(spin_head + random() % spinners) & ready_mask]);
      Thread* t = spinning[spin_head++ & ready_mask];
      t->state = State::Running;
      return t->fiber;
    }
    if (!idle_work()) deadlock("no thread can go on");
  }
}

bool Engine::idle_work() {
  bool worked = false;
  for (Block* b : wave)
    for (size_t i = 0; i < b->locals.size(); ++i)
      if (b->locals[i].idle) worked |= b->locals[i].idle(b->locals[i].data);
  events += worked;
  return worked;
}

void Engine::suspend() {
  Thread* me = current_thread;
  Fiber* next = next_fiber();
  if (next != me->fiber) switch_fiber(me->fiber, next);
  current_thread = me;
}

void Engine::abandon() {
  static thread_local Fiber scratch;
  failed = true;
  switch_fiber(&scratch, &main, true);
  __builtin_unreachable();
}

void Engine::follow(const Engine& leader) {
  launch = leader.launch;
  order = leader.order;
  checks = leader.checks;
  block_size = leader.block_size;
}

bool Engine::run(Launch& l) {
  launch = &l;
  const Settings& s = settings();
  order = s.order;
  checks = s.checks;
  failed = false;
  report.clear();
  // Anew for every launch, so that one that fails does so again on its own.
  random.seed(s.seed);

  block_size = l.block.x * l.block.y * l.block.z;
  const uint32_t blocks = l.grid.x * l.grid.y * l.grid.z;
  const dim3 c = l.cluster;
  const uint32_t cluster = c.x * c.y * c.z;
  if (!l.cooperative && cluster == 1 && order != Order::Random) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    for (uint32_t i = 0; i < blocks; ++i) {
      // Other OS threads help once the launch has proved to be long.
      if (i + 1 < blocks && Clock::now() - start > std::max(i * kParallelBlock, kParallelLaunch) &&
          run_parallel(*this, i, blocks))
        return !failed;
      const uint32_t index = order == Order::Forward ? i : blocks - 1 - i;
      if (!run_wave(&index, 1)) return false;
    }
    return true;
  }
  // By clusters, the blocks of a cluster adjacent in `indices`.
  std::vector<uint32_t> indices, clusters(blocks / cluster);
  for (uint32_t i = 0; i < clusters.size(); ++i)
    clusters[i] = order == Order::Reverse ? uint32_t(clusters.size()) - 1 - i : i;
  if (order == Order::Random) std::shuffle(clusters.begin(), clusters.end(), random);
  for (uint32_t i : clusters) {
    const uint32_t gx = l.grid.x / c.x, gy = l.grid.y / c.y;
    const uint32_t x0 = i % gx * c.x, y0 = i / gx % gy * c.y, z0 = i / gx / gy * c.z;
    for (uint32_t z = z0; z < z0 + c.z; ++z)
      for (uint32_t y = y0; y < y0 + c.y; ++y)
        for (uint32_t x = x0; x < x0 + c.x; ++x)
          indices.push_back(x + l.grid.x * (y + l.grid.y * z));
  }
  if (l.cooperative) return run_wave(indices.data(), blocks);
  for (uint32_t i = 0; i < blocks; i += cluster)
    if (!run_wave(&indices[i], cluster)) return false;
  return true;
}

}  // namespace mt::emu
