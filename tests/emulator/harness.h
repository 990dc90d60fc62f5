// Shared by the test programs: buffers of device memory, comparison, a list of named tests of which
// main runs those given as arguments (all if none).
#pragma once
#include <cassert>  // before simt.h, which makes failed assertions reports
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "cuda/core/simt.h"
#if defined(MT_EMULATE)
#include "cuda/emulator/emulator.h"
#endif

#define CHECK_CUDA(call)                                                          \
  do {                                                                            \
    cudaError_t error_ = (call);                                                  \
    if (error_ != cudaSuccess) {                                                  \
      std::printf("%s:%d: %s\n", __FILE__, __LINE__, cudaGetErrorString(error_)); \
      std::exit(1);                                                               \
    }                                                                             \
  } while (0)

#define EXPECT(condition)                                         \
  do {                                                            \
    if (!(condition)) {                                           \
      std::printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                               \
    }                                                             \
  } while (0)

template <class T>
struct Buffer {
  T* data = nullptr;
  size_t size;
  explicit Buffer(size_t n) : size(n) { CHECK_CUDA(cudaMalloc((void**)&data, n * sizeof(T))); }
  explicit Buffer(const std::vector<T>& host) : Buffer(host.size()) {
    CHECK_CUDA(cudaMemcpy(data, host.data(), size * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~Buffer() { cudaFree(data); }
  Buffer(const Buffer&) = delete;
  std::vector<T> host() const {
    std::vector<T> copy(size);
    CHECK_CUDA(cudaMemcpy(copy.data(), data, size * sizeof(T), cudaMemcpyDeviceToHost));
    return copy;
  }
};

inline std::vector<float> random_floats(size_t n, unsigned seed) {
  std::vector<float> v(n);
  for (float& x : v) {
    seed = seed * 1664525u + 1013904223u;
    x = float(seed >> 8) / float(1 << 24) - 0.5f;
  }
  return v;
}

struct Test {
  const char* name;
  void (*run)();
};

inline int run_tests(const std::vector<Test>& tests, int argc, char** argv) {
  for (const Test& test : tests) {
    bool wanted = argc == 1;
    for (int i = 1; i < argc; ++i) wanted |= std::strcmp(argv[i], test.name) == 0;
    if (!wanted) continue;
    std::printf("%s: ", test.name);
    std::fflush(stdout);
    test.run();
    std::printf("ok\n");
  }
  return 0;
}
