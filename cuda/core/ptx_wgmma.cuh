// Matrix products of one warpgroup (four warps, the first at a warp index divisible by four):
// D += A B, asynchronous, sm_90a only.
//
// D is 64 by N in float32. Lane l of warp w holds, with g = 16 w + l / 4 and t = l % 4:
//   d[4 j], d[4 j + 1]: row g, columns 8 j + 2 t, 8 j + 2 t + 1;  d[4 j + 2], d[4 j + 3]: row g + 8
// A (64 by K) comes from shared memory, or from registers: the words of a 16-bit or tf32 mma.sync
// (ptx_mma.cuh) of the warp's 16 rows. B (K by N) comes from shared memory. K = 32 bytes.
//
// Order: registers and shared memory ready -> wgmma_fence -> wgmma... -> wgmma_commit ->
// wgmma_wait -> read d. Until the wait, d and the operands belong to the tensor core. Shared
// memory that was written by ordinary stores also needs fence_proxy_async and a barrier.
#pragma once
#include "cuda/core/ptx_arch.cuh"
#include "cuda/core/tensor_map.h"

namespace mt::ptx {

// Element type of wgmma on float32 data in shared memory: the low 13 bits are not read.
struct tf32 {
  uint32_t bits;
};

// Where a matrix lies in shared memory. The core is 8 rows of `swizzle` bytes (16 without one).
// K-major (rows run along K): `stride` = distance of groups of 8 rows; `lead` = distance of
// 16-byte columns without a swizzle, unused with one. MN-major (transposed): with a swizzle `lead`
// = distance of chunks of `swizzle` bytes along M or N, `stride` = distance of groups of 8 along
// K; without one the two change roles. A step of K = 32 bytes inside a core adds 32 to the address.
MT_PTX uint64_t wgmma_descriptor(const void* p_shared, uint32_t lead, uint32_t stride,
                                 Swizzle swizzle) {
  uint64_t mode = swizzle == Swizzle::none ? 0 : 4 - uint64_t(swizzle);
  return uint64_t((shared_address(p_shared) & 0x3ffff) >> 4) |
         uint64_t((lead & 0x3ffff) >> 4) << 16 | uint64_t((stride & 0x3ffff) >> 4) << 32 |
         mode << 62;
}

// The descriptor `bytes` further on.
MT_PTX uint64_t wgmma_advance(uint64_t descriptor, uint32_t bytes) {
  return descriptor + (bytes >> 4);
}

}  // namespace mt::ptx

#if !defined(__CUDACC__)
#include "cuda/emulator/ptx_wgmma.h"
#else
namespace mt::ptx {

// Before the first wgmma, and whenever registers of d or a were changed since the last one.
MT_PTX void wgmma_fence() {
#if MT_PTX_SM90A
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#else
  unsupported();
#endif
}

MT_PTX void wgmma_commit() {
#if MT_PTX_SM90A
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#else
  unsupported();
#endif
}

// Waits until at most Pending of the latest groups are under way.
template <int Pending>
MT_PTX void wgmma_wait() {
#if MT_PTX_SM90A
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
#else
  unsupported();
#endif
}

// Keeps the compiler from moving reads and writes of d across this point: call it after the wait
// that frees d.
template <int Count>
MT_PTX void wgmma_own(float (&d)[Count]) {
#pragma unroll
  for (int i = 0; i < Count; ++i) asm volatile("" : "+f"(d[i])::"memory");
}

// Moves registers between warpgroups of one block; Count is a multiple of 8. Every warp of the
// warpgroup runs it; the kernel needs __launch_bounds__(threads, 1).
template <int Count>
MT_PTX void register_limit_increase() {
#if MT_PTX_SM90A
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
#else
  unsupported();
#endif
}

template <int Count>
MT_PTX void register_limit_decrease() {
#if MT_PTX_SM90A
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
#else
  unsupported();
#endif
}

#if MT_PTX_SM90A
// Text of the operands %0..%(N / 2 - 1), and the accumulators that they stand for.
#define MT_TEN_(t)                                                                                 \
  "%" #t "0, %" #t "1, %" #t "2, %" #t "3, %" #t "4, %" #t "5, %" #t "6, %" #t "7, %" #t "8, %" #t \
  "9, "
#define MT_ZERO_TO_29_ "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, " MT_TEN_(1) MT_TEN_(2)
#define MT_ZERO_TO_89_ \
  MT_ZERO_TO_29_ MT_TEN_(3) MT_TEN_(4) MT_TEN_(5) MT_TEN_(6) MT_TEN_(7) MT_TEN_(8)
#define MT_TEXT_64_ MT_ZERO_TO_29_ "%30, %31"
#define MT_TEXT_128_ MT_ZERO_TO_29_ MT_TEN_(3) MT_TEN_(4) MT_TEN_(5) "%60, %61, %62, %63"
#define MT_TEXT_192_ MT_ZERO_TO_89_ "%90, %91, %92, %93, %94, %95"
#define MT_TEXT_256_ \
  MT_ZERO_TO_89_ MT_TEN_(9) MT_TEN_(10) MT_TEN_(11) "%120, %121, %122, %123, %124, %125, %126, " \
                                                    "%127"
#define MT_ACC_4_(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define MT_ACC_16_(i) MT_ACC_4_(i), MT_ACC_4_(i + 4), MT_ACC_4_(i + 8), MT_ACC_4_(i + 12)
#define MT_ACC_64_ MT_ACC_16_(0), MT_ACC_16_(16)
#define MT_ACC_128_ MT_ACC_64_, MT_ACC_16_(32), MT_ACC_16_(48)
#define MT_ACC_192_ MT_ACC_128_, MT_ACC_16_(64), MT_ACC_16_(80)
#define MT_ACC_256_ MT_ACC_192_, MT_ACC_16_(96), MT_ACC_16_(112)

// Operand numbers p0.. follow the accumulators.
#define MT_WGMMA_HEAD_(n, k, types, scale)    \
  "{\n.reg .pred p;\nsetp.ne.b32 p, %" #scale \
  ", 0;\n"                                    \
  "wgmma.mma_async.sync.aligned.m64n" #n "k" #k ".f32." types " {" MT_TEXT_##n##_ "}, "
#define MT_WGMMA_SHARED_(n, types, p0, p1, p2, p3, p4)                                         \
  asm volatile(MT_WGMMA_HEAD_(n, 16, types, p2) "%" #p0 ", %" #p1 ", p, 1, 1, %" #p3 ", %" #p4 \
                                                ";\n}"                                         \
               : MT_ACC_##n##_                                                                 \
               : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(TransA)), "n"(int(TransB)))
#define MT_WGMMA_REGISTERS_(n, types, p0, p1, p2, p3, p4, p5, p6)                                 \
  asm volatile(MT_WGMMA_HEAD_(n, 16, types, p5) "{%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 "}, %" #p4 \
                                                ", p, 1, 1, %" #p6 ";\n}"                         \
               : MT_ACC_##n##_                                                                    \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)),        \
                 "n"(int(TransB)))
#define MT_WGMMA_TF32_SHARED_(n, p0, p1, p2)                                           \
  asm volatile(MT_WGMMA_HEAD_(n, 8, "tf32.tf32", p2) "%" #p0 ", %" #p1 ", p, 1, 1;\n}" \
               : MT_ACC_##n##_                                                         \
               : "l"(a), "l"(b), "r"(int(accumulate)))
#define MT_WGMMA_TF32_REGISTERS_(n, p0, p1, p2, p3, p4, p5)                                 \
  asm volatile(MT_WGMMA_HEAD_(n, 8, "tf32.tf32", p5) "{%" #p0 ", %" #p1 ", %" #p2 ", %" #p3 \
                                                     "}, %" #p4 ", p, 1, 1;\n}"             \
               : MT_ACC_##n##_                                                              \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)))

// The same line for the four widths.
#define MT_WGMMA_EACH_N_(shared64, shared128, shared192, shared256) \
  if constexpr (N == 64) {                                          \
    shared64;                                                       \
  } else if constexpr (N == 128) {                                  \
    shared128;                                                      \
  } else if constexpr (N == 192) {                                  \
    shared192;                                                      \
  } else {                                                          \
    shared256;                                                      \
  }
#define MT_WGMMA_SHARED_N_(types)                                     \
  MT_WGMMA_EACH_N_(MT_WGMMA_SHARED_(64, types, 32, 33, 34, 35, 36),   \
                   MT_WGMMA_SHARED_(128, types, 64, 65, 66, 67, 68),  \
                   MT_WGMMA_SHARED_(192, types, 96, 97, 98, 99, 100), \
                   MT_WGMMA_SHARED_(256, types, 128, 129, 130, 131, 132))
#define MT_WGMMA_REGISTERS_N_(types)                                               \
  MT_WGMMA_EACH_N_(MT_WGMMA_REGISTERS_(64, types, 32, 33, 34, 35, 36, 37, 38),     \
                   MT_WGMMA_REGISTERS_(128, types, 64, 65, 66, 67, 68, 69, 70),    \
                   MT_WGMMA_REGISTERS_(192, types, 96, 97, 98, 99, 100, 101, 102), \
                   MT_WGMMA_REGISTERS_(256, types, 128, 129, 130, 131, 132, 133, 134))
#endif

// A and B from shared memory; `accumulate` false starts from zero. TransA, TransB: MN-major.
template <class T, int N, bool TransA = false, bool TransB = false>
MT_PTX void wgmma(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true) {
  static_assert(N == 64 || N == 128 || N == 192 || N == 256, "wgmma: N is 64, 128, 192 or 256");
  static_assert(sizeof(T) == 2 || !(TransA || TransB), "wgmma: tf32 operands are K-major");
#if MT_PTX_SM90A
  if constexpr (sizeof(T) == 4) {
    MT_WGMMA_EACH_N_(MT_WGMMA_TF32_SHARED_(64, 32, 33, 34), MT_WGMMA_TF32_SHARED_(128, 64, 65, 66),
                     MT_WGMMA_TF32_SHARED_(192, 96, 97, 98),
                     MT_WGMMA_TF32_SHARED_(256, 128, 129, 130))
  } else if constexpr (dtype_of<T>::value == DType::BFloat16) {
    MT_WGMMA_SHARED_N_("bf16.bf16")
  } else {
    MT_WGMMA_SHARED_N_("f16.f16")
  }
#else
  unsupported();
#endif
}

// A from registers.
template <class T, int N, bool TransB = false>
MT_PTX void wgmma(float (&d)[N / 2], const uint32_t (&a)[4], uint64_t b, bool accumulate = true) {
  static_assert(N == 64 || N == 128 || N == 192 || N == 256, "wgmma: N is 64, 128, 192 or 256");
  static_assert(sizeof(T) == 2 || !TransB, "wgmma: tf32 operands are K-major");
#if MT_PTX_SM90A
  if constexpr (sizeof(T) == 4) {
    MT_WGMMA_EACH_N_(MT_WGMMA_TF32_REGISTERS_(64, 32, 33, 34, 35, 36, 37),
                     MT_WGMMA_TF32_REGISTERS_(128, 64, 65, 66, 67, 68, 69),
                     MT_WGMMA_TF32_REGISTERS_(192, 96, 97, 98, 99, 100, 101),
                     MT_WGMMA_TF32_REGISTERS_(256, 128, 129, 130, 131, 132, 133))
  } else if constexpr (dtype_of<T>::value == DType::BFloat16) {
    MT_WGMMA_REGISTERS_N_("bf16.bf16")
  } else {
    MT_WGMMA_REGISTERS_N_("f16.f16")
  }
#else
  unsupported();
#endif
}

}  // namespace mt::ptx
#endif
