// Kernel launches: limits of the hardware, attributes of kernels, what happens to a failed check.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>

#include "cuda/emulator/device_memory.h"
#include "cuda/emulator/launch.h"
#include "cuda/emulator/report.h"
#include "cuda/emulator/runtime.h"
#include "cuda/emulator/scheduler.h"

namespace mt::emu {
namespace {

std::mutex mutex;
std::map<const void*, int> dynamic_limits;

int dynamic_limit(const void* kernel) {
  std::lock_guard lock(mutex);
  auto it = dynamic_limits.find(kernel);
  return it == dynamic_limits.end() ? int(kMaxStaticShared) : it->second;
}

uint32_t blocks_per_processor(uint32_t threads, size_t shared_bytes) {
  const uint32_t warps = (threads + kWarp - 1) / kWarp;
  uint32_t blocks = std::min(32u, 64u / std::max(warps, 1u));
  const size_t each = shared_bytes + kSharedStart;
  return std::min<uint32_t>(blocks, uint32_t((228u << 10) / each));
}

cudaError_t check_limits(const LaunchConfig& c) {
  const dim3 g = c.grid, b = c.block, k = c.cluster;
  if (!g.x || !g.y || !g.z || g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535)
    return cudaErrorInvalidConfiguration;
  if (!b.x || !b.y || !b.z || b.x > 1024 || b.y > 1024 || b.z > 64 ||
      b.x * b.y * b.z > uint32_t(kMaxThreads))
    return cudaErrorInvalidConfiguration;
  if (c.shared_bytes > kMaxShared || int(c.shared_bytes) > dynamic_limit(c.function))
    return cudaErrorInvalidValue;
  if (!k.x || !k.y || !k.z || k.x * k.y * k.z > 16 || g.x % k.x || g.y % k.y || g.z % k.z)
    return cudaErrorInvalidConfiguration;
  if (c.cooperative &&
      uint64_t(g.x) * g.y * g.z > 4ull * blocks_per_processor(b.x * b.y * b.z, c.shared_bytes))
    return cudaErrorCooperativeLaunchTooLarge;
  return cudaSuccess;
}

Launch launch_of(const LaunchConfig& c, const KernelCall& call) {
  Launch l;
  l.name = c.name;
  l.function = c.function;
  l.grid = c.grid;
  l.block = c.block;
  l.cluster = c.cluster;
  l.shared_bytes = uint32_t(c.shared_bytes);
  l.cooperative = c.cooperative;
  l.invoke = call.invoke;
  l.arguments = call.call;
  return l;
}

void publish(std::string text) {
  std::fprintf(stderr, "minitorch emulator: %s\n", text.c_str());
  set_last_report(std::move(text));
}

cudaError_t execute(Launch launch) {
  if (in_kernel()) return record(cudaErrorNotSupported);
  prepare_thread();
  Engine& e = engine();
  bool ok;
  {
    DeviceAccess access;
    ok = e.run(launch);
  }
  if (!ok) {
    std::string text = e.report;
    if (e.report_pc) text += "\n  at " + source_line(e.report_pc);
    if (e.order == Order::Reverse) text += "\n  in schedule reverse";
    if (e.order == Order::Random)
      text += format("\n  in schedule random:%llu", (unsigned long long)settings().seed);
    publish(std::move(text));
    return record_device_error(cudaErrorLaunchFailure);
  }
  if (e.checks) {
    if (std::string damage = check_canaries(); !damage.empty()) {
      publish(format("kernel %s: ", kernel_name(launch).c_str()) + damage);
      return record_device_error(cudaErrorLaunchFailure);
    }
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t submit(const LaunchConfig& config, const KernelCall& call) {
  if (cudaError_t error = check_limits(config)) return record(error);
  CUstream_st* s;
  if (!find_stream(config.stream, &s)) return record(cudaErrorInvalidResourceHandle);
  if (!s || !s->capture) {
    if (!s && capture_forbids()) return record(cudaErrorStreamCaptureImplicit);
    return execute(launch_of(config, call));
  }
  KernelCall kept = call;
  std::shared_ptr<void> arguments(call.copy(call.call), call.destroy);
  return run_on(config.stream, [config, kept, arguments]() mutable {
    kept.call = arguments.get();
    return execute(launch_of(config, kept));
  });
}

bool usable_argument(const LaunchConfig& config, int index, const void* p) {
  if (!settings().checks || uintptr_t(p) < 4096 || in_device_arena(p) || is_global_variable(p) ||
      kind_of(p) == Kind::Pinned)
    return true;
  Launch l;
  l.name = config.name;
  l.function = config.function;
  publish(format("kernel %s: argument %d is %p, a pointer to memory of the host",
                 kernel_name(l).c_str(), index, p));
  record_device_error(cudaErrorLaunchFailure);
  return false;
}

LaunchConfig config_of(const cudaLaunchConfig_t& c) {
  LaunchConfig config;
  config.grid = c.grid_;
  config.block = c.block_;
  config.shared_bytes = c.dynamicSmemBytes;
  config.stream = c.stream;
  for (unsigned i = 0; i < c.numAttrs; ++i) {
    const cudaLaunchAttribute& a = c.attrs[i];
    if (a.id == cudaLaunchAttributeCooperative) config.cooperative = a.val.cooperative != 0;
    if (a.id == cudaLaunchAttributeClusterDimension)
      config.cluster = dim3(a.val.clusterDim.x, a.val.clusterDim.y, a.val.clusterDim.z);
  }
  return config;
}

}  // namespace mt::emu

using namespace mt::emu;

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
    if (value < 0 || value > int(kMaxShared)) return record(cudaErrorInvalidValue);
    std::lock_guard lock(mutex);
    dynamic_limits[kernel] = value;
  }
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* a, const void* kernel) {
  *a = {};
  a->maxThreadsPerBlock = kMaxThreads;
  a->numRegs = 32;
  a->ptxVersion = a->binaryVersion = 90;
  a->maxDynamicSharedSizeBytes = dynamic_limit(kernel);
  return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int block_size,
                                                          size_t shared_bytes) {
  if (block_size < 1 || block_size > kMaxThreads) return record(cudaErrorInvalidValue);
  *blocks = int(blocks_per_processor(uint32_t(block_size), shared_bytes));
  return cudaSuccess;
}
