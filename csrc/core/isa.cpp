#include "core/isa.h"

#include <cstdlib>
#include <cstring>

#include "core/check.h"

namespace mt {
namespace {

bool runs(Isa isa) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  switch (isa) {
    case Isa::baseline:
      return true;
    case Isa::avx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
             __builtin_cpu_supports("bmi2");
    case Isa::avx512:
      return runs(Isa::avx2) && __builtin_cpu_supports("avx512f") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
             __builtin_cpu_supports("avx512vl");
    default:
      return false;
  }
#else
  return isa == Isa::neon;
#endif
}

constexpr Isa kBestFirst[] = {Isa::avx512, Isa::avx2, Isa::baseline, Isa::neon};

Isa choose() {
  const char* forced = std::getenv("MINITORCH_ISA");
  for (Isa candidate : kBestFirst) {
    if (!runs(candidate)) continue;
    if (!forced || !*forced || std::strcmp(forced, isa_name(candidate)) == 0) return candidate;
  }
  fail(ErrorKind::Value, "MINITORCH_ISA=", forced,
       " is not one of the instruction sets of this machine: ", available_isas());
}

}  // namespace

// Kernel pointers are chosen by static initialisers, where an exception would end the process:
// a wrong MINITORCH_ISA falls back here and is reported by the module's initialisation.
Isa isa() {
  static const Isa chosen = [] {
    try {
      return choose();
    } catch (const Error&) {
      for (Isa candidate : kBestFirst)
        if (runs(candidate)) return candidate;
      return Isa::baseline;
    }
  }();
  return chosen;
}

void check_forced_isa() { choose(); }

const char* isa_name(Isa isa) {
  constexpr const char* names[] = {"baseline", "avx2", "avx512", "neon"};
  return names[int(isa)];
}

const char* available_isas() {
  static const std::string text = [] {
    std::string list;
    for (Isa candidate : kBestFirst)
      if (runs(candidate)) list += (list.empty() ? "" : ", ") + std::string(isa_name(candidate));
    return list;
  }();
  return text.c_str();
}

}  // namespace mt
