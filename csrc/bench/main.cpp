// minitorch_bench [--threads N] [options of Google Benchmark, such as --benchmark_filter=gemm]
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "bench/bench.h"
#include "core/check.h"
#include "core/isa.h"
#include "core/parallel.h"

namespace mt::bench {
namespace {

Ceilings ceilings;

void run(benchmark::State& state, const Work& work, const std::function<Call()>& setup) {
  Call call = setup();
  call();  // pages, scratch memory and threads are there
  using clock = std::chrono::steady_clock;
  auto start = clock::now();
  for (auto _ : state) call();
  double seconds = std::chrono::duration<double>(clock::now() - start).count();
  seconds /= double(state.iterations());
  double floor = floor_seconds(ceilings, work.flops, work.bytes, work.only_reads);
  if (work.flops > 0) state.counters["GFLOP/s"] = work.flops / seconds * 1e-9;
  state.counters["GB/s"] = work.bytes / seconds * 1e-9;
  state.counters["%peak"] = 100 * floor / seconds;
}

void print_ceilings() {
  std::printf("instruction set %s, %d threads\n", isa_name(isa()), ceilings.threads);
  std::printf("multiply-add %8.1f GFLOP/s (float32)\n", ceilings.flops * 1e-9);
  for (int level = kL1; level < kLevels; level++)
    std::printf("%-8s copy %8.1f GB/s   read %8.1f GB/s   (%lld KiB)\n", level_name(level),
                ceilings.copy[level] * 1e-9, ceilings.read[level] * 1e-9,
                static_cast<long long>(ceilings.working_set[level] >> 10));
  std::printf("\n");
}

// Removes --threads N (or --threads=N) from the arguments.
int take_threads(int* argc, char** argv) {
  int threads = num_threads(), kept = 1;
  for (int i = 1; i < *argc; i++) {
    if (std::strncmp(argv[i], "--threads=", 10) == 0) threads = std::atoi(argv[i] + 10);
    else if (std::strcmp(argv[i], "--threads") == 0 && i + 1 < *argc)
      threads = std::atoi(argv[++i]);
    else argv[kept++] = argv[i];
  }
  *argc = kept;
  return threads;
}

}  // namespace

void add(const std::string& name, Work work, std::function<Call()> setup) {
  benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) { run(s, work, setup); })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

}  // namespace mt::bench

int main(int argc, char** argv) {
  try {
    mt::check_forced_isa();
    int threads = mt::bench::take_threads(&argc, argv);
    mt::set_num_threads(threads);
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    mt::bench::ceilings = mt::measure_ceilings(threads);
    mt::bench::print_ceilings();
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "minitorch_bench: %s\n", e.what());
    return 1;
  }
  return 0;
}
