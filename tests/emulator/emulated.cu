// What only the emulator has: its own functions, reports about wrong use of the runtime, clusters
// by its primitives, host access.
#include <thread>

#include "cuda/emulator/cluster.h"
#include "cuda/emulator/emulator.h"
#include "tests/emulator/harness.h"

using namespace mt;

void print_report(cudaError_t error) {
  std::printf("%s; %s\n", cudaGetErrorName(error), emu::last_report().c_str());
  emu::clear_last_report();
  cudaGetLastError();
}

void frees() {
  char *p, *q, local;
  CHECK_CUDA(cudaMalloc(&p, 100));
  CHECK_CUDA(cudaMalloc(&q, 100));
  CHECK_CUDA(cudaFree(p));
  print_report(cudaFree(p));
  print_report(cudaFree(q + 4));
  print_report(cudaFree(&local));
  print_report(cudaFree(q));
  CHECK_CUDA(cudaFree(nullptr));
}

void copies() {
  std::vector<float> a(64), b(64);
  Buffer<float> x(64);
  print_report(cudaMemcpy(a.data(), b.data(), 256, cudaMemcpyHostToDevice));
  print_report(cudaMemcpy(a.data(), b.data(), 256, cudaMemcpyDeviceToHost));
  print_report(cudaMemcpy(x.data, x.data, 256, cudaMemcpyDeviceToHost));
  print_report(cudaMemcpy(x.data + 1, b.data(), 256, cudaMemcpyHostToDevice));
  print_report(cudaMemset(x.data, 0, 257));
  print_report(cudaMemset(a.data(), 0, 4));
}

void leaks() {
  const size_t before = emu::live_allocations().size();
  void *p, *q;
  CHECK_CUDA(cudaMalloc(&p, 100));
  CHECK_CUDA(cudaMallocAsync(&q, 200, nullptr));
  auto live = emu::live_allocations();
  EXPECT(live.size() == before + 2 && live[before].bytes == 100 && live[before].start == p);
  EXPECT(live[before + 1].bytes == 200 && live[before + 1].pool);
  CHECK_CUDA(cudaFree(p));
  CHECK_CUDA(cudaFreeAsync(q, nullptr));
  EXPECT(emu::live_allocations().size() == before);
}

void memory_limit() {
  void* p;
  emu::settings().memory = 1 << 20;
  EXPECT(cudaMalloc(&p, (1 << 20) + 1) == cudaErrorMemoryAllocation && p == nullptr);
  CHECK_CUDA(cudaMalloc(&p, 1 << 20));
  void* q;
  EXPECT(cudaMalloc(&q, 1) == cudaErrorMemoryAllocation);
  CHECK_CUDA(cudaFree(p));
  cudaGetLastError();
  emu::settings().memory = 4ull << 30;
}

__global__ void fresh_kernel(const float* x, int* nans) {
  if (x[threadIdx.x] != x[threadIdx.x]) atomicAdd(nans, 1);
}
void fresh_memory() {
  Buffer<float> x(32);
  Buffer<int> nans(std::vector<int>(1, 0));
  CHECK_CUDA(MT_LAUNCH(fresh_kernel, 1, 32, 0, nullptr, (const float*)x.data, nans.data));
  EXPECT(nans.host()[0] == 32);
}

// Each block of a cluster of 2 x 2 reads the tile of the next one through the shared window.
__global__ void cluster_kernel(int* out) {
  MT_SHARED(int, tile, 32);
  tile[threadIdx.x] = int(blockIdx.y * 100 + blockIdx.x * 10 + threadIdx.x);
  emu::cluster_barrier_sync();
  const int rank = emu::self().block->cluster_rank;
  const auto* other =
      static_cast<const int*>(emu::map_shared(emu::shared_address(raw(tile)), (rank + 1) % 4));
  emu::note_shared_read(other + threadIdx.x, 4);
  out[(blockIdx.y * gridDim.x + blockIdx.x) * 32 + threadIdx.x] = other[threadIdx.x];
  if (threadIdx.x == 3) return;  // exited threads do not count
  emu::cluster_barrier_arrive();
  emu::cluster_barrier_wait();
}
void cluster() {
  for (auto order : {emu::Order::Forward, emu::Order::Reverse, emu::Order::Random}) {
    emu::set_schedule(order, 3);
    Buffer<int> out(16 * 32);
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(4, 4);
    config.blockDim = dim3(32);
    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim.x = attribute.val.clusterDim.y = 2;
    attribute.val.clusterDim.z = 1;
    config.attrs = &attribute;
    config.numAttrs = 1;
    CHECK_CUDA(cudaLaunchKernelEx(&config, cluster_kernel, out.data));
    auto r = out.host();
    for (int y = 0; y < 4; ++y)
      for (int x = 0; x < 4; ++x) {
        const int next = (y % 2 * 2 + x % 2 + 1) % 4;
        const int nx = x / 2 * 2 + next % 2, ny = y / 2 * 2 + next / 2;
        for (int t = 0; t < 32; ++t) EXPECT(r[(y * 4 + x) * 32 + t] == ny * 100 + nx * 10 + t);
      }
    config.gridDim = dim3(3, 4);
    EXPECT(cudaLaunchKernelEx(&config, cluster_kernel, out.data) == cudaErrorInvalidConfiguration);
    cudaGetLastError();
  }
}

// A flag of the kind that mbarriers are: the clock orders what the race check sees.
template <bool kRelease>
__global__ void clock_kernel(int* out) {
  MT_SHARED(int, data, 32);
  MT_SHARED(int, flag, 1);
  emu::SyncClock& clock = emu::block_local<emu::SyncClock>();
  if (threadIdx.x == 0) flag[0] = 0;
  __syncthreads();
  if (threadIdx.x < 32) {
    data[threadIdx.x] = int(threadIdx.x);
    if (kRelease) emu::release_to(clock);
    atomicAdd(&flag[0], 1);
  } else {
    emu::wait_until([&] { return *raw(flag) == 32; }, "the flag");
    emu::acquire_from(clock);
    out[threadIdx.x - 32] = data[63 - threadIdx.x];
  }
}
void clocks() {
  for (auto order : {emu::Order::Forward, emu::Order::Reverse, emu::Order::Random}) {
    emu::set_schedule(order, 5);
    Buffer<int> out(32);
    CHECK_CUDA(MT_LAUNCH(clock_kernel<true>, 1, 64, 0, nullptr, out.data));
    for (int t = 0; t < 32; ++t) EXPECT(out.host()[t] == 31 - t);
    EXPECT(MT_LAUNCH(clock_kernel<false>, 1, 64, 0, nullptr, out.data) == cudaErrorLaunchFailure);
    EXPECT(emu::last_report().find("race: reads shared data[") != std::string::npos);
    cudaGetLastError();
  }
}

// Work of a block that is done when nobody can run, as late copies are.
struct Late {
  int value = 0;
  bool idle() {
    if (value) return false;
    value = 7;
    return true;
  }
};
__global__ void idle_kernel(int* out) {
  Late& late = emu::block_local<Late>();
  emu::wait_until([&] { return late.value != 0; }, "late work");
  out[threadIdx.x] = late.value;
}
void idle_work() {
  Buffer<int> out(64);
  CHECK_CUDA(MT_LAUNCH(idle_kernel, 2, 64, 0, nullptr, out.data));
  EXPECT(out.host()[63] == 7);
}

__global__ void warpgroup_kernel(int* out) {
  const int sum = emu::warpgroup_collective<int, int>(
      int(threadIdx.x),
      [](const int* const* in, int* const* sums) {
        int all = 0;
        for (int i = 0; i < 128; ++i) all += *in[i];
        for (int i = 0; i < 128; ++i) *sums[i] = all;
      },
      "warpgroup sum");
  out[threadIdx.x] = sum;
}
void warpgroup() {
  Buffer<int> out(256);
  CHECK_CUDA(MT_LAUNCH(warpgroup_kernel, 1, 256, 0, nullptr, out.data));
  EXPECT(out.host()[0] == 127 * 64 && out.host()[255] == 127 * 64 + 128 * 128);
}

// Launches from several host threads at once.
__global__ void square_kernel(int* x) {
  MT_SHARED(int, tile, 64);
  tile[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = tile[63 - threadIdx.x] * 2;
}
void host_threads() {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([] {
      for (int round = 0; round < 50; ++round) {
        Buffer<int> x(std::vector<int>(64, round));
        CHECK_CUDA(MT_LAUNCH(square_kernel, 1, 64, 0, nullptr, x.data));
        EXPECT(x.host()[9] == 2 * round);
      }
    });
  for (auto& t : threads) t.join();
}

// Of the blocks that fail on several OS threads, the first one is reported.
__global__ void failing_kernel(float* x, int n, unsigned first) {
  MT_SHARED(float, tile, 64);
  float v = 0;
  for (int i = 0; i < 2000; ++i) v += x[(threadIdx.x * 31 + i) % n];
  tile[threadIdx.x + (blockIdx.x >= first ? 1 : 0)] = v;
  if (v > 1e9f) atomicAdd(x, 1.0f);
}
void parallel_failure() {
  Buffer<float> x(random_floats(256, 8));
  for (auto order : {emu::Order::Forward, emu::Order::Reverse}) {
    emu::set_schedule(order);
    const char* place = order == emu::Order::Forward ? "block (23,0,0), thread (63,0,0): out of"
                                                     : "block (63,0,0), thread (63,0,0): out of";
    for (int threads = 1; threads <= 4; ++threads) {
      emu::settings().threads = threads;
      EXPECT(MT_LAUNCH(failing_kernel, 64, 64, 0, nullptr, x.data, 256, 64u) == cudaSuccess);
      EXPECT(MT_LAUNCH(failing_kernel, 64, 64, 0, nullptr, x.data, 256, 23u) ==
             cudaErrorLaunchFailure);
      EXPECT(emu::last_report().find(place) != std::string::npos);
      cudaGetLastError();
    }
  }
  emu::settings().threads = 0;
}

// To be run alone, with MINITORCH_EMULATOR_HOST_CHECK=1: the process dies.
void host_access() {
  Buffer<float> x(32);
  std::printf("%s ", emu::host_check());
  std::fflush(stdout);
  float v = x.data[3];
  std::printf("not noticed: %f\n", double(v));
}

int main(int argc, char** argv) {
  std::vector<Test> tests = {{"frees", frees},
                             {"copies", copies},
                             {"leaks", leaks},
                             {"memory_limit", memory_limit},
                             {"cluster", cluster},
                             {"fresh_memory", fresh_memory},
                             {"clocks", clocks},
                             {"idle_work", idle_work},
                             {"warpgroup", warpgroup},
                             {"parallel_failure", parallel_failure},
                             {"host_threads", host_threads}};
  if (argc == 2 && !std::strcmp(argv[1], "host_access")) tests = {{"host_access", host_access}};
  return run_tests(tests, argc, argv);
}
