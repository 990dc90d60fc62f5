// Launching kernels: MT_LAUNCH and the runtime's launch functions.
#pragma once
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/emulator/cuda_runtime_api.h"
#include "cuda/emulator/thread.h"

namespace mt::emu {

struct LaunchConfig {
  dim3 grid, block, cluster;
  size_t shared_bytes = 0;
  cudaStream_t stream = nullptr;
  bool cooperative = false;
  const char* name = nullptr;  // as in the source, if known
  const void* function = nullptr;
};

// A kernel with its arguments, without its type.
struct KernelCall {
  void (*invoke)(const void* call);
  void* (*copy)(const void* call);
  void (*destroy)(void* copy);
  const void* call;
};

// Checks the configuration as the hardware does, runs the kernel or records it into a capture.
cudaError_t submit(const LaunchConfig&, const KernelCall&);
// A pointer that kernels cannot use is an error of the launch; `index` counts from 1.
bool usable_argument(const LaunchConfig&, int index, const void* p);
LaunchConfig config_of(const cudaLaunchConfig_t&);

template <class... P>
cudaError_t launch_values(LaunchConfig config, void (*kernel)(P...), std::tuple<P...> values) {
  struct Call {
    void (*kernel)(P...);
    std::tuple<P...> values;
  };
  config.function = reinterpret_cast<const void*>(kernel);
  int index = 0;
  bool usable = true;
  std::apply(
      [&](const auto&... value) {
        (
            [&] {
              ++index;
              if constexpr (std::is_pointer_v<std::decay_t<decltype(value)>>)
                if constexpr (!std::is_function_v<
                                  std::remove_pointer_t<std::decay_t<decltype(value)>>>)
                  usable = usable && usable_argument(config, index, (const void*)(value));
            }(),
            ...);
      },
      values);
  (void)index;
  if (!usable) return cudaErrorLaunchFailure;
  Call call{kernel, std::move(values)};
  return submit(config,
                {[](const void* c) {
                   const Call& self = *static_cast<const Call*>(c);
                   std::apply(self.kernel, self.values);
                 },
                 [](const void* c) -> void* { return new Call(*static_cast<const Call*>(c)); },
                 [](void* copy) { delete static_cast<Call*>(copy); }, &call});
}

template <class... P, class... A>
cudaError_t launch(void (*kernel)(P...), const char* name, dim3 grid, dim3 block,
                   size_t shared_bytes, cudaStream_t stream, A&&... args) {
  static_assert(sizeof...(P) == sizeof...(A), "a kernel is launched with all of its arguments");
  LaunchConfig config{grid, block, dim3(), shared_bytes, stream, false, name, nullptr};
  return launch_values<P...>(config, kernel, std::tuple<P...>(static_cast<P>(args)...));
}

template <class... P, size_t... I>
std::tuple<P...> unpack(void** args, std::index_sequence<I...>) {
  return std::tuple<P...>(*static_cast<P*>(args[I])...);
}

}  // namespace mt::emu

// Evaluates to the launch's error; cudaGetLastError() still returns it afterwards.
#define MT_LAUNCH(kernel, grid, block, smem_bytes, stream, ...)             \
  ::mt::emu::launch(kernel, #kernel, dim3(grid), dim3(block), (smem_bytes), \
                    (stream)__VA_OPT__(, ) __VA_ARGS__)

template <class... P, class... A>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(P...),
                               A&&... args) {
  return mt::emu::launch_values<P...>(mt::emu::config_of(*config), kernel,
                                      std::tuple<P...>(static_cast<P>(args)...));
}
template <class... P>
cudaError_t cudaLaunchKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** args,
                             size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  mt::emu::LaunchConfig config{grid, block, dim3(), shared_bytes, stream, false, nullptr, nullptr};
  return mt::emu::launch_values<P...>(config, kernel,
                                      mt::emu::unpack<P...>(args, std::index_sequence_for<P...>{}));
}
template <class... P>
cudaError_t cudaLaunchCooperativeKernel(void (*kernel)(P...), dim3 grid, dim3 block, void** args,
                                        size_t shared_bytes = 0, cudaStream_t stream = nullptr) {
  mt::emu::LaunchConfig config{grid, block, dim3(), shared_bytes, stream, true, nullptr, nullptr};
  return mt::emu::launch_values<P...>(config, kernel,
                                      mt::emu::unpack<P...>(args, std::index_sequence_for<P...>{}));
}
template <class... P>
cudaError_t cudaFuncSetAttribute(void (*kernel)(P...), cudaFuncAttribute attribute, int value) {
  return cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), attribute, value);
}
template <class... P>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*kernel)(P...)) {
  return cudaFuncGetAttributes(attributes, reinterpret_cast<const void*>(kernel));
}
template <class... P>
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, void (*kernel)(P...),
                                                          int block_size, size_t shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessor(
      blocks, reinterpret_cast<const void*>(kernel), block_size, shared_bytes);
}
