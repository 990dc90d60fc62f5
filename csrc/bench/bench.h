// One benchmark is a name, the work of one call, and a setup that returns the call:
//
//   add("softmax_forward/4096x1000", {.flops = ..., .bytes = ...}, [] {
//     Floats x = floats(n), y = floats(n);
//     return [=] { cpu::softmax_forward(...); };
//   });
//
// Reported are GFLOP/s, GB/s and the per cent of the roof that binds: the larger of flops over peak
// and bytes over the bandwidth of the level of memory into which `bytes` fit.
#pragma once
#include <functional>
#include <string>

#include "bench/ceilings.h"
#include "bench/data.h"

namespace mt::bench {

struct Work {
  double flops;
  double bytes;  // each input read once, each output written once
  bool only_reads = false;
};

using Call = std::function<void()>;
void add(const std::string& name, Work work, std::function<Call()> setup);

struct Registration {
  explicit Registration(void (*add_all)()) { add_all(); }
};

// Sizes of elementwise loops: in L1, in L2, in L3, in memory.
constexpr int64_t kSizes[] = {2048, 64 << 10, 1 << 20, 16 << 20};

}  // namespace mt::bench

#define MT_BENCH(family)                                                       \
  static void add_##family();                                                  \
  static const ::mt::bench::Registration registration_##family{&add_##family}; \
  static void add_##family()
