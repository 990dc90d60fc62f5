// Clusters: shared memory of other blocks, barriers across them, loads that reach several blocks.
#include "cuda/core/ptx_barrier.cuh"
#include "cuda/core/ptx_tma.cuh"
#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr int kCluster = 4, kThreads = 64, kRows = 8, kColumns = 32;

template <class... Params, class... Args>
void launch_cluster(void (*kernel)(Params...), int blocks, size_t shared, Args... args) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = kCluster;
  attribute.val.clusterDim.y = 1;
  attribute.val.clusterDim.z = 1;
  const cudaLaunchConfig_t config{
      dim3(unsigned(blocks)), dim3(kThreads), shared, nullptr, &attribute, 1};
  cudaLaunchKernelEx(&config, kernel, Params(args)...);
}

// Each block passes a number to the next one through its shared memory, by store and by load.
__global__ void pass_kernel(int* out) {
  if constexpr (ptx::kSm90) {
    MT_SHARED(uint32_t, slots, 2);
    const uint32_t rank = ptx::cluster_cta_rank(), next = (rank + 1) % ptx::cluster_cta_count();
    ptx::cluster_arrive();  // the other blocks must have started before their memory is written
    ptx::cluster_wait();
    if (threadIdx.x == 0) {
      slots[1] = blockIdx.x * 10;
      ptx::store_cluster(ptx::mapa(raw(slots), next), blockIdx.x);
    }
    ptx::cluster_arrive();
    ptx::cluster_wait();
    if (threadIdx.x == 0) {
      const uint32_t mine = slots[0];
      out[2 * blockIdx.x] = int(mine);
      out[2 * blockIdx.x + 1] = int(ptx::load_cluster(ptx::mapa(raw(slots + 1), next)));
    }
    ptx::cluster_arrive();
    ptx::cluster_wait();
  }
}

void test_pass() {
  constexpr int blocks = 2 * kCluster;
  DeviceArray<int> out(2 * blocks);
  launch_cluster(pass_kernel, blocks, 0, out.p);
  if (!launched("cluster")) return;
  const auto got = out.get();
  for (int i = 0; i < blocks; ++i) {
    const int first = i / kCluster * kCluster;
    expect(got[size_t(2 * i)] == first + (i + kCluster - 1) % kCluster, "store_cluster");
    expect(got[size_t(2 * i + 1)] == 10 * (first + (i + 1) % kCluster), "load_cluster");
  }
}

// Block 0 of each cluster loads a box for all of them; each tells it when the box has been used.
__global__ void multicast_kernel(const __grid_constant__ ptx::TensorMap map, float* out,
                                 int rounds) {
  if constexpr (ptx::kSm90) {
    MT_DYN_SHARED(float, tile);
    MT_SHARED(uint64_t, bars, 2);
    uint64_t *full = raw(bars), *empty = full + 1;
    if (threadIdx.x == 0) {
      ptx::mbarrier_init(full, 1);
      ptx::mbarrier_init(empty, kCluster);
      ptx::mbarrier_fence_init();
    }
    ptx::cluster_arrive();
    ptx::cluster_wait();
    for (int i = 0; i < rounds; ++i) {
      if (threadIdx.x == 0) {
        ptx::mbarrier_arrive_expect_tx(full, kRows * kColumns * 4);
        if (ptx::cluster_cta_rank() == 0) {
          ptx::mbarrier_wait_cluster(empty, uint32_t(i & 1) ^ 1);
          ptx::tma_load_multicast(raw(tile), &map, full, (1 << kCluster) - 1, 0, i * kRows);
        }
      }
      ptx::mbarrier_wait(full, uint32_t(i & 1));
      for (int j = int(threadIdx.x); j < kRows * kColumns; j += kThreads) {
        const float v = tile[j];
        out[(int(blockIdx.x) * rounds + i) * kRows * kColumns + j] = v;
      }
      __syncthreads();
      if (threadIdx.x == 0) ptx::mbarrier_arrive_cluster(empty, 0);
    }
    ptx::cluster_arrive();
    ptx::cluster_wait();
  }
}

void test_multicast() {
  constexpr int rounds = 3, blocks = 2 * kCluster;
  const auto values = random_values<float>(rounds * kRows * kColumns, 9);
  DeviceArray<float> in(values), out(values.size() * blocks);
  ptx::TensorMapSpec spec;
  spec.dtype = DType::Float32;
  spec.base = in.p;
  spec.size[0] = spec.box[0] = kColumns;
  spec.size[1] = rounds * kRows;
  spec.stride_bytes[1] = kColumns * 4;
  spec.box[1] = kRows;
  ptx::TensorMap map;
  expect(cuda::encode_tensor_map(&map, spec), "encode_tensor_map");
  launch_cluster(multicast_kernel, blocks, kRows * kColumns * 4, map, out.p, rounds);
  if (!launched("multicast")) return;
  const auto got = out.get();
  bool same = true;
  for (size_t i = 0; i < got.size(); ++i) same = same && got[i] == values[i % values.size()];
  expect(same, "tma_load_multicast");
}

}  // namespace

int main() {
  for_each_mode("cluster", test_pass);
  for_each_mode("multicast", test_multicast);
  return finish();
}
