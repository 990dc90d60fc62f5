// Loops that choose per block: the vectorised form where it holds for every element of a block, the
// C library's elsewhere.
#pragma once
#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {

constexpr int64_t kGuardBlock = 256;

// y = f(x) on floats; holds(x) says where `fast` is right.
template <class Holds, class Fast, class Slow>
MT_INLINE void map1_guarded(char* const* data, int64_t n, const Holds& holds, const Fast& fast,
                            const Slow& slow) {
  for (int64_t begin = 0; begin < n; begin += kGuardBlock) {
    int64_t m = n - begin < kGuardBlock ? n - begin : kGuardBlock;
    char* part[2] = {data[0] + begin * 4, data[1] + begin * 4};
    const float* x = reinterpret_cast<const float*>(part[1]);
    int32_t fails = 0;
    for (int64_t i = 0; i < m; i++) fails |= !holds(x[i]);
    if (!fails) map1<float, float>(part, m, fast);
    else plain1<float, float>(part, m, slow);
  }
}

// z = f(x, y) on floats. kVectors: `slow` vectorises, too.
template <bool kVectors = false, class Holds, class Fast, class Slow>
MT_INLINE void map2_guarded(char* const* data, int64_t n, const Holds& holds, const Fast& fast,
                            const Slow& slow) {
  for (int64_t begin = 0; begin < n; begin += kGuardBlock) {
    int64_t m = n - begin < kGuardBlock ? n - begin : kGuardBlock;
    char* part[3] = {data[0] + begin * 4, data[1] + begin * 4, data[2] + begin * 4};
    const float* x = reinterpret_cast<const float*>(part[1]);
    const float* y = reinterpret_cast<const float*>(part[2]);
    int32_t fails = 0;
    for (int64_t i = 0; i < m; i++) fails |= !holds(x[i], y[i]);
    if (!fails) map2<float, float>(part, m, fast);
    else if (kVectors) map2<float, float>(part, m, slow);
    else plain2<float, float>(part, m, slow);
  }
}

}  // namespace mt::cpu::MT_ISA
