// Softmax of the rows of a matrix, one block per row: a CUDA kernel to write, run and debug on a
// machine without a GPU.
//
//   emulated: g++ -std=c++20 -O1 -g1 -DMT_EMULATE -I../.. -I../../cuda/emulator
//                 -x c++ softmax.cu ../../cuda/emulator/*.cpp -o softmax -pthread
//   on a GPU: nvcc -std=c++20 -I../.. softmax.cu -o softmax
//
// Run `./softmax bug` to see what the emulator says about a missing __syncthreads().
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

#include "cuda/core/simt.h"

constexpr int kThreads = 128, kWarps = kThreads / 32;

struct Max {
  static __device__ float of(float a, float b) { return fmaxf(a, b); }
};
struct Sum {
  static __device__ float of(float a, float b) { return a + b; }
};

template <class Op>
__device__ __forceinline__ float warp_reduce(float v) {
  for (int offset = 16; offset > 0; offset /= 2)
    v = Op::of(v, __shfl_xor_sync(0xffffffffu, v, offset));
  return v;
}

// Everybody gets the result. `scratch` has one float per warp.
template <class Op, bool kBug>
__device__ __forceinline__ float block_reduce(float v, mt::Shared<float> scratch) {
  v = warp_reduce<Op>(v);
  if (threadIdx.x % 32 == 0) scratch[threadIdx.x / 32] = v;
  if (!kBug) __syncthreads();
  v = scratch[0];
  for (int w = 1; w < kWarps; ++w) v = Op::of(v, scratch[w]);
  __syncthreads();  // before scratch is used again
  return v;
}

// x, y: [rows, cols].
template <bool kBug>
__global__ void softmax_kernel(const float* x, float* y, int cols) {
  MT_SHARED(float, scratch, kWarps);
  x += blockIdx.x * size_t(cols);
  y += blockIdx.x * size_t(cols);
  float peak = -INFINITY;
  for (int i = threadIdx.x; i < cols; i += kThreads) peak = fmaxf(peak, x[i]);
  peak = block_reduce<Max, kBug>(peak, scratch);
  float sum = 0;
  for (int i = threadIdx.x; i < cols; i += kThreads) sum += expf(x[i] - peak);
  sum = block_reduce<Sum, kBug>(sum, scratch);
  for (int i = threadIdx.x; i < cols; i += kThreads) y[i] = expf(x[i] - peak) / sum;
}

int main(int argc, char** argv) {
  const bool bug = argc > 1 && std::strcmp(argv[1], "bug") == 0;
  const int rows = 3, cols = 300;
  std::vector<float> x(rows * cols), y(rows * cols);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i % 17) * 0.25f;
  float *dx, *dy;
  const size_t bytes = x.size() * sizeof(float);
  cudaMalloc(&dx, bytes);
  cudaMalloc(&dy, bytes);
  cudaMemcpy(dx, x.data(), bytes, cudaMemcpyHostToDevice);
  const cudaError_t error =
      bug ? MT_LAUNCH((softmax_kernel<true>), rows, kThreads, 0, nullptr, dx, dy, cols)
          : MT_LAUNCH((softmax_kernel<false>), rows, kThreads, 0, nullptr, dx, dy, cols);
  if (error != cudaSuccess) {
    std::printf("launch failed: %s\n", cudaGetErrorString(error));
    return 1;
  }
  cudaMemcpy(y.data(), dy, bytes, cudaMemcpyDeviceToHost);
  for (int r = 0; r < rows; ++r) {
    double sum = 0;
    for (int i = 0; i < cols; ++i) sum += y[size_t(r) * cols + i];
    std::printf("row %d sums to %.6f\n", r, sum);
  }
  cudaFree(dx);
  cudaFree(dy);
  return 0;
}
