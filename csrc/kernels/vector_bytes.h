// The width of the vectors of the instruction set that a kernel file is compiled for.
#pragma once
#include "core/macros.h"

namespace mt::cpu::MT_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

// Integers of a lane's size: the type of comparisons and shuffle masks.
template <int size>
struct Int;
template <>
struct Int<4> {
  using type = int32_t;
};
template <>
struct Int<8> {
  using type = int64_t;
};

}  // namespace mt::cpu::MT_ISA
