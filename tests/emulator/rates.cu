// How fast the emulator is: launches, threads, barriers, shuffles, a textbook GEMM. Not a test.
#include <algorithm>
#include <chrono>

#include "cuda/emulator/emulator.h"
#include "tests/emulator/harness.h"
#include "tests/emulator/tiled_gemm.h"

using namespace mt;

__global__ void add_kernel(const float* a, float* b, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) b[i] = a[i] + 1;
}
__global__ void barrier_kernel(int rounds) {
  for (int i = 0; i < rounds; ++i) __syncthreads();
}
__global__ void shuffle_kernel(float* out, int rounds) {
  float v = float(threadIdx.x);
  for (int i = 0; i < rounds; ++i) v += __shfl_xor_sync(0xffffffffu, v, 1);
  out[threadIdx.x] = v;
}
__global__ void shared_kernel(float* out, int rounds) {
  MT_SHARED(float, tile, 256);
  tile[threadIdx.x] = 1;
  float v = 0;
  for (int i = 0; i < rounds; ++i) v += tile[threadIdx.x];
  out[threadIdx.x] = v;
}

// The best of several, in nanoseconds.
template <class F>
double time(F&& f, int repeats = 20) {
  double best = 1e30;
  for (int i = 0; i < repeats; ++i) {
    auto start = std::chrono::steady_clock::now();
    f();
    best = std::min(
        best,
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

int main() {
  const int n = 256, rounds = 100, size = 192;
  Buffer<float> x(n), y(n), a(size * size), b(size * size), c(size * size);
  for (bool checks : {true, false}) {
    emu::set_checks(checks);
    std::printf("checks %s\n", checks ? "on" : "off");
    double launch = time(
        [&] { MT_LAUNCH(add_kernel, 1, n, 0, nullptr, (const float*)x.data, y.data, n); }, 2000);
    std::printf("  launch, 1 block of 256 threads   %8.2f us\n", launch / 1e3);
    double many = time(
        [&] { MT_LAUNCH(add_kernel, 1000, n, 0, nullptr, (const float*)x.data, y.data, n); }, 5);
    std::printf("  a thread without barriers        %8.2f ns\n", many / 1000 / n);
    double barrier = time([&] { MT_LAUNCH(barrier_kernel, 1, n, 0, nullptr, rounds); });
    std::printf("  a barrier, per thread            %8.2f ns\n", barrier / rounds / n);
    double shuffle = time([&] { MT_LAUNCH(shuffle_kernel, 1, n, 0, nullptr, y.data, rounds); });
    std::printf("  a shuffle, per thread            %8.2f ns\n", shuffle / rounds / n);
    double shared = time([&] { MT_LAUNCH(shared_kernel, 1, n, 0, nullptr, y.data, 1000); });
    std::printf("  a shared load                    %8.2f ns\n", shared / 1000 / n);
    double allocation = time(
        [&] {
          void* p;
          cudaMallocAsync(&p, 4096, nullptr);
          cudaFreeAsync(p, nullptr);
        },
        2000);
    std::printf("  an allocation and its release    %8.2f us\n", allocation / 1e3);
    for (int threads : {1, 2}) {
      emu::settings().threads = threads;
      double gemm = time(
          [&] {
            MT_LAUNCH(gemm_kernel, dim3(size / 64, size / 64), 256, 0, nullptr,
                      (const float*)a.data, (const float*)b.data, c.data, size, size, size);
          },
          5);
      std::printf("  GEMM of %d, %d OS thread%s        %8.2f GFLOP/s\n", size, threads,
                  threads > 1 ? "s" : " ", 2.0 * size * size * size / gemm);
    }
  }
}
