// Copies between memories: cp.async, ldmatrix, stmatrix.
#pragma once
#include "cuda/core/ptx_arch.cuh"

#if !defined(__CUDACC__)
#include "cuda/emulator/ptx_copy.h"
#else
namespace mt::ptx {

// Asynchronous copy of Bytes = 4, 8 or 16 from global to shared memory, both aligned to Bytes.
// Only the first `valid` bytes are read, the rest is filled with zeros. 16-byte copies go past L1.
template <int Bytes>
MT_PTX void cp_async(void* dst_shared, const void* src, uint32_t valid = Bytes) {
  static_assert(Bytes == 4 || Bytes == 8 || Bytes == 16, "cp.async copies 4, 8 or 16 bytes");
  if constexpr (Bytes == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(dst_shared)),
                 "l"(__cvta_generic_to_global(src)), "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(dst_shared)),
                 "l"(__cvta_generic_to_global(src)), "n"(Bytes), "r"(valid)
                 : "memory");
  }
}

// Closes the group of copies that this thread has issued since the last commit.
MT_PTX void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most Pending of this thread's latest groups are under way. Other threads see the
// bytes after a barrier that follows.
template <int Pending>
MT_PTX void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

MT_PTX void cp_async_wait_all() { asm volatile("cp.async.wait_all;" ::: "memory"); }

// 8x8 matrices of 16-bit elements, one, two or four at once: lanes 8i..8i+7 give the addresses of
// the rows of matrix i (16 bytes each, aligned); lane l receives in r[i] elements 2(l%4), 2(l%4)+1
// of row l/4 or, transposed, of column l/4. All 32 lanes take part.
template <bool Trans = false>
MT_PTX void ldmatrix(uint32_t (&r)[1], const void* row_shared) {
  if constexpr (Trans) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(shared_address(row_shared))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];"
                 : "=r"(r[0])
                 : "r"(shared_address(row_shared))
                 : "memory");
  }
}

template <bool Trans = false>
MT_PTX void ldmatrix(uint32_t (&r)[2], const void* row_shared) {
  if constexpr (Trans) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row_shared))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
                 : "=r"(r[0]), "=r"(r[1])
                 : "r"(shared_address(row_shared))
                 : "memory");
  }
}

template <bool Trans = false>
MT_PTX void ldmatrix(uint32_t (&r)[4], const void* row_shared) {
  if constexpr (Trans) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row_shared))
                 : "memory");
  } else {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row_shared))
                 : "memory");
  }
}

// The reverse of ldmatrix: the same addresses and the same elements per lane, stored.
template <bool Trans = false>
MT_PTX void stmatrix(void* row_shared, const uint32_t (&r)[1]) {
#if MT_PTX_SM90
  if constexpr (Trans) {
    asm volatile("stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [%0], {%1};" ::"r"(
                     shared_address(row_shared)),
                 "r"(r[0])
                 : "memory");
  } else {
    asm volatile(
        "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%0], {%1};" ::"r"(shared_address(row_shared)),
        "r"(r[0])
        : "memory");
  }
#else
  unsupported();
#endif
}

template <bool Trans = false>
MT_PTX void stmatrix(void* row_shared, const uint32_t (&r)[2]) {
#if MT_PTX_SM90
  if constexpr (Trans) {
    asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1, %2};" ::"r"(
                     shared_address(row_shared)),
                 "r"(r[0]), "r"(r[1])
                 : "memory");
  } else {
    asm volatile("stmatrix.sync.aligned.m8n8.x2.shared.b16 [%0], {%1, %2};" ::"r"(
                     shared_address(row_shared)),
                 "r"(r[0]), "r"(r[1])
                 : "memory");
  }
#else
  unsupported();
#endif
}

template <bool Trans = false>
MT_PTX void stmatrix(void* row_shared, const uint32_t (&r)[4]) {
#if MT_PTX_SM90
  if constexpr (Trans) {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.trans.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(
                     shared_address(row_shared)),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
  } else {
    asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(
                     shared_address(row_shared)),
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])
                 : "memory");
  }
#else
  unsupported();
#endif
}

}  // namespace mt::ptx
#endif
