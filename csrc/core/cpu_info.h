// What the machine offers beyond its instruction set level, read once at load. Cache sizes steer
// blocking, never the order of sums.
#pragma once
#include "core/macros.h"

namespace mt {

size_t l1_bytes();  // data cache of one core
size_t l2_bytes();
size_t l3_bytes();  // shared; at least l2_bytes()

// Dot product instructions of narrow elements. MINITORCH_DOT=0 in the environment hides them.
struct DotInstructions {
  bool avx512_bf16 = false;  // vdpbf16ps on 512 bits
  bool avx512_vnni = false;  // vpdpbusd on 512 bits
  bool avx_vnni = false;     // vpdpbusd on 256 bits, VEX coded
};
const DotInstructions& dot_instructions();

}  // namespace mt
