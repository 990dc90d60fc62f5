// What the test programs share. Each is one .cu file with a main(): built by g++ against the
// emulator (where every case runs under three schedules, with early and late asynchronous work) or
// by nvcc.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "cuda/core/simt.h"
#if defined(MT_EMULATE)
#include "cuda/emulator/report.h"
#include "cuda/emulator/settings.h"
#endif

namespace mt::test {

inline int failures = 0;

inline std::string last_report() {
#if defined(MT_EMULATE)
  return emu::last_report();
#else
  return "";
#endif
}

inline void expect(bool ok, const char* what, const std::string& detail = "") {
  if (ok) return;
  ++failures;
  std::printf("FAILED %s %s\n", what, detail.c_str());
}

// After a launch: waits, and fails with the error or the emulator's report.
inline bool launched(const char* what) {
  cudaError_t error = cudaDeviceSynchronize();
  const cudaError_t at_launch = cudaGetLastError();
  if (error == cudaSuccess) error = at_launch;
  if (error == cudaSuccess) return true;
  ++failures;
  std::printf("FAILED %s: %s %s\n", what, cudaGetErrorString(error), last_report().c_str());
  return false;
}

// Runs f once per mode.
template <class F>
void for_each_mode(const char* name, F&& f) {
#if defined(MT_EMULATE)
  for (emu::Async async : {emu::Async::Early, emu::Async::Late})
    for (int schedule = 0; schedule < 3; ++schedule) {
      emu::set_async(async);
      emu::set_schedule(emu::Order(schedule), 7);
      const int before = failures;
      f();
      if (failures != before)
        std::printf("  in %s, %s, schedule %d\n", name,
                    async == emu::Async::Early ? "early" : "late", schedule);
    }
#else
  f();
#endif
}

template <class T>
struct DeviceArray {
  T* p = nullptr;
  size_t n;
  explicit DeviceArray(size_t count) : n(count) { cudaMalloc(&p, (n ? n : 1) * sizeof(T)); }
  explicit DeviceArray(const std::vector<T>& host) : DeviceArray(host.size()) {
    cudaMemcpy(p, host.data(), n * sizeof(T), cudaMemcpyHostToDevice);
  }
  DeviceArray(const DeviceArray&) = delete;
  ~DeviceArray() { cudaFree(p); }
  std::vector<T> get() const {
    std::vector<T> host(n);
    cudaMemcpy(host.data(), p, n * sizeof(T), cudaMemcpyDeviceToHost);
    return host;
  }
};

// Rounded to the type under test, so that references start from what the kernel sees.
template <class T>
T make(float x) {
  if constexpr (sizeof(T) == 4) return T(x);
  else if constexpr (dtype_of<T>::value == DType::BFloat16) return to_bfloat16(x);
  else return to_float16(x);
}
template <class T>
double value(T x) {
  if constexpr (sizeof(T) == 2) return to_float(x);
  else return double(x);
}
template <class T>
std::vector<T> random_values(size_t n, uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<T> v(n);
  for (T& x : v) x = make<T>(uniform(engine));
  return v;
}

inline int finish() {
  std::printf(failures ? "%d failures\n" : "ok\n", failures);
  return failures ? 1 : 0;
}

}  // namespace mt::test
