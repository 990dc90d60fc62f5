// mbarriers, named barriers, proxy fences' company: rings between producers and consumers.
#include "cuda/core/ptx_barrier.cuh"

#include "cuda/core/ptx_tma.cuh"
#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr int kSlots = 3, kItems = 64;

// Warp 0 fills a ring with ordinary stores, warp 1 empties it.
__global__ void ring_kernel(int* out, int rounds) {
  if constexpr (ptx::kSm90) {
    MT_SHARED(int, ring, kSlots * 32);
    MT_SHARED(uint64_t, barriers, 2 * kSlots);
    uint64_t *full = raw(barriers), *empty = full + kSlots;
    if (threadIdx.x == 0) {
      for (int i = 0; i < kSlots; ++i) {
        ptx::mbarrier_init(full + i, 32);
        ptx::mbarrier_init(empty + i, 32);
      }
      ptx::mbarrier_fence_init();
    }
    __syncthreads();
    const int lane = int(threadIdx.x) % 32;
    uint32_t parity = 0;
    for (int i = 0, slot = 0; i < rounds; ++i) {
      if (threadIdx.x < 32) {
        ptx::mbarrier_wait(empty + slot, parity ^ 1);
        ring[slot * 32 + lane] = i * 100 + lane;
        ptx::mbarrier_arrive(full + slot);
      } else {
        while (!ptx::mbarrier_try_wait(full + slot, parity)) MT_SPIN();
        const int v = ring[slot * 32 + 31 - lane];
        out[i * 32 + lane] = v;
        ptx::mbarrier_arrive(empty + slot);
      }
      if (++slot == kSlots) slot = 0, parity ^= 1;
    }
    __syncthreads();
    if (threadIdx.x == 0) ptx::mbarrier_inval(full);
  }
}

void test_ring() {
  constexpr int rounds = 20;
  DeviceArray<int> out(rounds * 32);
  MT_LAUNCH(ring_kernel, dim3(1), dim3(64), 0, nullptr, out.p, rounds);
  if (!launched("mbarrier ring")) return;
  const auto got = out.get();
  bool same = true;
  for (int i = 0; i < rounds * 32; ++i) same = same && got[size_t(i)] == i / 32 * 100 + 31 - i % 32;
  expect(same, "mbarrier ring");
}

// One thread fetches plain bytes that complete at a barrier; the block sends them on.
__global__ void bulk_kernel(const int* src, int* dst, int blocks_of) {
  if constexpr (ptx::kSm90) {
    MT_DYN_SHARED(int, tile);
    MT_SHARED(uint64_t, bar, 1);
    if (threadIdx.x == 0) {
      ptx::mbarrier_init(raw(bar), 1);
      ptx::mbarrier_fence_init();
    }
    __syncthreads();
    for (int i = 0; i < blocks_of; ++i) {
      if (threadIdx.x == 0) {
        ptx::bulk_wait_read<0>();
        ptx::mbarrier_arrive_expect_tx(raw(bar), kItems * 4);
        ptx::bulk_load(raw(tile), src + i * kItems, kItems * 4, raw(bar));
      }
      ptx::mbarrier_wait(raw(bar), uint32_t(i & 1));
      const int v = tile[threadIdx.x];
      tile[threadIdx.x] = v + 1;
      ptx::fence_proxy_async();
      __syncthreads();
      if (threadIdx.x == 0) {
        ptx::bulk_store(dst + i * kItems, raw(tile), kItems * 4);
        ptx::bulk_commit();
      }
    }
    if (threadIdx.x == 0) ptx::bulk_wait<0>();
  }
}

void test_bulk() {
  constexpr int count = 5;
  std::vector<int> src(count * kItems);
  for (size_t i = 0; i < src.size(); ++i) src[i] = int(i) * 3;
  DeviceArray<int> a(src), b(src.size());
  MT_LAUNCH(bulk_kernel, dim3(1), dim3(kItems), kItems * 4, nullptr, a.p, b.p, count);
  if (!launched("bulk copies")) return;
  for (int& x : src) ++x;
  expect(b.get() == src, "bulk copies");
}

// Two pairs of warps meet at barriers of their own; one arrives without waiting.
__global__ void named_kernel(int* out) {
  MT_SHARED(int, box, 64);
  const int pair = int(threadIdx.x) / 64, lane = int(threadIdx.x) % 32;
  if (threadIdx.x / 32 % 2 == 0) {
    box[pair * 32 + lane] = pair * 1000 + lane;
    ptx::named_barrier_arrive(1 + pair, 64);
  } else {
    ptx::named_barrier_sync(1 + pair, 64);
    const int v = box[pair * 32 + lane];
    out[pair * 32 + lane] = v;
  }
}

void test_named() {
  DeviceArray<int> out(64);
  MT_LAUNCH(named_kernel, dim3(1), dim3(128), 0, nullptr, out.p);
  if (!launched("named barriers")) return;
  const auto got = out.get();
  bool same = true;
  for (int i = 0; i < 64; ++i) same = same && got[size_t(i)] == i / 32 * 1000 + i % 32;
  expect(same, "named barriers");
}

__global__ void elect_kernel(int* count) {
  if constexpr (ptx::kSm90) {
    if (ptx::elect_one()) atomicAdd(count, 1);
    ptx::cluster_arrive();
    ptx::cluster_wait();
    if (threadIdx.x == 0) atomicAdd(count, int(100 * ptx::cluster_cta_count()));
    ptx::grid_dependency_wait();
    ptx::grid_dependency_launch();
  }
}

void test_elect() {
  DeviceArray<int> count(std::vector<int>{0});
  MT_LAUNCH(elect_kernel, dim3(1), dim3(96), 0, nullptr, count.p);
  if (launched("elect_one")) expect(count.get()[0] == 103, "elect_one, cluster of one");
}

}  // namespace

int main() {
  for_each_mode("mbarrier ring", test_ring);
  for_each_mode("bulk copies", test_bulk);
  for_each_mode("named barriers", test_named);
  for_each_mode("elect", test_elect);
  return finish();
}
