// Emulated bodies of ptx_math.cuh.
#pragma once
#include <cmath>

namespace mt::ptx {

inline float exp2_approx(float x) {
  const float r = std::exp2(x);
  return r < 0x1p-126f ? 0.0f : r;
}

}  // namespace mt::ptx
