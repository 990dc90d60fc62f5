// One bug per kernel. The test script looks for the marked lines in the reports.
#include "tests/emulator/harness.h"

using namespace mt;

__global__ void global_past_end_kernel(float* x, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  x[i] = float(n);  // LINE global_past_end
}
void global_past_end() {
  Buffer<float> x(100);
  (void)MT_LAUNCH(global_past_end_kernel, 4, 32, 0, nullptr, x.data, 100);
}

__global__ void global_before_start_kernel(const float* x, float* y) {
  y[threadIdx.x] = x[int(threadIdx.x) - 2048];  // LINE global_before_start
}
void global_before_start() {
  Buffer<float> x(1024), y(32);
  (void)MT_LAUNCH(global_before_start_kernel, 1, 32, 0, nullptr, (const float*)x.data, y.data);
}

__global__ void canary_kernel(char* x, int n) { x[n] = 1; }
void canary() {
  Buffer<char> x(100);
  (void)MT_LAUNCH(canary_kernel, 1, 1, 0, nullptr, x.data, 102);
}

__global__ void use_after_free_kernel(float* x) {
  x[threadIdx.x] = 1;  // LINE use_after_free
}
void use_after_free() {
  float* x;
  CHECK_CUDA(cudaMalloc((void**)&x, 400));
  CHECK_CUDA(cudaFree(x));
  (void)MT_LAUNCH(use_after_free_kernel, 1, 32, 0, nullptr, x);
}

__global__ void null_kernel(float* x) {
  if (threadIdx.x == 5) *x = 1;  // LINE null_pointer
}
void null_pointer() { (void)MT_LAUNCH(null_kernel, 1, 32, 0, nullptr, (float*)nullptr); }

void host_argument() {
  std::vector<float> x(32);
  (void)MT_LAUNCH(null_kernel, 1, 32, 0, nullptr, x.data());
}

__global__ void shared_bounds_kernel(float* out) {
  MT_SHARED(float, first, 64);
  MT_SHARED(float, second, 64);
  first[threadIdx.x] = 1;
  second[threadIdx.x] = 2;
  __syncthreads();
  float v = first[threadIdx.x + 4];  // LINE shared_bounds
  out[threadIdx.x] = v + second[threadIdx.x];
}
void shared_bounds() {
  Buffer<float> out(64);
  (void)MT_LAUNCH(shared_bounds_kernel, dim3(1, 2), 64, 0, nullptr, out.data);
}

__global__ void dynamic_bounds_kernel() {
  MT_DYN_SHARED(int, tile);
  tile[int(threadIdx.x) - 1] = 1;  // LINE dynamic_bounds
}
void dynamic_bounds() { (void)MT_LAUNCH(dynamic_bounds_kernel, 1, 32, 128, nullptr); }

__global__ void misaligned_kernel(float* out) {
  MT_SHARED(float, tile, 64);
  tile[threadIdx.x] = 1;
  __syncthreads();
  float4 v = shared_cast<float4>(tile + 1)[0];  // LINE misaligned
  out[threadIdx.x] = v.x;
}
void misaligned() {
  Buffer<float> out(64);
  (void)MT_LAUNCH(misaligned_kernel, 1, 64, 0, nullptr, out.data);
}

__global__ void uninitialised_kernel(float* out) {
  MT_SHARED(float, tile, 64);
  if (threadIdx.x != 9) tile[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = tile[63 - threadIdx.x];  // LINE uninitialised
}
void uninitialised() {
  Buffer<float> out(64);
  (void)MT_LAUNCH(uninitialised_kernel, 1, 64, 0, nullptr, out.data);
}

// The barrier between writing and reading is missing.
__global__ void race_blocks_kernel(float* out) {
  MT_SHARED(float, tile, 64);
  tile[threadIdx.x] = 0;
  __syncthreads();
  tile[threadIdx.x] = float(threadIdx.x);     // LINE race_barrier
  out[threadIdx.x] = tile[63 - threadIdx.x];  // LINE race_barrier
}
void race_barrier() {
  Buffer<float> out(64);
  (void)MT_LAUNCH(race_blocks_kernel, 1, 64, 0, nullptr, out.data);
}

// The barrier between reading and the next round's writing is missing.
__global__ void race_reuse_kernel(float* out) {
  MT_SHARED(float, tile, 64);
  for (int round = 0; round < 2; ++round) {
    tile[threadIdx.x] = float(round);  // LINE race_reuse
    __syncthreads();
    out[threadIdx.x] = tile[63 - threadIdx.x];  // LINE race_reuse
  }
}
void race_reuse() {
  Buffer<float> out(64);
  (void)MT_LAUNCH(race_reuse_kernel, 1, 64, 0, nullptr, out.data);
}

// Lanes of a warp are not in step without __syncwarp.
__global__ void race_lanes_kernel(int* out) {
  MT_SHARED(int, tile, 32);
  tile[threadIdx.x] = 0;
  __syncwarp();
  tile[threadIdx.x] = int(threadIdx.x);       // LINE race_lanes
  out[threadIdx.x] = tile[threadIdx.x ^ 1u];  // LINE race_lanes
}
void race_lanes() {
  Buffer<int> out(32);
  (void)MT_LAUNCH(race_lanes_kernel, 1, 32, 0, nullptr, out.data);
}

__global__ void race_atomic_kernel(int* out) {
  MT_SHARED(int, sum, 1);
  if (threadIdx.x == 0) sum[0] = 0;
  __syncthreads();
  atomicAdd(&sum[0], 1);      // LINE race_atomic
  out[threadIdx.x] = sum[0];  // LINE race_atomic
}
void race_atomic() {
  Buffer<int> out(64);
  (void)MT_LAUNCH(race_atomic_kernel, 1, 64, 0, nullptr, out.data);
}

// The consumers wait for the producers' barrier, the producers do not wait for the consumers.
__global__ void race_named_kernel(int* out) {
  MT_SHARED(int, tile, 32);
  for (int round = 0; round < 2; ++round) {
    if (threadIdx.x < 32) {
      tile[threadIdx.x] = round;  // LINE race_named
      MT_NAMED_BARRIER(1, 64);
    } else {
      MT_NAMED_BARRIER(1, 64);
      out[threadIdx.x] = tile[63 - threadIdx.x];  // LINE race_named
    }
  }
}
void race_named() {
  Buffer<int> out(64);
  (void)MT_LAUNCH(race_named_kernel, 1, 64, 0, nullptr, out.data);
}

__global__ void divergent_barrier_kernel() {
  if (threadIdx.x < 32) __syncthreads();  // LINE divergent_barrier
  else __syncthreads();                   // LINE divergent_barrier
}
void divergent_barrier() { (void)MT_LAUNCH(divergent_barrier_kernel, 1, 64, 0, nullptr); }

__global__ void divergent_warp_kernel(int* out) {
  int v = int(threadIdx.x);
  if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffffffu, v, 1);  // LINE divergent_warp
  else v = __shfl_xor_sync(0xffffffffu, v, 2);                   // LINE divergent_warp
  out[threadIdx.x] = v;
}
void divergent_warp() {
  Buffer<int> out(32);
  (void)MT_LAUNCH(divergent_warp_kernel, 1, 32, 0, nullptr, out.data);
}

__global__ void missing_lane_kernel(int* out) {
  int v = int(threadIdx.x);
  if (threadIdx.x != 3) v = __shfl_xor_sync(0xffffffffu, v, 1);  // LINE missing_lane
  __syncthreads();                                               // LINE missing_lane
  out[threadIdx.x] = v;
}
void missing_lane() {
  Buffer<int> out(64);
  (void)MT_LAUNCH(missing_lane_kernel, 1, 64, 0, nullptr, out.data);
}

__global__ void exited_lane_kernel(int* out) {
  if (threadIdx.x >= 20) return;
  out[threadIdx.x] = __shfl_down_sync(0xffffffffu, int(threadIdx.x), 4);  // LINE exited_lane
}
void exited_lane() {
  Buffer<int> out(32);
  (void)MT_LAUNCH(exited_lane_kernel, 1, 32, 0, nullptr, out.data);
}

__global__ void own_mask_kernel(int* out) {
  out[threadIdx.x] = __ballot_sync(0x7fffffffu, 1);  // LINE own_mask
}
void own_mask() {
  Buffer<int> out(32);
  (void)MT_LAUNCH(own_mask_kernel, 1, 32, 0, nullptr, out.data);
}

__global__ void barrier_count_kernel() {
  if (threadIdx.x < 32) MT_NAMED_BARRIER(2, 64);
  else MT_NAMED_BARRIER(2, 96);
}
void barrier_count() { (void)MT_LAUNCH(barrier_count_kernel, 1, 96, 0, nullptr); }

__global__ void deadlock_kernel() {
  if (threadIdx.x < 32) MT_NAMED_BARRIER(1, 64);  // LINE deadlock
}
void deadlock() { (void)MT_LAUNCH(deadlock_kernel, 1, 64, 0, nullptr); }

__global__ void spin_deadlock_kernel(int* flag) {
  if (threadIdx.x < 7)
    while (atomicAdd(flag, 0) == 0) MT_SPIN();  // LINE spin_deadlock
}
void spin_deadlock() {
  Buffer<int> flag(std::vector<int>(1, 0));
  (void)MT_LAUNCH(spin_deadlock_kernel, 1, 32, 0, nullptr, flag.data);
}

__global__ void stack_kernel(float* out) {
  volatile float big[100000];
  for (int i = 0; i < 100000; i += 500) big[i] = float(i);
  out[threadIdx.x] = big[threadIdx.x * 500];
}
void stack_overflow() {
  Buffer<float> out(32);
  (void)MT_LAUNCH(stack_kernel, 1, 32, 0, nullptr, out.data);
}

__global__ void assert_kernel() {
  assert(threadIdx.x != 7);  // LINE assertion
}
void assertion() { (void)MT_LAUNCH(assert_kernel, 1, 32, 0, nullptr); }

#if defined(MT_EMULATE)
__global__ void static_limit_kernel() {
  MT_SHARED(double, big, 6145);
  big[threadIdx.x] = 1;
}
void static_limit() { (void)MT_LAUNCH(static_limit_kernel, 1, 32, 0, nullptr); }

__global__ void throw_kernel() {
  if (threadIdx.x == 3) throw std::runtime_error("thrown on purpose");
}
void exception() { (void)MT_LAUNCH(throw_kernel, 1, 32, 0, nullptr); }

__global__ void trap_kernel() {
  if (blockIdx.x == 1 && threadIdx.x == 2) __trap();  // LINE trap
}
void trap() { (void)MT_LAUNCH(trap_kernel, 2, 32, 0, nullptr); }
#endif

int main(int argc, char** argv) {
  const std::vector<Test> bugs = {
      {"global_past_end", global_past_end},
      {"global_before_start", global_before_start},
      {"canary", canary},
      {"use_after_free", use_after_free},
      {"null_pointer", null_pointer},
      {"host_argument", host_argument},
      {"shared_bounds", shared_bounds},
      {"dynamic_bounds", dynamic_bounds},
      {"misaligned", misaligned},
      {"uninitialised", uninitialised},
      {"race_barrier", race_barrier},
      {"race_reuse", race_reuse},
      {"race_lanes", race_lanes},
      {"race_atomic", race_atomic},
      {"race_named", race_named},
      {"divergent_barrier", divergent_barrier},
      {"divergent_warp", divergent_warp},
      {"missing_lane", missing_lane},
      {"exited_lane", exited_lane},
      {"own_mask", own_mask},
      {"barrier_count", barrier_count},
      {"deadlock", deadlock},
      {"spin_deadlock", spin_deadlock},
      {"stack_overflow", stack_overflow},
      {"assertion", assertion},
#if defined(MT_EMULATE)
      {"static_limit", static_limit},
      {"exception", exception},
      {"trap", trap},
#endif
  };
#if defined(MT_EMULATE)
  // Each bug in each schedule, in one process: a report leaves the emulator usable.
  using mt::emu::Order;
  const std::pair<const char*, std::pair<Order, int>> schedules[] = {
      {"forward", {Order::Forward, 0}},
      {"reverse", {Order::Reverse, 0}},
      {"random:1", {Order::Random, 1}},
      {"random:2", {Order::Random, 2}}};
  for (auto& [name, schedule] : schedules) {
    mt::emu::set_schedule(schedule.first, uint64_t(schedule.second));
    for (const Test& bug : bugs) {
      bool wanted = argc == 1;
      for (int i = 1; i < argc; ++i) wanted |= std::strcmp(argv[i], bug.name) == 0;
      if (!wanted) continue;
      mt::emu::clear_last_report();
      bug.run();
      const cudaError_t error = cudaGetLastError();
      std::printf("== %s %s %s\n%s\n", name, bug.name, cudaGetErrorName(error),
                  mt::emu::last_report().c_str());
    }
  }
  return 0;
#else
  return run_tests(bugs, argc, argv);
#endif
}
