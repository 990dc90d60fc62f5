// mma.sync of every type against a double-precision product; rounding to tf32.
#include "cuda/core/ptx_mma.cuh"

#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

// One warp: D = C + A B with A [16, K] and B [K, 8] row-major, fragments gathered by hand.
template <class T>
__global__ void mma_kernel(const T* a, const T* b, const float* c, float* d) {
  constexpr int K = 32 / sizeof(T), per_word = 4 / sizeof(T);
  const int g = int(threadIdx.x) / 4, t = int(threadIdx.x) % 4;
  uint32_t fa[4], fb[2];
  float acc[4];
  auto word = [&](const T* p, int stride) {
    if constexpr (sizeof(T) == 4) return ptx::to_tf32(*p);
    else return uint32_t(p[0].bits) | uint32_t(p[stride].bits) << 16;
  };
  for (int i = 0; i < 4; ++i)
    fa[i] = word(a + (g + i % 2 * 8) * K + i / 2 * (K / 2) + t * per_word, 1);
  for (int i = 0; i < 2; ++i) fb[i] = word(b + (i * (K / 2) + t * per_word) * 8 + g, 8);
  for (int i = 0; i < 4; ++i) acc[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  if constexpr (sizeof(T) == 4) ptx::mma_m16n8k8_tf32(acc, fa, fb);
  else ptx::mma_m16n8k16<T>(acc, fa, fb);
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = acc[i];
}

__global__ void mma_s8_kernel(const int8_t* a, const int8_t* b, const int32_t* c, int32_t* d) {
  const int g = int(threadIdx.x) / 4, t = int(threadIdx.x) % 4;
  uint32_t fa[4] = {}, fb[2] = {};
  int32_t acc[4];
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      fa[i] |= uint32_t(uint8_t(a[(g + i % 2 * 8) * 32 + i / 2 * 16 + 4 * t + j])) << (8 * j);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      fb[i] |= uint32_t(uint8_t(b[(i * 16 + 4 * t + j) * 8 + g])) << (8 * j);
  for (int i = 0; i < 4; ++i) acc[i] = c[(g + i / 2 * 8) * 8 + 2 * t + i % 2];
  ptx::mma_m16n8k32_s8(acc, fa, fb);
  for (int i = 0; i < 4; ++i) d[(g + i / 2 * 8) * 8 + 2 * t + i % 2] = acc[i];
}

float as_tf32(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  u = (u + 0x1000u) & ~0x1fffu;
  std::memcpy(&x, &u, 4);
  return x;
}

template <class T>
void test_mma(const char* name) {
  constexpr int K = 32 / sizeof(T);
  const auto a = random_values<T>(16 * K, 1), b = random_values<T>(K * 8, 2);
  const auto c = random_values<float>(16 * 8, 3);
  DeviceArray<T> da(a), db(b);
  DeviceArray<float> dc(c), dd(16 * 8);
  MT_LAUNCH((mma_kernel<T>), dim3(1), dim3(32), 0, nullptr, da.p, db.p, dc.p, dd.p);
  if (!launched(name)) return;
  const auto d = dd.get();
  double worst = 0;
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n) {
      double want = c[size_t(m * 8 + n)];
      for (int k = 0; k < K; ++k) {
        double x = value(a[size_t(m * K + k)]), y = value(b[size_t(k * 8 + n)]);
        if (sizeof(T) == 4) x = as_tf32(float(x)), y = as_tf32(float(y));
        want += x * y;
      }
      worst = std::fmax(worst, std::fabs(want - double(d[size_t(m * 8 + n)])));
    }
  expect(worst < 4e-6, name, "error " + std::to_string(worst));
}

void test_mma_s8() {
  std::vector<int8_t> a(16 * 32), b(32 * 8);
  std::vector<int32_t> c(16 * 8);
  for (size_t i = 0; i < a.size(); ++i) a[i] = int8_t(i * 37 + 11);
  for (size_t i = 0; i < b.size(); ++i) b[i] = int8_t(i * 91 + 5);
  for (size_t i = 0; i < c.size(); ++i) c[i] = int32_t(i) * 1000 - 50000;
  DeviceArray<int8_t> da(a), db(b);
  DeviceArray<int32_t> dc(c), dd(16 * 8);
  MT_LAUNCH(mma_s8_kernel, dim3(1), dim3(32), 0, nullptr, da.p, db.p, dc.p, dd.p);
  if (!launched("mma_m16n8k32_s8")) return;
  for (int m = 0; m < 16; ++m)
    for (int n = 0; n < 8; ++n)
      for (int k = 0; k < 32; ++k)
        c[size_t(m * 8 + n)] += int(a[size_t(m * 32 + k)]) * int(b[size_t(k * 8 + n)]);
  expect(dd.get() == c, "mma_m16n8k32_s8");
}

__global__ void tf32_kernel(const float* x, uint32_t* r, int n) {
  for (int i = int(threadIdx.x); i < n; i += 32) r[i] = ptx::to_tf32(x[i]);
}

void test_rounding() {
  // Half of the last place rounds away from zero, whatever the place before it.
  std::vector<float> x = {
      1.0f, 1.0f + 0x1p-11f, 1.0f + 0x3p-11f, -1.0f - 0x1p-11f, 1.0f + 0x1p-11f - 0x1p-23f,
      0.0f, INFINITY};
  std::vector<float> want = {1.0f, 1.0f + 0x1p-10f, 1.0f + 0x1p-9f, -1.0f - 0x1p-10f, 1.0f,
                             0.0f, INFINITY};
  DeviceArray<float> dx(x);
  DeviceArray<uint32_t> dr(x.size());
  MT_LAUNCH(tf32_kernel, dim3(1), dim3(32), 0, nullptr, dx.p, dr.p, int(x.size()));
  if (!launched("to_tf32")) return;
  const auto r = dr.get();
  for (size_t i = 0; i < x.size(); ++i) {
    uint32_t u;
    std::memcpy(&u, &want[i], 4);
    expect(u == r[i], "to_tf32", std::to_string(i));
  }
}

template <class T>
__global__ void pack_kernel(uint32_t* r) {
  r[threadIdx.x] = ptx::pack_two<T>(1.5f + float(threadIdx.x), -2.0f);
}

}  // namespace

int main() {
  for_each_mode("mma", [] {
    test_mma<bfloat16>("mma_m16n8k16 bfloat16");
    test_mma<float16>("mma_m16n8k16 float16");
    test_mma<float>("mma_m16n8k8_tf32");
    test_mma_s8();
  });
  test_rounding();
  DeviceArray<uint32_t> packed(1);
  MT_LAUNCH((pack_kernel<bfloat16>), dim3(1), dim3(1), 0, nullptr, packed.p);
  if (launched("pack_two")) expect(packed.get()[0] == 0xc0003fc0u, "pack_two bfloat16");
  MT_LAUNCH((pack_kernel<float16>), dim3(1), dim3(1), 0, nullptr, packed.p);
  if (launched("pack_two")) expect(packed.get()[0] == 0xc0003e00u, "pack_two float16");
  return finish();
}
