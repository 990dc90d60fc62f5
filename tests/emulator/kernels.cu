// Ordinary kernels with known results: they also compile with nvcc.
#include "tests/emulator/harness.h"
#include "tests/emulator/tiled_gemm.h"

using namespace mt;

__global__ void add_kernel(const float* a, const float* b, float* c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

void add() {
  const int n = 1000;
  auto a = random_floats(n, 1), b = random_floats(n, 2);
  Buffer<float> da(a), db(b), dc(n);
  CHECK_CUDA(MT_LAUNCH(add_kernel, (n + 255) / 256, 256, 0, nullptr, da.data, db.data, dc.data, n));
  auto c = dc.host();
  for (int i = 0; i < n; ++i) EXPECT(c[i] == a[i] + b[i]);
}

__device__ __forceinline__ float warp_sum(float v) {
  for (int offset = 16; offset > 0; offset /= 2) v += __shfl_down_sync(0xffffffffu, v, offset);
  return v;
}

template <int kThreads>
__global__ void sum_kernel(const float* x, float* out, int n) {
  MT_SHARED(float, partial, kThreads / 32);
  float v = 0;
  for (int i = threadIdx.x; i < n; i += kThreads) v += x[blockIdx.x * n + i];
  v = warp_sum(v);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = v;
  __syncthreads();
  if (threadIdx.x < 32) {
    v = threadIdx.x < kThreads / 32 ? float(partial[threadIdx.x]) : 0.0f;
    v = warp_sum(v);
    if (threadIdx.x == 0) out[blockIdx.x] = v;
  }
}

void sum() {
  const int rows = 7, n = 333;
  auto x = random_floats(rows * n, 3);
  Buffer<float> dx(x), out(rows);
  CHECK_CUDA(MT_LAUNCH((sum_kernel<128>), rows, 128, 0, nullptr, dx.data, out.data, n));
  auto y = out.host();
  for (int r = 0; r < rows; ++r) {
    double expected = 0;
    for (int i = 0; i < n; ++i) expected += x[r * n + i];
    EXPECT(std::fabs(y[r] - expected) < 1e-4);
  }
}

void gemm() {
  const int m = 100, n = 130, k = 70;
  auto a = random_floats(m * k, 4), b = random_floats(k * n, 5);
  Buffer<float> da(a), db(b), dc(m * n);
  dim3 grid((n + 63) / 64, (m + 63) / 64);
  CHECK_CUDA(MT_LAUNCH(gemm_kernel, grid, 256, 0, nullptr, da.data, db.data, dc.data, m, n, k));
  auto c = dc.host();
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double expected = 0;
      for (int d = 0; d < k; ++d) expected += double(a[i * k + d]) * b[d * n + j];
      EXPECT(std::fabs(c[i * n + j] - expected) < 1e-4);
    }
}

__global__ void histogram_kernel(const int* x, int n, int* bins, int count) {
  MT_DYN_SHARED(int, local);
  for (int i = threadIdx.x; i < count; i += blockDim.x) local[i] = 0;
  __syncthreads();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) atomicAdd(&local[x[i]], 1);
  __syncthreads();
  for (int b = threadIdx.x; b < count; b += blockDim.x) atomicAdd(&bins[b], local[b]);
}

void histogram() {
  const int n = 1000, count = 17;
  std::vector<int> x(n), expected(count);
  for (int i = 0; i < n; ++i) ++expected[x[i] = i * i % count];
  Buffer<int> dx(x), bins(std::vector<int>(count, 0));
  CHECK_CUDA(MT_LAUNCH(histogram_kernel, (n + 127) / 128, 128, count * sizeof(int), nullptr,
                       (const int*)dx.data, n, bins.data, count));
  EXPECT(bins.host() == expected);
}

__global__ void votes_kernel(unsigned* out) {
  const unsigned lane = threadIdx.x % 32, full = 0xffffffffu;
  unsigned r[16];
  r[0] = __ballot_sync(full, lane % 3 == 0);
  r[1] = __any_sync(full, lane == 7) * 2 + __all_sync(full, lane < 32);
  r[2] = __shfl_sync(full, lane * 10, 5);
  r[3] = __shfl_up_sync(full, lane, 3u);
  r[4] = __shfl_xor_sync(full, lane, 9);
  r[5] = __shfl_down_sync(full, lane, 2u, 8);
  r[6] = __reduce_add_sync(full, lane);
  r[7] = __reduce_max_sync(full, lane ^ 5u);
  r[8] = __match_any_sync(full, lane / 4);
  r[9] = __syncthreads_count(threadIdx.x % 5 == 0);
  r[10] = __syncthreads_or(threadIdx.x == 40);
  r[11] = __syncthreads_and(threadIdx.x != 40);
  r[12] = lane < 16 ? __shfl_sync(0x0000ffffu, lane + 1, 15) : __shfl_sync(0xffff0000u, lane, 16);
  double d = __shfl_xor_sync(full, lane * 0.5, 1);
  r[13] = unsigned(d * 2);
  __syncwarp();
  r[14] = __popc(r[0]) * 100 + __clz(int(lane)) + __ffs(int(lane));
  r[15] = __brev(lane) ^ __byte_perm(0x03020100u, 0x07060504u, 0x7531);
  for (int i = 0; i < 16; ++i) out[threadIdx.x * 16 + i] = r[i];
}

void votes() {
  Buffer<unsigned> out(64 * 16);
  CHECK_CUDA(MT_LAUNCH(votes_kernel, 1, 64, 0, nullptr, out.data));
  auto r = out.host();
  for (unsigned t = 0; t < 64; ++t) {
    const unsigned lane = t % 32, *v = &r[t * 16];
    EXPECT(v[0] == 0x49249249u && v[1] == 3 && v[2] == 50);
    EXPECT(v[3] == (lane < 3 ? lane : lane - 3));
    EXPECT(v[4] == (lane ^ 9));
    EXPECT(v[5] == (lane % 8 < 6 ? lane + 2 : lane));
    EXPECT(v[6] == 496 && v[7] == 31 && v[8] == 0xfu << lane / 4 * 4);
    EXPECT(v[9] == 13 && v[10] == 1 && v[11] == 0);
    EXPECT(v[12] == (lane < 16 ? 16u : 16u) && v[13] == (lane ^ 1));
    unsigned clz = lane ? unsigned(__builtin_clz(lane)) : 32,
             ffs = lane ? __builtin_ctz(lane) + 1 : 0;
    EXPECT(v[14] == 1100 + clz + ffs);
  }
}

// Two groups of warps with a barrier of their own each; the block's barrier at the end.
__global__ void named_kernel(int* out) {
  MT_SHARED(int, a, 128);
  const int t = threadIdx.x, group = t / 64;
  for (int round = 0; round < 3; ++round) {
    a[t] = t + round;
    MT_NAMED_BARRIER(1 + group, 64);
    int other = a[group * 64 + (t + 1) % 64];
    MT_NAMED_BARRIER(1 + group, 64);
    if (round == 2) out[t] = other;
  }
  __syncthreads();
  out[t] += a[127 - t];
}

void named_barrier() {
  Buffer<int> out(128);
  CHECK_CUDA(MT_LAUNCH(named_kernel, 1, 128, 0, nullptr, out.data));
  auto r = out.host();
  for (int t = 0; t < 128; ++t) EXPECT(r[t] == t / 64 * 64 + (t + 1) % 64 + 2 + 127 - t + 2);
}

// Threads that return early count no longer: for the barrier, and for votes of their warp.
__global__ void early_exit_kernel(int* out, int n) {
  MT_SHARED(int, seen, 128);
  int i = threadIdx.x;
  if (i >= n) return;
  seen[i] = i;
  __syncthreads();
  int v = seen[n - 1 - i];
  out[i] = v + __popc(__ballot_sync(0xffffffffu, true));
}

void early_exit() {
  const int n = 77;
  Buffer<int> out(n);
  CHECK_CUDA(MT_LAUNCH(early_exit_kernel, 1, 128, 0, nullptr, out.data, n));
  auto r = out.host();
  for (int i = 0; i < n; ++i) EXPECT(r[i] == n - 1 - i + (i < 64 ? 32 : n - 64));
}

// Warp-private data needs no more than __syncwarp.
__global__ void warp_private_kernel(short* out) {
  MT_SHARED(short, data, 256);
  const int lane = threadIdx.x % 32, base = threadIdx.x - lane;
  for (int round = 0; round < 4; ++round) {
    data[base + lane] = short(lane * 3 + round);
    __syncwarp();
    short other = data[base + (lane + 7) % 32];
    __syncwarp();
    if (round == 3) out[threadIdx.x] = other;
  }
}

void warp_private() {
  Buffer<short> out(256);
  CHECK_CUDA(MT_LAUNCH(warp_private_kernel, 1, 256, 0, nullptr, out.data));
  auto r = out.host();
  for (int t = 0; t < 256; ++t) EXPECT(r[t] == (t % 32 + 7) % 32 * 3 + 3);
}

// A block waits for another thread's flag; the last block adds up what all have left.
__global__ void last_block_kernel(const float* x, float* partial, unsigned* counter, float* out,
                                  int n) {
  MT_SHARED(int, last, 1);
  float v = 0;
  for (int i = blockIdx.x * 32 + threadIdx.x; i < n; i += gridDim.x * 32) v += x[i];
  v = warp_sum(v);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = v;
    __threadfence();
    last[0] = atomicAdd(counter, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last[0]) {
    v = threadIdx.x < gridDim.x ? partial[threadIdx.x] : 0.0f;
    v = warp_sum(v);
    if (threadIdx.x == 0) *out = v;
  }
}

void last_block() {
  auto x = random_floats(1000, 9);
  Buffer<float> dx(x), partial(10), out(1);
  Buffer<unsigned> counter(std::vector<unsigned>(1, 0));
  CHECK_CUDA(MT_LAUNCH(last_block_kernel, 10, 32, 0, nullptr, dx.data, partial.data, counter.data,
                       out.data, 1000));
  double expected = 0;
  for (float v : x) expected += v;
  EXPECT(std::fabs(out.host()[0] - expected) < 1e-4);
}

// Thread 0 fills, all others spin on the flag.
__global__ void spin_kernel(int* flag, int* out) {
  if (threadIdx.x == blockDim.x - 1) {
    *out = 42;
    __threadfence();
    atomicExch(flag, 1);
  } else {
    while (atomicAdd(flag, 0) == 0) MT_SPIN();
    atomicAdd(out, 1);
  }
}

void spin() {
  Buffer<int> flag(std::vector<int>(1, 0)), out(1);
  CHECK_CUDA(MT_LAUNCH(spin_kernel, 1, 96, 0, nullptr, flag.data, out.data));
  EXPECT(out.host()[0] == 42 + 95);
}

__global__ void indices_kernel(int* out) {
  const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const int threads = blockDim.x * blockDim.y * blockDim.z;
  // Warps are made of neighbours in x, then y, then z.
  const int first = __shfl_sync(0xffffffffu, thread, 0);
  out[block * threads + thread] = first * 100000 + block * 1000 + thread;
}

void indices() {
  Buffer<int> out(12 * 192);
  CHECK_CUDA(MT_LAUNCH(indices_kernel, dim3(3, 2, 2), dim3(4, 16, 3), 0, nullptr, out.data));
  auto r = out.host();
  for (int b = 0; b < 12; ++b)
    for (int t = 0; t < 192; ++t) EXPECT(r[b * 192 + t] == t / 32 * 32 * 100000 + b * 1000 + t);
}

// A tree over shared memory: a barrier per step, by all 1024 threads.
__global__ void tree_kernel(int* out) {
  MT_SHARED(int, sums, 1024);
  const int t = threadIdx.x;
  sums[t] = t + blockIdx.x;
  for (int half = 512; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) sums[t] += sums[t + half];
  }
  if (t == 0) out[blockIdx.x] = sums[0];
}

void tree() {
  Buffer<int> out(40);
  CHECK_CUDA(MT_LAUNCH(tree_kernel, 40, 1024, 0, nullptr, out.data));
  auto r = out.host();
  for (int b = 0; b < 40; ++b) EXPECT(r[b] == 1023 * 512 + 1024 * b);
}

int main(int argc, char** argv) {
  return run_tests({{"add", add},
                    {"sum", sum},
                    {"gemm", gemm},
                    {"histogram", histogram},
                    {"votes", votes},
                    {"named_barrier", named_barrier},
                    {"early_exit", early_exit},
                    {"warp_private", warp_private},
                    {"last_block", last_block},
                    {"spin", spin},
                    {"indices", indices},
                    {"tree", tree}},
                   argc, argv);
}
