// The runtime API: limits, errors, memory, streams, graphs, cooperative and cluster launches.
#include "cuda/core/cooperative.h"
#include "tests/emulator/harness.h"

using namespace mt;

__global__ void fill_kernel(float* x, float value, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] = value;
}
__global__ void add_one_kernel(float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] += 1;
}
__global__ void dynamic_kernel(float* out) {
  MT_DYN_SHARED(float, tile);
  tile[threadIdx.x] = float(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = tile[blockDim.x - 1 - threadIdx.x];
}

// What fails must fail in the same way on a GPU.
void launch_limits() {
  Buffer<float> x(1024);
  auto launch = [&](dim3 grid, dim3 block, size_t shared) {
    cudaError_t error = MT_LAUNCH(dynamic_kernel, grid, block, shared, nullptr, x.data);
    EXPECT(cudaPeekAtLastError() == error);
    EXPECT(cudaGetLastError() == error && cudaGetLastError() == cudaSuccess);
    return error;
  };
  EXPECT(launch(1, 1024, 4096) == cudaSuccess);
  EXPECT(launch(1, 1025, 4096) == cudaErrorInvalidConfiguration);
  EXPECT(launch(1, dim3(32, 33), 4096) == cudaErrorInvalidConfiguration);
  EXPECT(launch(1, dim3(1, 1, 65), 4096) == cudaErrorInvalidConfiguration);
  EXPECT(launch(0, 32, 4096) == cudaErrorInvalidConfiguration);
  EXPECT(launch(dim3(1, 65536), 32, 4096) == cudaErrorInvalidConfiguration);
  EXPECT(launch(1, 32, 48 * 1024) == cudaSuccess);
  EXPECT(launch(1, 32, 48 * 1024 + 16) == cudaErrorInvalidValue);
  CHECK_CUDA(cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                  227 * 1024));
  EXPECT(launch(1, 32, 227 * 1024) == cudaSuccess);
  EXPECT(cudaFuncSetAttribute(dynamic_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                              228 * 1024) == cudaErrorInvalidValue);
  cudaGetLastError();
}

void copies() {
  std::vector<float> a = random_floats(64, 1), b(64);
  Buffer<float> x(a), y(64);
  CHECK_CUDA(cudaMemcpy(y.data, x.data, 256, cudaMemcpyDeviceToDevice));
  CHECK_CUDA(cudaMemcpy(b.data(), y.data, 256, cudaMemcpyDefault));
  EXPECT(a == b);
  CHECK_CUDA(cudaMemset(x.data, 0, 128));
  a = x.host();
  EXPECT(a[31] == 0 && a[32] == b[32]);
  // Columns 1 and 2 of 8 rows of 8.
  CHECK_CUDA(cudaMemcpy2D(b.data(), 8, y.data + 1, 32, 8, 8, cudaMemcpyDeviceToHost));
  EXPECT(b[0] == y.host()[1] && b[3] == y.host()[10] && b[15] == y.host()[58]);
  cudaPointerAttributes attributes;
  CHECK_CUDA(cudaPointerGetAttributes(&attributes, x.data + 3));
  EXPECT(attributes.type == cudaMemoryTypeDevice && attributes.devicePointer == x.data + 3);
  CHECK_CUDA(cudaPointerGetAttributes(&attributes, a.data()));
  EXPECT(attributes.type == cudaMemoryTypeUnregistered);
  float* pinned;
  CHECK_CUDA(cudaMallocHost((void**)&pinned, 256));
  CHECK_CUDA(cudaPointerGetAttributes(&attributes, pinned));
  EXPECT(attributes.type == cudaMemoryTypeHost);
  CHECK_CUDA(cudaMemcpy(pinned, y.data, 256, cudaMemcpyDeviceToHost));
  EXPECT(pinned[5] == y.host()[5]);
  CHECK_CUDA(cudaFreeHost(pinned));
}

void streams() {
  cudaStream_t s, t;
  CHECK_CUDA(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  CHECK_CUDA(cudaStreamCreateWithPriority(&t, cudaStreamNonBlocking, -1));
  cudaEvent_t begin, end;
  CHECK_CUDA(cudaEventCreate(&begin));
  CHECK_CUDA(cudaEventCreateWithFlags(&end, cudaEventDefault));
  float* x;
  CHECK_CUDA(cudaMallocAsync((void**)&x, 400, s));
  CHECK_CUDA(cudaEventRecord(begin, s));
  CHECK_CUDA(MT_LAUNCH(fill_kernel, 1, 128, 0, s, x, 3.0f, 100));
  CHECK_CUDA(cudaEventRecord(end, s));
  CHECK_CUDA(cudaStreamWaitEvent(t, end, 0));
  CHECK_CUDA(MT_LAUNCH(add_one_kernel, 1, 128, 0, t, x, 100));
  CHECK_CUDA(cudaStreamSynchronize(t));
  CHECK_CUDA(cudaStreamQuery(s));
  CHECK_CUDA(cudaEventSynchronize(end));
  float ms = -1, v[100];
  CHECK_CUDA(cudaEventElapsedTime(&ms, begin, end));
  EXPECT(ms >= 0);
  CHECK_CUDA(cudaMemcpyAsync(v, x, 400, cudaMemcpyDeviceToHost, t));
  CHECK_CUDA(cudaStreamSynchronize(t));
  EXPECT(v[0] == 4 && v[99] == 4);
  CHECK_CUDA(cudaFreeAsync(x, t));
  CHECK_CUDA(cudaEventDestroy(begin));
  CHECK_CUDA(cudaEventDestroy(end));
  CHECK_CUDA(cudaStreamDestroy(s));
  CHECK_CUDA(cudaStreamDestroy(t));
}

void graphs() {
  cudaStream_t s, side;
  CHECK_CUDA(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
  CHECK_CUDA(cudaStreamCreateWithFlags(&side, cudaStreamNonBlocking));
  cudaEvent_t fork, join;
  CHECK_CUDA(cudaEventCreateWithFlags(&fork, cudaEventDisableTiming));
  CHECK_CUDA(cudaEventCreateWithFlags(&join, cudaEventDisableTiming));
  Buffer<float> x(std::vector<float>(100, 1.0f)), y(std::vector<float>(100, 5.0f));
  CHECK_CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  cudaStreamCaptureStatus status;
  CHECK_CUDA(cudaStreamIsCapturing(s, &status));
  EXPECT(status == cudaStreamCaptureStatusActive);
  CHECK_CUDA(MT_LAUNCH(add_one_kernel, 1, 128, 0, s, x.data, 100));
  CHECK_CUDA(cudaEventRecord(fork, s));
  CHECK_CUDA(cudaStreamWaitEvent(side, fork, 0));
  CHECK_CUDA(MT_LAUNCH(add_one_kernel, 1, 128, 0, side, y.data, 100));
  CHECK_CUDA(cudaEventRecord(join, side));
  CHECK_CUDA(cudaStreamWaitEvent(s, join, 0));
  CHECK_CUDA(cudaMemcpyAsync(y.data, x.data, 200, cudaMemcpyDeviceToDevice, s));
  cudaGraph_t graph;
  CHECK_CUDA(cudaStreamEndCapture(s, &graph));
  size_t nodes = 0;
  CHECK_CUDA(cudaGraphGetNodes(graph, nullptr, &nodes));
  EXPECT(nodes == 3);
  cudaGraphExec_t exec;
  CHECK_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  CHECK_CUDA(cudaGraphDestroy(graph));
  EXPECT(x.host()[0] == 1);  // captured work has not run
  for (int i = 0; i < 3; ++i) CHECK_CUDA(cudaGraphLaunch(exec, s));
  CHECK_CUDA(cudaStreamSynchronize(s));
  EXPECT(x.host()[7] == 4 && y.host()[7] == 4 && y.host()[70] == 8);
  CHECK_CUDA(cudaGraphExecDestroy(exec));
  // What would wait for the capture makes it invalid.
  CHECK_CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  EXPECT(cudaStreamSynchronize(s) == cudaErrorStreamCaptureUnsupported);
  EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorStreamCaptureInvalidated && !graph);
  // So does a side stream that is never joined.
  CHECK_CUDA(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal));
  CHECK_CUDA(cudaEventRecord(fork, s));
  CHECK_CUDA(cudaStreamWaitEvent(side, fork, 0));
  CHECK_CUDA(MT_LAUNCH(add_one_kernel, 1, 128, 0, side, y.data, 100));
  EXPECT(cudaStreamEndCapture(s, &graph) == cudaErrorStreamCaptureUnjoined);
  cudaGetLastError();
  CHECK_CUDA(cudaEventDestroy(fork));
  CHECK_CUDA(cudaEventDestroy(join));
  CHECK_CUDA(cudaStreamDestroy(s));
  CHECK_CUDA(cudaStreamDestroy(side));
}

// Every block adds its part, then all read the sum, twice.
__global__ void grid_sync_kernel(int* sum, int* out) {
  MT_SHARED(int, seen, 1);
  if (threadIdx.x == 0) atomicAdd(&sum[0], int(blockIdx.x) + 1);
  MT_GRID_SYNC();
  if (threadIdx.x == 0) seen[0] = sum[0];
  if (threadIdx.x == 0) atomicAdd(&sum[1], int(sum[0]));
  MT_GRID_SYNC();
  if (threadIdx.x == 5) out[blockIdx.x] = seen[0] + sum[1];
}

void cooperative() {
  Buffer<int> sum(std::vector<int>(2, 0)), out(8);
  int *a = sum.data, *b = out.data;
  void* args[] = {&a, &b};
  CHECK_CUDA(cudaLaunchCooperativeKernel(grid_sync_kernel, dim3(8), dim3(64), args, 0, nullptr));
  CHECK_CUDA(cudaDeviceSynchronize());
  for (int v : out.host()) EXPECT(v == 36 + 8 * 36);
  int processors = 0, per_processor = 0;
  CHECK_CUDA(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0));
  CHECK_CUDA(
      cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_processor, grid_sync_kernel, 64, 0));
  EXPECT(cudaLaunchCooperativeKernel(grid_sync_kernel, dim3(processors * per_processor + 1),
                                     dim3(64), args, 0,
                                     nullptr) == cudaErrorCooperativeLaunchTooLarge);
  cudaGetLastError();
}

void devices() {
  int count = 0, value = 0;
  CHECK_CUDA(cudaGetDeviceCount(&count));
  EXPECT(count >= 1);
  CHECK_CUDA(cudaSetDevice(0));
  CHECK_CUDA(cudaGetDevice(&value));
  EXPECT(value == 0 && cudaSetDevice(count) == cudaErrorInvalidDevice);
  cudaGetLastError();
  cudaDeviceProp p;
  CHECK_CUDA(cudaGetDeviceProperties(&p, 0));
  CHECK_CUDA(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, 0));
  EXPECT(p.warpSize == 32 && value == 32 && p.maxThreadsPerBlock == 1024);
  size_t free = 0, total = 0, after = 0;
  CHECK_CUDA(cudaMemGetInfo(&free, &total));
  EXPECT(free <= total);
  Buffer<char> x(64 << 20);
  CHECK_CUDA(cudaMemGetInfo(&after, &total));
  EXPECT(after + (64 << 20) <= free);
  EXPECT(std::strcmp(cudaGetErrorName(cudaErrorInvalidValue), "cudaErrorInvalidValue") == 0);
  EXPECT(std::strcmp(cudaGetErrorString(cudaSuccess), "no error") == 0);
}

void pools() {
  cudaMemPool_t pool;
  CHECK_CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
  uint64_t threshold = ~0ull, used = 0, high = 0, zero = 0;
  CHECK_CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold));
  CHECK_CUDA(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &zero));
  void *p, *q;
  CHECK_CUDA(cudaMallocAsync(&p, 1 << 20, nullptr));
  CHECK_CUDA(cudaMallocAsync(&q, 1 << 20, nullptr));
  CHECK_CUDA(cudaFreeAsync(p, nullptr));
  CHECK_CUDA(cudaDeviceSynchronize());
  CHECK_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
  CHECK_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &high));
  EXPECT(used == 1 << 20 && high == 2 << 20);
  CHECK_CUDA(cudaFreeAsync(q, nullptr));
  CHECK_CUDA(cudaDeviceSynchronize());
  CHECK_CUDA(cudaMemPoolTrimTo(pool, 0));
  CHECK_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &used));
  EXPECT(used == 0);
}

// Float sums by atomics come out the same however many OS threads run the blocks.
__global__ void float_atomics_kernel(const float* x, float* sum, int n) {
  float v = 0;
  for (int k = 0; k < 200; ++k)
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
      v += x[i] * float(k);
  atomicAdd(sum, v);
}
void float_atomics() {
  Buffer<float> x(random_floats(20000, 4)), sum(std::vector<float>(1, 0.0f));
  CHECK_CUDA(
      MT_LAUNCH(float_atomics_kernel, 64, 128, 0, nullptr, (const float*)x.data, sum.data, 20000));
  std::printf("%a ", sum.host()[0]);
}

int main(int argc, char** argv) {
  return run_tests({{"launch_limits", launch_limits},
                    {"copies", copies},
                    {"streams", streams},
                    {"graphs", graphs},
                    {"cooperative", cooperative},
                    {"devices", devices},
                    {"pools", pools},
                    {"float_atomics", float_atomics}},
                   argc, argv);
}
