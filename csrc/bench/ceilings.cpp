#include "bench/ceilings.h"

#include <algorithm>
#include <chrono>

#include "core/allocator.h"
#include "core/cpu_info.h"
#include "core/parallel.h"
#include "ops/peak.h"

namespace mt {
namespace {

double now() {
  using clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(clock::now().time_since_epoch()).count();
}

// Best of a few runs of f, which are made long enough for the threads to start together.
template <class F>
double best_seconds(F&& f) {
  double best = 1e30;
  for (int i = 0; i < 9; i++) {
    double start = now();
    f();
    best = std::min(best, now() - start);
  }
  return best;
}

double measure_flops(int threads) {
  constexpr int64_t rounds = 400'000;
  double flops = 0;
  cpu::peak_fma(1, &flops);
  double seconds = best_seconds([&] {
    parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
      double ignored = 0;
      for (int64_t i = begin; i < end; i++) cpu::peak_fma(rounds, &ignored);
    });
  });
  return flops * rounds * threads / seconds;
}

// Bytes per second of one kind of loop over n floats per thread. In a thread's own caches it stays
// with its part; beyond, the threads walk through memory side by side, as kernels do.
double measure_stream(StreamKind kind, int level, int threads, float* x, float* y, int64_t n) {
  const double bytes = double(n) * 4 * threads * (kind == StreamKind::read ? 1 : 2);
  const bool shared = level >= kL3;
  const int64_t repeats = std::max<int64_t>(1, int64_t(4e7 * threads / bytes));
  const int64_t outer = shared ? repeats : 1, inner = shared ? 1 : repeats;
  double seconds = best_seconds([&] {
    for (int64_t r = 0; r < outer; r++)
      parallel_for(n * threads, shared ? kGrain : n, [&](int64_t begin, int64_t end) {
        cpu::peak_stream(kind, x + begin, y + begin, end - begin, inner);
      });
  });
  return bytes * double(repeats) / seconds;
}

int64_t level_bytes(int level, int threads) {
  if (level == kL1) return int64_t(l1_bytes()) * threads;
  if (level == kL2) return int64_t(l2_bytes()) * threads;
  return int64_t(l3_bytes());
}

}  // namespace

const char* level_name(int level) {
  constexpr const char* names[] = {"L1", "L2", "L3", "memory"};
  return names[level];
}

int level_of(double bytes, int threads) {
  for (int level = kL1; level < kMemory; level++)
    if (bytes <= double(level_bytes(level, threads))) return level;
  return kMemory;
}

Ceilings measure_ceilings(int threads) {
  const int before = num_threads();
  set_num_threads(threads);
  Ceilings c;
  c.threads = threads;
  c.flops = measure_flops(threads);
  for (int level = kL1; level < kLevels; level++) {
    // x and y together fill 3/4 of a level, 1/4 of the last cache, which others use too; memory: 4
    // times the last cache, within reason.
    int64_t bytes =
        level < kL3 ? level_bytes(level, threads) * 3 / 4
        : level == kL3
            ? std::max(level_bytes(kL3, threads) / 4, level_bytes(kL2, threads))
            : std::clamp<int64_t>(level_bytes(kL3, threads) * 4, 128 << 20, int64_t(512) << 20);
    int64_t n = std::max<int64_t>(bytes / 8 / threads / 128 * 128, 128);
    size_t size = size_t(n) * 4 * size_t(threads);
    float* x = static_cast<float*>(cpu_allocate(size));
    float* y = static_cast<float*>(cpu_allocate(size));
    for (int64_t i = 0; i < n * threads; i++) {
      x[i] = float(i % 1021) - 500.5f;
      y[i] = x[i];
    }
    c.working_set[level] = 2 * int64_t(size);
    c.read[level] = measure_stream(StreamKind::read, level, threads, x, y, n);
    c.copy[level] = measure_stream(StreamKind::copy, level, threads, x, y, n);
    if (level >= kL3)
      c.copy[level] =
          std::max(c.copy[level], measure_stream(StreamKind::stream, level, threads, x, y, n));
    cpu_free(x, size);
    cpu_free(y, size);
  }
  empty_cache();
  set_num_threads(before);
  return c;
}

double floor_seconds(const Ceilings& c, double flops, double bytes, bool only_reads) {
  int level = level_of(bytes, c.threads);
  double rate = only_reads ? c.read[level] : c.copy[level];
  return std::max(flops / c.flops, bytes / rate);
}

}  // namespace mt
