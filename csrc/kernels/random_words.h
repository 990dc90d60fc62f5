// 16 Philox counters at a time. See csrc/core/random.h for the scalar form, csrc/ops/random.h for
// which word belongs to which element.
#pragma once
#include "core/isa.h"
#include "core/random.h"

namespace mt::cpu::MT_ISA {

constexpr int kLanes = 16;

struct alignas(64) Words {
  uint32_t v[4][kLanes];
};

// The words of counters first .. first + 15.
void philox16(uint64_t seed, uint64_t first, Words& out);

}  // namespace mt::cpu::MT_ISA
