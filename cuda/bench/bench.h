// One benchmark is a name, the work of one call, and a setup that makes operands and returns the
// call:
//
//   add("softmax_forward/float32/4096x1000", {.flops = ..., .bytes = ...}, [=](Operands& o) -> Call
//   {
//     void *x = o.normal(t, n), *y = o.empty(t, n);
//     return [=] { softmax_forward(...); };
//   });
//
// The setup is run for as many sets of operands as leave the second-level cache, and the calls go
// round them. Reported are TFLOP/s, GB/s and the per cent of the roof that binds: flops over the
// peak of the unit, or bytes over the bandwidth of memory.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "cuda/bench/operands.h"

namespace mt::cuda::bench {

// Which peak the flops are held against.
enum class Unit : int { fp32, tf32, half };

struct Work {
  double flops = 0;
  double bytes = 0;  // each input read once, each output written once
  Unit unit = Unit::fp32;
  bool only_reads = false;
};

using Call = std::function<void()>;
using Setup = std::function<Call(Operands&)>;

struct Case {
  std::string name;
  Work work;
  Setup setup;
};

// A name that is there already is left out, so that sizes which --smoke makes equal run once.
void add(const std::string& name, Work work, Setup setup);
std::vector<Case>& cases();

// The functions that add the cases, called once the options are known.
std::vector<void (*)()>& families();
struct Registration {
  explicit Registration(void (*add_all)()) { families().push_back(add_all); }
};

// n, or with --smoke at most `least`: the sizes that an emulated device gets through.
int64_t fit(int64_t n, int64_t least);

// "4096x1000"
template <class... Sizes>
std::string shape(int64_t first, Sizes... rest) {
  std::string text = std::to_string(first);
  ((text.append("x").append(std::to_string(rest))), ...);
  return text;
}

constexpr DType kF32 = DType::Float32, kBF16 = DType::BFloat16, kF16 = DType::Float16;
// What a product is computed in.
struct Kind {
  const char* name;
  DType t;
  Unit unit;
};
inline constexpr Kind kKinds[] = {{"fp32", kF32, Unit::fp32},
                                  {"tf32", kF32, Unit::tf32},
                                  {"bf16", kBF16, Unit::half},
                                  {"fp16", kF16, Unit::half}};

// "softmax_forward/float32/4096x1000"
inline std::string title(const char* op, DType t, const std::string& shape) {
  return std::string(op) + "/" + dtype_name(t) + "/" + shape;
}

}  // namespace mt::cuda::bench

#define MT_CUDA_BENCH(family)                                                        \
  static void add_##family();                                                        \
  static const ::mt::cuda::bench::Registration registration_##family{&add_##family}; \
  static void add_##family()
