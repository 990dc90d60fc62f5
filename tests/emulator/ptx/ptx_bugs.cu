// Kernels with one mistake each, named by the first argument: what the emulator must notice. The
// second argument, "right", runs the same kernel without the mistake. Prints the report, or whether
// the result is right.
#include "cuda/core/ptx.cuh"

#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr int kThreads = 64;

// cp.async without the wait: only late completion shows it.
__global__ void missing_wait(const float* in, float* out, bool right) {
  MT_SHARED(float, s, kThreads);
  ptx::cp_async<4>(raw(s + threadIdx.x), in + threadIdx.x);
  ptx::cp_async_commit();
  if (right) ptx::cp_async_wait<0>();
  __syncthreads();
  const float v = s[kThreads - 1 - threadIdx.x];
  out[kThreads - 1 - threadIdx.x] = v;
}

// The next copy goes to a buffer that others still read: early completion shows it.
__global__ void reused_too_soon(const float* in, float* out, bool right) {
  MT_SHARED(float, s, kThreads);
  const int t = int(threadIdx.x), other = kThreads - 1 - t;
  ptx::cp_async<4>(raw(s + t), in + t);
  ptx::cp_async_wait_all();
  __syncthreads();
  if (!right) ptx::cp_async<4>(raw(s + t), in);
  const float v = s[other];
  __syncthreads();
  ptx::cp_async_wait_all();
  out[other] = v;
}

// A store by TMA of what ordinary stores wrote.
__global__ void missing_proxy_fence(const float* in, float* out, bool right) {
  MT_DYN_SHARED(float, s);
  s[threadIdx.x] = in[threadIdx.x];
  if (right) ptx::fence_proxy_async();
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::bulk_store(out, raw(s), kThreads * 4);
    ptx::bulk_commit();
    ptx::bulk_wait<0>();
  }
}

// A barrier that expects more bytes than come.
__global__ void wrong_expect_tx(const float* in, float* out, bool right) {
  MT_DYN_SHARED(float, s);
  MT_SHARED(uint64_t, bar, 1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(raw(bar), 1);
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(raw(bar), kThreads * 4 + (right ? 0 : 16));
    ptx::bulk_load(raw(s), in, kThreads * 4, raw(bar));
  }
  ptx::mbarrier_wait(raw(bar), 0);
  const float v = s[threadIdx.x];
  out[threadIdx.x] = v;
}

// A read of what a copy brings, without waiting for its barrier.
__global__ void missing_barrier_wait(const float* in, float* out, bool right) {
  MT_DYN_SHARED(float, s);
  MT_SHARED(uint64_t, bar, 1);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(raw(bar), 1);
    ptx::mbarrier_fence_init();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::mbarrier_arrive_expect_tx(raw(bar), kThreads * 4);
    ptx::bulk_load(raw(s), in, kThreads * 4, raw(bar));
  }
  if (right) ptx::mbarrier_wait(raw(bar), 0);
  const float v = s[threadIdx.x];
  out[threadIdx.x] = v;
}

// A second copy to a buffer that others may still read.
__global__ void refilled_too_soon(const float* in, float* out, bool right) {
  MT_DYN_SHARED(float, s);
  MT_SHARED(uint64_t, bars, 2);
  if (threadIdx.x < 2) ptx::mbarrier_init(raw(bars + threadIdx.x), 1);
  ptx::mbarrier_fence_init();
  __syncthreads();
  float v = 0;
  for (int i = 0; i < 2; ++i) {
    if (threadIdx.x == 0) {
      ptx::mbarrier_arrive_expect_tx(raw(bars + i), kThreads * 4);
      ptx::bulk_load(raw(s), in, kThreads * 4, raw(bars + i));
    }
    ptx::mbarrier_wait(raw(bars + i), 0);
    v = s[threadIdx.x];
    if (right) __syncthreads();
  }
  out[threadIdx.x] = v;
}

// Others use the barrier before they know that it has been initialised.
__global__ void used_before_init(const float* in, float* out, bool right) {
  MT_SHARED(uint64_t, bar, 1);
  if (threadIdx.x == 0) ptx::mbarrier_init(raw(bar), kThreads);
  if (right) __syncthreads();
  ptx::mbarrier_arrive(raw(bar));
  ptx::mbarrier_wait(raw(bar), 0);
  out[threadIdx.x] = in[threadIdx.x];
}

// More arrivals in one phase than the barrier was made for.
__global__ void too_many_arrivals(const float* in, float* out, bool right) {
  MT_SHARED(uint64_t, bar, 1);
  if (threadIdx.x == 0) ptx::mbarrier_init(raw(bar), kThreads);
  __syncthreads();
  if (threadIdx.x > 0 || right) ptx::mbarrier_arrive(raw(bar));
  if (threadIdx.x == 1 && !right) {
    ptx::mbarrier_arrive_expect_tx(raw(bar), 16);
    ptx::mbarrier_arrive(raw(bar));
  }
  if (right) ptx::mbarrier_wait(raw(bar), 0);
  out[threadIdx.x] = in[threadIdx.x];
}

// 64 x 64 x 16 of ones, by one warpgroup. `mistake`: 1 reads the sums before the wait, 2 forgets
// wgmma_fence, 3 forgets fence_proxy_async, 4 writes the sums while they are under way, 5 frees the
// operands before the wait.
__global__ void wgmma_ones(float* out, int mistake) {
  if constexpr (ptx::kSm90a) {
    MT_DYN_SHARED_ALIGNED(char, s, 1024);
    for (int i = int(threadIdx.x); i < 2 * 64 * 16; i += 128)
      shared_cast<bfloat16>(s)[i] = to_bfloat16(1.0f);
    if (mistake != 3) ptx::fence_proxy_async();
    __syncthreads();
    float d[32] = {};
    // 32-byte rows and the swizzle of 32 bytes; all elements are equal.
    const uint64_t a = ptx::wgmma_descriptor(raw(s), 16, 256, ptx::Swizzle::b32);
    const uint64_t b = ptx::wgmma_descriptor(raw(s + 2048), 16, 256, ptx::Swizzle::b32);
    if (mistake != 2) ptx::wgmma_fence();
    ptx::wgmma<bfloat16, 64>(d, a, b);
    ptx::wgmma_commit();
    float early = 16;
    if (mistake == 1) early = d[0];
    if (mistake == 4) d[1] = 0;
    if (mistake == 5) shared_cast<bfloat16>(s)[threadIdx.x] = to_bfloat16(0.0f);
    ptx::wgmma_wait<0>();
    ptx::wgmma_own(d);
    float sum = early - 16;
    for (float x : d) sum += x;
    out[threadIdx.x] = sum;
  }
}

int run_wgmma_ones(int mistake) {
  DeviceArray<float> out(128);
  MT_LAUNCH(wgmma_ones, dim3(1), dim3(128), 4096, nullptr, out.p, mistake);
  if (cudaDeviceSynchronize() != cudaSuccess || cudaGetLastError() != cudaSuccess) {
    std::printf("%s\n", last_report().c_str());
    return 1;
  }
  for (float x : out.get())
    if (x != 16.0f * 32) return std::puts("wrong"), 1;
  return std::puts("right"), 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  const bool right = argc > 2;
  if (name == "accumulator_read_early") return run_wgmma_ones(right ? 0 : 1);
  if (name == "missing_wgmma_fence") return run_wgmma_ones(right ? 0 : 2);
  if (name == "missing_fence_before_wgmma") return run_wgmma_ones(right ? 0 : 3);
  if (name == "accumulator_written_early") return run_wgmma_ones(right ? 0 : 4);
  if (name == "operand_freed_early") return run_wgmma_ones(right ? 0 : 5);

  const auto values = random_values<float>(kThreads, 5);
  DeviceArray<float> in(values), out(kThreads);
#define CASE(kernel)   \
  if (name == #kernel) \
    MT_LAUNCH(kernel, dim3(1), dim3(kThreads), kThreads * 4, nullptr, in.p, out.p, right);
  CASE(missing_wait)
  CASE(reused_too_soon)
  CASE(missing_proxy_fence)
  CASE(wrong_expect_tx)
  CASE(missing_barrier_wait)
  CASE(refilled_too_soon)
  CASE(used_before_init)
  CASE(too_many_arrivals)
  if (cudaDeviceSynchronize() != cudaSuccess || cudaGetLastError() != cudaSuccess) {
    std::printf("%s\n", last_report().c_str());
    return 1;
  }
  const bool same = out.get() == values;
  std::puts(same ? "right" : "wrong");
  return same ? 0 : 1;
}
