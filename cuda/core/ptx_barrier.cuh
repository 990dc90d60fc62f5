// mbarriers, fences between proxies, clusters and the other ways in which threads meet.
//
// An mbarrier is a uint64_t in shared memory, 8-byte aligned. A phase completes when `count`
// threads have arrived and as many bytes have landed as were announced by expect_tx. Waiting for
// parity p returns once the phase of that parity has completed: the first phase has parity 0, and
// a fresh barrier lets waiters for parity 1 through (how a ring of empty buffers starts).
#pragma once
#include "cuda/core/ptx_arch.cuh"

#if !defined(__CUDACC__)
#include "cuda/emulator/ptx_barrier.h"
#else
namespace mt::ptx {

// One thread initialises; then mbarrier_fence_init and a block (or cluster) barrier.
MT_PTX void mbarrier_init(uint64_t* bar_shared, uint32_t count) {
  asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(shared_address(bar_shared)), "r"(count)
               : "memory");
}

MT_PTX void mbarrier_inval(uint64_t* bar_shared) {
  asm volatile("mbarrier.inval.shared.b64 [%0];" ::"r"(shared_address(bar_shared)) : "memory");
}

MT_PTX void mbarrier_arrive(uint64_t* bar_shared) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}" ::"r"(
                   shared_address(bar_shared))
               : "memory");
}

// Announces `bytes` more of this phase, then arrives.
MT_PTX void mbarrier_arrive_expect_tx(uint64_t* bar_shared, uint32_t bytes) {
#if MT_PTX_SM90
  asm volatile(
      "{\n.reg .b64 state;\nmbarrier.arrive.expect_tx.shared::cta.b64 state, [%0], %1;\n}" ::"r"(
          shared_address(bar_shared)),
      "r"(bytes)
      : "memory");
#else
  unsupported();
#endif
}

// Announces `bytes` more of this phase without arriving.
MT_PTX void mbarrier_expect_tx(uint64_t* bar_shared, uint32_t bytes) {
#if MT_PTX_SM90
  asm volatile(
      "mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%0], %1;" ::"r"(shared_address(bar_shared)),
      "r"(bytes)
      : "memory");
#else
  unsupported();
#endif
}

// Arrives on the barrier at the same place in the shared memory of block `cta` of the cluster.
MT_PTX void mbarrier_arrive_cluster(uint64_t* bar_shared, uint32_t cta) {
#if MT_PTX_SM90
  asm volatile(
      "{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(
          shared_address(bar_shared)),
      "r"(cta)
      : "memory");
#else
  unsupported();
#endif
}

// Waits for a while; true once the phase of this parity has completed.
MT_PTX bool mbarrier_try_wait(uint64_t* bar_shared, uint32_t parity) {
#if MT_PTX_SM90
  uint32_t done;
  asm volatile(
      "{\n.reg .pred p;\nmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n"
      "selp.u32 %0, 1, 0, p;\n}"
      : "=r"(done)
      : "r"(shared_address(bar_shared)), "r"(parity)
      : "memory");
  return done != 0;
#else
  unsupported();
  return true;
#endif
}

MT_PTX void mbarrier_wait(uint64_t* bar_shared, uint32_t parity) {
  while (!mbarrier_try_wait(bar_shared, parity)) {
  }
}

// The same, and what other blocks of the cluster wrote before they arrived is visible afterwards.
MT_PTX void mbarrier_wait_cluster(uint64_t* bar_shared, uint32_t parity) {
#if MT_PTX_SM90
  uint32_t done = 0;
  while (done == 0) {
    asm volatile(
        "{\n.reg .pred p;\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [%1], %2;\n"
        "selp.u32 %0, 1, 0, p;\n}"
        : "=r"(done)
        : "r"(shared_address(bar_shared)), "r"(parity)
        : "memory");
  }
#else
  unsupported();
#endif
}

// Makes mbarrier_init visible to the asynchronous units and to the cluster.
MT_PTX void mbarrier_fence_init() {
#if MT_PTX_SM90
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#else
  unsupported();
#endif
}

// Orders this thread's ordinary accesses to shared memory before later ones by TMA and wgmma.
MT_PTX void fence_proxy_async() {
#if MT_PTX_SM90
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#else
  unsupported();
#endif
}

// Meets `threads` threads (whole warps) at hardware barrier `id` (1..15; 0 is __syncthreads).
MT_PTX void named_barrier_sync(int id, int threads) {
  asm volatile("barrier.sync.aligned %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// Counts as arrived at the barrier without waiting.
MT_PTX void named_barrier_arrive(int id, int threads) {
  asm volatile("barrier.arrive.aligned %0, %1;" ::"r"(id), "r"(threads) : "memory");
}

// True for exactly one lane of a fully active warp.
MT_PTX bool elect_one() {
#if MT_PTX_SM90
  uint32_t elected;
  asm volatile(
      "{\n.reg .pred p;\n.reg .b32 lane;\nelect.sync lane|p, 0xffffffff;\n"
      "selp.u32 %0, 1, 0, p;\n}"
      : "=r"(elected)
      :
      : "memory");
  return elected != 0;
#else
  unsupported();
  return false;
#endif
}

MT_PTX uint32_t cluster_cta_rank() {
  uint32_t r = 0;
#if MT_PTX_SM90
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(r));
#endif
  return r;
}

MT_PTX uint32_t cluster_cta_count() {
  uint32_t r = 1;
#if MT_PTX_SM90
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(r));
#endif
  return r;
}

// Barrier of all threads of the cluster in two halves; wait orders what came before arrive.
MT_PTX void cluster_arrive() {
#if MT_PTX_SM90
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#else
  unsupported();
#endif
}

MT_PTX void cluster_wait() {
#if MT_PTX_SM90
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#else
  unsupported();
#endif
}

// Address, in the window of the whole cluster, of the same place in block `cta`.
MT_PTX uint32_t mapa(const void* p_shared, uint32_t cta) {
  uint32_t r = 0;
#if MT_PTX_SM90
  asm volatile("mapa.shared::cluster.u32 %0, %1, %2;"
               : "=r"(r)
               : "r"(shared_address(p_shared)), "r"(cta));
#else
  unsupported();
#endif
  return r;
}

// Loads and stores 32 bits at an address that mapa gave.
MT_PTX uint32_t load_cluster(uint32_t address) {
  uint32_t r = 0;
#if MT_PTX_SM90
  asm volatile("ld.shared::cluster.u32 %0, [%1];" : "=r"(r) : "r"(address) : "memory");
#else
  unsupported();
#endif
  return r;
}

MT_PTX void store_cluster(uint32_t address, uint32_t value) {
#if MT_PTX_SM90
  asm volatile("st.shared::cluster.u32 [%0], %1;" ::"r"(address), "r"(value) : "memory");
#else
  unsupported();
#endif
}

// Programmatic dependent launch: wait for the kernels before this one; let the next one start.
MT_PTX void grid_dependency_wait() {
#if MT_PTX_SM90
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

MT_PTX void grid_dependency_launch() {
#if MT_PTX_SM90
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace mt::ptx
#endif
