// minitorch_cuda_bench [--filter TEXT] [--json FILE] [--seconds S] [--list] [--smoke]
//
//   --filter TEXT  cases whose name contains TEXT; given again, cases of either
//   --json FILE    the results as JSON, too
//   --seconds S    start no case after S seconds
//   --list         print the names of the cases
//   --smoke        sizes and times for an emulated device: shows that everything runs, no more
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/check.h"
#include "cuda/bench/bench.h"
#include "cuda/bench/report.h"
#include "cuda/core/device.h"

namespace mt::cuda::bench {
namespace {

struct Options {
  std::vector<std::string> filters;
  std::string json;
  double seconds = 1e9;
  bool list = false, smoke = false;
};
Options options;

const char* const kUsage =
    "minitorch_cuda_bench [--filter TEXT] [--json FILE] [--seconds S] [--list] [--smoke]";

void parse(int argc, char** argv) {
  for (int i = 1; i < argc; i++) {
    const std::string name = argv[i];
    const auto value = [&]() -> const char* {
      MT_CHECK(i + 1 < argc, name, " needs a value; usage: ", kUsage);
      return argv[++i];
    };
    if (name == "--filter") options.filters.push_back(value());
    else if (name == "--json") options.json = value();
    else if (name == "--seconds") options.seconds = std::atof(value());
    else if (name == "--list") options.list = true;
    else if (name == "--smoke") options.smoke = true;
    else fail(ErrorKind::Value, "unknown option ", name, "; usage: ", kUsage);
  }
}

bool wanted(const Case& c) {
  if (options.filters.empty()) return true;
  return std::any_of(options.filters.begin(), options.filters.end(),
                     [&](const std::string& f) { return c.name.find(f) != std::string::npos; });
}

// As many sets as fill the second-level cache twice, of half the free memory at most.
constexpr size_t kMostSets = 256;
size_t number_of_sets(size_t bytes_of_one) {
  if (options.smoke) return 1;
  size_t free = 0, total = 0;
  memory_info(current_device(), &free, &total);
  const size_t one = std::max<size_t>(bytes_of_one, 1);
  const size_t cache = size_t(properties(current_device()).l2_cache);
  const size_t most = std::max<size_t>(1, free / 2 / one);
  return std::min({2 * cache / one + 1, most, kMostSets});
}

Result run(const Case& c, const Plan& plan) {
  Result r{c.name, c.work, {}, 0, ""};
  try {
    std::vector<std::unique_ptr<Operands>> operands;
    std::vector<Call> calls;
    do {
      operands.push_back(std::make_unique<Operands>());
      calls.push_back(c.setup(*operands.back()));
    } while (operands.size() < number_of_sets(operands.front()->bytes()));
    synchronize(current_device());
    r.sets = int(operands.size());
    r.timing = measure(calls, plan);
  } catch (const std::exception& e) {
    r.error = e.what();
  }
  return r;
}

int run_all() {
  const Plan plan = options.smoke ? kSmokePlan : Plan{};
  size_t free = 0, total = 0;
  memory_info(current_device(), &free, &total);
  const int64_t most = options.smoke ? 1 << 16 : 1 << 30;
  const Ceilings ceilings =
      measure_ceilings(std::min(most, int64_t(total / 4)), options.smoke ? 4 : 4096, plan);
  print_ceilings(ceilings);
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  std::vector<Result> results;
  int left = 0, failed = 0;
  for (const Case& c : cases()) {
    if (!wanted(c)) continue;
    if (std::chrono::duration<double>(clock::now() - start).count() > options.seconds) {
      left++;
      continue;
    }
    results.push_back(run(c, plan));
    print_result(results.back(), ceilings);
    failed += !results.back().error.empty();
  }
  std::printf("%d cases, %d failed, %d not started\n", int(results.size()), failed, left);
  if (!options.json.empty()) write_json(options.json, results, ceilings);
  return failed ? 1 : 0;
}

}  // namespace

std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

std::vector<void (*)()>& families() {
  static std::vector<void (*)()> all;
  return all;
}

void add(const std::string& name, Work work, Setup setup) {
  for (const Case& c : cases())
    if (c.name == name) return;
  cases().push_back({name, work, std::move(setup)});
}

int64_t fit(int64_t n, int64_t least) { return options.smoke ? std::min(n, least) : n; }

int main_(int argc, char** argv) {
  parse(argc, argv);
  for (void (*add_all)() : families()) add_all();
  std::stable_sort(cases().begin(), cases().end(), [](const Case& a, const Case& b) {
    return a.name.substr(0, a.name.find('/')) < b.name.substr(0, b.name.find('/'));
  });
  if (!options.list) return run_all();
  for (const Case& c : cases())
    if (wanted(c)) std::printf("%s\n", c.name.c_str());
  return 0;
}

}  // namespace mt::cuda::bench

int main(int argc, char** argv) {
  try {
    return mt::cuda::bench::main_(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "minitorch_cuda_bench: %s\n", e.what());
    return 2;
  }
}
