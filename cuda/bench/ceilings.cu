// Roofs of the device: copies and reads of a range that no cache holds, and multiply-adds that
// touch registers only. The better of the driver's copy and ours counts.
#include "cuda/bench/ceilings.h"

#include <algorithm>

#include "cuda/bench/operands.h"
#include "cuda/core/device.h"
#include "cuda/core/launch.h"
#include "cuda/core/ptx_barrier.cuh"
#include "cuda/core/ptx_mma.cuh"
#include "cuda/core/ptx_wgmma.cuh"
#include "cuda/core/vec.h"

namespace mt::cuda::bench {
namespace {

using Piece = Vec<float, 4>;
constexpr int kPieces = 4;  // per thread, loaded before the first is stored

__global__ void __launch_bounds__(kThreads)
    peak_copy_kernel(const Piece* __restrict__ x, Piece* __restrict__ y, int64_t n) {
  const int64_t first = int64_t(blockIdx.x) * kThreads * kPieces + threadIdx.x;
  Piece p[kPieces];
#pragma unroll
  for (int i = 0; i < kPieces; i++)
    if (first + i * kThreads < n) p[i] = x[first + i * kThreads];
#pragma unroll
  for (int i = 0; i < kPieces; i++)
    if (first + i * kThreads < n) y[first + i * kThreads] = p[i];
}

// The sum is stored where it is a number that random data does not give, so that the loads stay.
__global__ void __launch_bounds__(kThreads)
    peak_read_kernel(const Piece* __restrict__ x, float* y, int64_t n) {
  const int64_t first = int64_t(blockIdx.x) * kThreads * kPieces + threadIdx.x;
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kPieces; i++) {
    if (first + i * kThreads >= n) continue;
    const Piece p = x[first + i * kThreads];
    sum += p.v[0] + p.v[1] + p.v[2] + p.v[3];
  }
  if (sum == 1.2345e30f) *y = sum;
}

constexpr int kChains = 16;  // independent sums, which hide the latency of an instruction

__global__ void __launch_bounds__(kThreads) peak_fma_kernel(float* y, int rounds) {
  const float a = 1 + float(threadIdx.x) * 1e-9f, b = 1e-9f * float(blockIdx.x);
  float sum[kChains];
#pragma unroll
  for (int i = 0; i < kChains; i++) sum[i] = float(i);
#pragma unroll 1
  for (int r = 0; r < rounds; r++) {
#pragma unroll
    for (int k = 0; k < 8; k++)
#pragma unroll
      for (int i = 0; i < kChains; i++) sum[i] = __fmaf_rn(sum[i], a, b);
  }
  float all = 0;
#pragma unroll
  for (int i = 0; i < kChains; i++) all += sum[i];
  if (all == 1.2345e30f) *y = all;
}

constexpr int kTiles = 8;  // of a warp

// Two numbers of bfloat16 or one of float32, +-[1, 2) of random bits: the power that products draw,
// and with it the clock, depends on the data.
__device__ __forceinline__ uint32_t random_word(uint32_t i, bool half) {
  const uint32_t hash = i * 0x9e3779b1u ^ (i + 77u) * 0x85ebca6bu >> 13;
  return half ? 0x3f803f80u | (hash & 0x807f807fu) : 0x3f800000u | (hash & 0x807fffffu);
}

template <bool Tf32>
__global__ void __launch_bounds__(kThreads) peak_mma_kernel(float* y, int rounds) {
  uint32_t a[4], b[2];
#pragma unroll
  for (uint32_t i = 0; i < 4; i++) a[i] = random_word(threadIdx.x * 6 + i, !Tf32);
#pragma unroll
  for (uint32_t i = 0; i < 2; i++) b[i] = random_word(threadIdx.x * 6 + 4 + i, !Tf32);
  float sum[kTiles][4] = {};
#pragma unroll 1
  for (int r = 0; r < rounds; r++) {
#pragma unroll
    for (int i = 0; i < kTiles; i++) {
      if constexpr (Tf32) ptx::mma_m16n8k8_tf32(sum[i], a, b);
      else ptx::mma_m16n8k16<bfloat16>(sum[i], a, b);
    }
  }
  float all = 0;
#pragma unroll
  for (int i = 0; i < kTiles; i++) all += sum[i][0] + sum[i][1] + sum[i][2] + sum[i][3];
  if (all == 1.2345e30f) *y = all;
}

// Two warpgroups multiply 64 rows each by 256 columns that lie in shared memory, 128 bytes of K.
constexpr int kWgmmaN = 256, kWgmmaBytes = (2 * 64 + kWgmmaN) * 128;

template <class T>
__global__ void __launch_bounds__(kThreads, 1) peak_wgmma_kernel(float* y, int rounds) {
  if constexpr (ptx::kSm90a) {
    MT_DYN_SHARED_ALIGNED(uint32_t, smem, 1024);
    for (uint32_t i = threadIdx.x; i < kWgmmaBytes / 4; i += kThreads)
      smem[i] = random_word(i, sizeof(T) == 2);
    ptx::fence_proxy_async();
    __syncthreads();
    const char* data = reinterpret_cast<const char*>(raw(smem));
    const auto describe = [&](int line) {
      return ptx::wgmma_descriptor(data + line * 128, 16, 1024, ptx::Swizzle::b128);
    };
    const uint64_t a = describe(int(threadIdx.x) / 128 * 64), b = describe(128);
    float sum[kWgmmaN / 2];
    for (int r = 0; r < rounds; r++) {
      ptx::wgmma_fence();
#pragma unroll
      for (uint32_t k = 0; k < 4; k++)
        ptx::wgmma<T, kWgmmaN>(sum, ptx::wgmma_advance(a, k * 32), ptx::wgmma_advance(b, k * 32),
                               r + k > 0);
      ptx::wgmma_commit();
      ptx::wgmma_wait<0>();
      ptx::wgmma_own(sum);
    }
    float all = 0;
#pragma unroll
    for (int i = 0; i < kWgmmaN / 2; i++) all += sum[i];
    if (all == 1.2345e30f) *y = all;
  }
}

template <class F>
double per_second(double amount, const Plan& plan, F call) {
  return amount / measure({std::function<void()>(call)}, plan).median;
}

}  // namespace

Ceilings measure_ceilings(int64_t bytes, int rounds, const Plan& plan) {
  Ceilings c{};
  Operands o;
  {
    Operands range;  // freed before the loops over registers
    const int64_t n = bytes / 2 / int64_t(sizeof(Piece));
    const unsigned grid = grid_for(n, kThreads * kPieces);
    const Piece* x = static_cast<const Piece*>(range.normal(DType::Float32, n * 4));
    Piece* y = static_cast<Piece*>(range.empty(DType::Float32, n * 4));
    float* sum = static_cast<float*>(o.empty(DType::Float32, 1));
    const double size = double(n) * sizeof(Piece);
    const double ours = per_second(
        2 * size, plan, [=] { MT_LAUNCH(peak_copy_kernel, grid, kThreads, 0, stream(), x, y, n); });
    const double drivers = per_second(2 * size, plan, [=] {
      MT_CUDA_CHECK(
          cudaMemcpyAsync(y, x, size_t(n) * sizeof(Piece), cudaMemcpyDeviceToDevice, stream()));
    });
    c.copy = std::max(ours, drivers);
    c.read = per_second(
        size, plan, [=] { MT_LAUNCH(peak_read_kernel, grid, kThreads, 0, stream(), x, sum, n); });
  }
  float* y = static_cast<float*>(o.empty(DType::Float32, 1));
  const Properties device = properties(current_device());
  const int per_processor = device.max_threads_per_multi_processor / kThreads;
  const unsigned blocks = unsigned(device.multi_processors * (rounds > 64 ? per_processor : 1));
  const double threads = double(blocks) * kThreads;
  c.fp32 = per_second(threads * rounds * 8 * kChains * 2, plan, [=] {
    MT_LAUNCH(peak_fma_kernel, blocks, kThreads, 0, stream(), y, rounds);
  });
  const double products = threads / 32 * rounds * kTiles * 2 * 16 * 8;
  if (device.major < 8) return c;
  c.half = per_second(products * 16, plan, [=] {
    MT_LAUNCH((peak_mma_kernel<false>), blocks, kThreads, 0, stream(), y, rounds);
  });
  c.tf32 = per_second(products * 8, plan, [=] {
    MT_LAUNCH((peak_mma_kernel<true>), blocks, kThreads, 0, stream(), y, rounds);
  });
  if (device.major != 9) return c;
  const int turns = rounds / 16 + 1;
  const double macs = double(device.multi_processors) * turns * 128 * kWgmmaN;
  const auto wgmma = [&]<class T>(double k) {
    return per_second(2 * macs * k, plan, [=] {
      MT_LAUNCH((peak_wgmma_kernel<T>), unsigned(device.multi_processors), kThreads, kWgmmaBytes,
                stream(), y, turns);
    });
  };
  c.half = std::max(c.half, wgmma.template operator()<bfloat16>(64));
  c.tf32 = std::max(c.tf32, wgmma.template operator()<ptx::tf32>(32));
  return c;
}

}  // namespace mt::cuda::bench
