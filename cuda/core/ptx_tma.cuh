// Bulk copies by the tensor memory accelerator, one issuing thread each.
//
// A tensor copy moves the box described by a tensor map (cuda/core/tensor_map.h) at element
// coordinates c0 (innermost), c1, ...; outside of the tensor loads give zeros and stores write
// nothing. Shared memory: 128-byte aligned, 1024 for the 128-byte swizzle. Loads announce their
// bytes at an mbarrier (the whole box, also where it hangs over); stores are waited for in groups.
#pragma once
#include "cuda/core/ptx_arch.cuh"
#include "cuda/core/tensor_map.h"

#if !defined(__CUDACC__)
#include "cuda/emulator/ptx_tma.h"
#else
namespace mt::ptx {

MT_PTX void prefetch_tensor_map(const TensorMap* map) {
#if MT_PTX_SM90
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#else
  unsupported();
#endif
}

#if MT_PTX_SM90
#define MT_TMA_LOAD_(dims, coords, ...)                                                  \
  asm volatile("cp.async.bulk.tensor." dims                                              \
               ".shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, " coords \
               "], [%2];" ::"r"(shared_address(dst_shared)),                             \
               "l"(map), "r"(shared_address(bar_shared)), __VA_ARGS__                    \
               : "memory")
#define MT_TMA_MULTICAST_(dims, coords, ...)                                             \
  asm volatile("cp.async.bulk.tensor." dims                                              \
               ".shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster" \
               " [%0], [%1, " coords "], [%2], %3;" ::"r"(shared_address(dst_shared)),   \
               "l"(map), "r"(shared_address(bar_shared)), "h"(ctas), __VA_ARGS__         \
               : "memory")
#define MT_TMA_STORE_(dims, coords, ...)                                                  \
  asm volatile("cp.async.bulk.tensor." dims ".global.shared::cta.bulk_group [%0, " coords \
               "], [%1];" ::"l"(map),                                                     \
               "r"(shared_address(src_shared)), __VA_ARGS__                               \
               : "memory")
#else
#define MT_TMA_LOAD_(dims, coords, ...) unsupported()
#define MT_TMA_MULTICAST_(dims, coords, ...) unsupported()
#define MT_TMA_STORE_(dims, coords, ...) unsupported()
#endif

MT_PTX void tma_load(void* dst_shared, const TensorMap* map, uint64_t* bar_shared, int c0, int c1) {
  MT_TMA_LOAD_("2d", "{%3, %4}", "r"(c0), "r"(c1));
}
MT_PTX void tma_load(void* dst_shared, const TensorMap* map, uint64_t* bar_shared, int c0, int c1,
                     int c2) {
  MT_TMA_LOAD_("3d", "{%3, %4, %5}", "r"(c0), "r"(c1), "r"(c2));
}
MT_PTX void tma_load(void* dst_shared, const TensorMap* map, uint64_t* bar_shared, int c0, int c1,
                     int c2, int c3) {
  MT_TMA_LOAD_("4d", "{%3, %4, %5, %6}", "r"(c0), "r"(c1), "r"(c2), "r"(c3));
}
MT_PTX void tma_load(void* dst_shared, const TensorMap* map, uint64_t* bar_shared, int c0, int c1,
                     int c2, int c3, int c4) {
  MT_TMA_LOAD_("5d", "{%3, %4, %5, %6, %7}", "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4));
}

// The box lands at the same place in every block of the cluster whose bit is set in `ctas`, and
// completes at the barrier of the same place in each of them.
MT_PTX void tma_load_multicast(void* dst_shared, const TensorMap* map, uint64_t* bar_shared,
                               uint16_t ctas, int c0, int c1) {
  MT_TMA_MULTICAST_("2d", "{%4, %5}", "r"(c0), "r"(c1));
}
MT_PTX void tma_load_multicast(void* dst_shared, const TensorMap* map, uint64_t* bar_shared,
                               uint16_t ctas, int c0, int c1, int c2) {
  MT_TMA_MULTICAST_("3d", "{%4, %5, %6}", "r"(c0), "r"(c1), "r"(c2));
}
MT_PTX void tma_load_multicast(void* dst_shared, const TensorMap* map, uint64_t* bar_shared,
                               uint16_t ctas, int c0, int c1, int c2, int c3) {
  MT_TMA_MULTICAST_("4d", "{%4, %5, %6, %7}", "r"(c0), "r"(c1), "r"(c2), "r"(c3));
}

// Every thread that wrote the box runs fence_proxy_async, then a barrier, then one thread stores.
MT_PTX void tma_store(const TensorMap* map, const void* src_shared, int c0, int c1) {
  MT_TMA_STORE_("2d", "{%2, %3}", "r"(c0), "r"(c1));
}
MT_PTX void tma_store(const TensorMap* map, const void* src_shared, int c0, int c1, int c2) {
  MT_TMA_STORE_("3d", "{%2, %3, %4}", "r"(c0), "r"(c1), "r"(c2));
}
MT_PTX void tma_store(const TensorMap* map, const void* src_shared, int c0, int c1, int c2,
                      int c3) {
  MT_TMA_STORE_("4d", "{%2, %3, %4, %5}", "r"(c0), "r"(c1), "r"(c2), "r"(c3));
}
MT_PTX void tma_store(const TensorMap* map, const void* src_shared, int c0, int c1, int c2, int c3,
                      int c4) {
  MT_TMA_STORE_("5d", "{%2, %3, %4, %5, %6}", "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4));
}

#undef MT_TMA_LOAD_
#undef MT_TMA_MULTICAST_
#undef MT_TMA_STORE_

// Plain bytes, a multiple of 16, both sides 16-byte aligned.
MT_PTX void bulk_load(void* dst_shared, const void* src, uint32_t bytes, uint64_t* bar_shared) {
#if MT_PTX_SM90
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(dst_shared)),
      "l"(__cvta_generic_to_global(src)), "r"(bytes), "r"(shared_address(bar_shared))
      : "memory");
#else
  unsupported();
#endif
}

MT_PTX void bulk_store(void* dst, const void* src_shared, uint32_t bytes) {
#if MT_PTX_SM90
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(
                   __cvta_generic_to_global(dst)),
               "r"(shared_address(src_shared)), "r"(bytes)
               : "memory");
#else
  unsupported();
#endif
}

// Closes the group of stores that this thread has issued.
MT_PTX void bulk_commit() {
#if MT_PTX_SM90
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#else
  unsupported();
#endif
}

// Waits until at most Pending of this thread's latest groups are under way; bulk_wait_read only
// until their shared memory has been read and may be written again.
template <int Pending>
MT_PTX void bulk_wait() {
#if MT_PTX_SM90
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(Pending) : "memory");
#else
  unsupported();
#endif
}

template <int Pending>
MT_PTX void bulk_wait_read() {
#if MT_PTX_SM90
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(Pending) : "memory");
#else
  unsupported();
#endif
}

}  // namespace mt::ptx
#endif
