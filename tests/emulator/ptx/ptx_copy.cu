// cp.async, ldmatrix, stmatrix against plain copies.
#include "cuda/core/ptx_copy.cuh"

#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

constexpr int kThreads = 64;

// Each thread copies `Bytes` bytes of which `valid` count; two groups under way at a time.
template <int Bytes>
__global__ void copy_kernel(const char* src, char* dst, int steps, int valid) {
  MT_SHARED(char, ring, 3 * kThreads * Bytes);
  const int t = int(threadIdx.x);
  auto fetch = [&](int i) {
    if (i < steps)
      ptx::cp_async<Bytes>(raw(ring + (i % 3 * kThreads + t) * Bytes),
                           src + (i * kThreads + t) * Bytes, uint32_t(valid));
    ptx::cp_async_commit();
  };
  fetch(0);
  fetch(1);
  for (int i = 0; i < steps; ++i) {
    ptx::cp_async_wait<1>();
    __syncthreads();
    fetch(i + 2);
    const int other = (t + 7) % kThreads;  // what another thread fetched
    for (int j = 0; j < Bytes; ++j) {
      const char c = ring[(i % 3 * kThreads + other) * Bytes + j];
      dst[(i * kThreads + other) * Bytes + j] = c;
    }
  }
}

template <int Bytes>
void test_copy() {
  constexpr int steps = 7, n = steps * kThreads * Bytes;
  std::vector<char> src(n);
  for (int i = 0; i < n; ++i) src[size_t(i)] = char(i * 31 + i / 256 + 1);
  for (int valid : {0, 1, Bytes - 1, Bytes}) {
    DeviceArray<char> a(src), b(n);
    MT_LAUNCH((copy_kernel<Bytes>), dim3(1), dim3(kThreads), 0, nullptr, a.p, b.p, steps, valid);
    if (!launched("cp_async")) continue;
    std::vector<char> out = b.get();
    bool same = true;
    for (int i = 0; i < n; ++i)
      same = same && out[size_t(i)] == (i % Bytes < valid ? src[size_t(i)] : 0);
    expect(same, "cp_async", std::to_string(Bytes) + " bytes, valid " + std::to_string(valid));
  }
}

__global__ void wait_all_kernel(const float* src, float* dst) {
  MT_SHARED(float, s, 32);
  ptx::cp_async<4>(raw(s + threadIdx.x), src + threadIdx.x);
  ptx::cp_async_wait_all();  // without a commit
  const float mine = s[threadIdx.x];
  dst[threadIdx.x] = mine;
}

void test_wait_all() {
  DeviceArray<float> a(random_values<float>(32, 1)), b(32);
  MT_LAUNCH(wait_all_kernel, dim3(1), dim3(32), 0, nullptr, a.p, b.p);
  if (launched("cp_async_wait_all")) expect(a.get() == b.get(), "cp_async_wait_all");
}

// Loads `Count` 8x8 matrices and writes each lane's words.
template <int Count, bool Trans>
__global__ void ldmatrix_kernel(const uint16_t* src, uint32_t* dst) {
  MT_SHARED(uint16_t, tile, 4 * 64);
  for (int i = int(threadIdx.x); i < 4 * 64; i += 32) tile[i] = src[i];
  __syncthreads();
  uint32_t r[Count];
  ptx::ldmatrix<Trans>(r, raw(shared_cast<float4>(tile) + threadIdx.x));
  for (int i = 0; i < Count; ++i) dst[i * 32 + int(threadIdx.x)] = r[i];
}

template <int Count, bool Trans>
__global__ void stmatrix_kernel(const uint32_t* src, uint16_t* dst) {
  if constexpr (ptx::kSm90) {
    MT_SHARED(uint16_t, tile, 4 * 64);
    uint32_t r[Count];
    for (int i = 0; i < Count; ++i) r[i] = src[i * 32 + int(threadIdx.x)];
    ptx::stmatrix<Trans>(raw(shared_cast<float4>(tile) + threadIdx.x), r);
    __syncthreads();
    for (int i = int(threadIdx.x); i < Count * 64; i += 32) {
      const uint16_t e = tile[i];
      dst[i] = e;
    }
  }
}

template <int Count, bool Trans>
void test_matrix() {
  std::vector<uint16_t> src(256);
  for (int i = 0; i < 256; ++i) src[size_t(i)] = uint16_t(i * 257 + 3);
  std::vector<uint32_t> want(Count * 32);
  for (int m = 0; m < Count; ++m)
    for (int l = 0; l < 32; ++l) {
      auto at = [&](int row, int col) { return uint32_t(src[size_t(m * 64 + row * 8 + col)]); };
      int g = l / 4, t = l % 4 * 2;
      want[size_t(m * 32 + l)] =
          Trans ? at(t, g) | at(t + 1, g) << 16 : at(g, t) | at(g, t + 1) << 16;
    }
  DeviceArray<uint16_t> a(src), back(Count * 64);
  DeviceArray<uint32_t> words(Count * 32);
  MT_LAUNCH((ldmatrix_kernel<Count, Trans>), dim3(1), dim3(32), 0, nullptr, a.p, words.p);
  if (launched("ldmatrix")) expect(words.get() == want, "ldmatrix", std::to_string(Count));
  MT_LAUNCH((stmatrix_kernel<Count, Trans>), dim3(1), dim3(32), 0, nullptr, words.p, back.p);
  src.resize(Count * 64);
  if (launched("stmatrix")) expect(back.get() == src, "stmatrix", std::to_string(Count));
}

}  // namespace

int main() {
  for_each_mode("copies", [] {
    test_copy<4>();
    test_copy<8>();
    test_copy<16>();
    test_wait_all();
  });
  for_each_mode("matrices", [] {
    test_matrix<1, false>();
    test_matrix<2, false>();
    test_matrix<4, false>();
    test_matrix<1, true>();
    test_matrix<2, true>();
    test_matrix<4, true>();
  });
  return finish();
}
