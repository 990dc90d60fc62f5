// Matrix products of one warp: D += A B with mma.sync, accumulating in place.
//
// Lane l holds, with g = l / 4 and t = l % 4 (A is row by k, B is k by column):
//   D  d[0], d[1]: row g, columns 2t, 2t+1; d[2], d[3]: row g + 8
//   16-bit, k = 16   a[0]: row g, k 2t, 2t+1; a[1]: row g + 8; a[2], a[3]: the same, k + 8
//                    b[0]: k 2t, 2t+1 of column g; b[1]: k + 8
//   tf32, k = 8      a[0]: row g, k t; a[1]: row g + 8; a[2], a[3]: the same, k + 4
//                    b[0]: k t of column g; b[1]: k + 4
//   int8, k = 32     as 16-bit with four elements per word: k 4t..4t+3, the second half k + 16
#pragma once
#include "cuda/core/ptx_arch.cuh"

#if !defined(__CUDACC__)
#include "cuda/emulator/ptx_mma.h"
#else
namespace mt::ptx {

// m16n8k16 of bfloat16 or float16, float32 accumulators. T names the element type.
template <class T>
MT_PTX void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  static_assert(sizeof(T) == 2, "mma_m16n8k16 takes 16-bit floats");
  if constexpr (dtype_of<T>::value == DType::BFloat16) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  } else {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  }
}

// m16n8k8 of tf32 (float32 bits, rounded by to_tf32: the low 13 bits are not read).
MT_PTX void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// m16n8k32 of int8, int32 accumulators that wrap.
MT_PTX void mma_m16n8k32_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+r"(d[0]), "+r"(d[1]), "+r"(d[2]), "+r"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Rounds to the 10-bit mantissa of tf32, ties away from zero.
MT_PTX uint32_t to_tf32(float x) {
  uint32_t r;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(r) : "f"(x));
  return r;
}

// Rounds two floats to nearest even and packs them, `low` in the low half.
template <class T>
MT_PTX uint32_t pack_two(float low, float high) {
  static_assert(sizeof(T) == 2, "pack_two packs 16-bit floats");
  uint32_t r;
  if constexpr (dtype_of<T>::value == DType::BFloat16) {
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  } else {
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  }
  return r;
}

}  // namespace mt::ptx
#endif
