// wgmma of every type, width, operand source and layout against a double-precision product.
#include "cuda/core/ptx_wgmma.cuh"

#include "cuda/core/ptx_barrier.cuh"
#include "harness.h"

using namespace mt;
using namespace mt::test;

namespace {

// Two steps of K (64 bytes) through the descriptors under test.
template <class T>
constexpr int kDepth = 64 / int(sizeof(T));

// Byte offset of element (mn, k) of a tile of `extent` lines, before the swizzle.
template <class T>
__host__ __device__ int place(bool trans, int span, int extent, int mn, int k) {
  const int size = int(sizeof(T)), chunk = 16 / size, row = span / size;
  if (!trans) {
    if (span == 16)  // 8x16-byte cores: stride 128 along K, then groups of 8 lines
      return k / chunk * (extent * 16) + mn * 16 + k % chunk * size;
    return mn * span + k * size;
  }
  // Rows along M or N: chunks of a row's width, each kDepth rows of k.
  return mn / row * (kDepth<T> * span) + k * span + mn % row * size;
}

__host__ __device__ inline int swizzled(int offset, int span) {
  return offset ^ ((offset >> 7 & (span / 16 - 1)) << 4);
}

template <class T>
__device__ uint64_t operand(const char* tile, bool trans, int span, int extent) {
  const auto swizzle = span == 128  ? ptx::Swizzle::b128
                       : span == 64 ? ptx::Swizzle::b64
                       : span == 32 ? ptx::Swizzle::b32
                                    : ptx::Swizzle::none;
  const uint32_t chunks = uint32_t(kDepth<T> * span), cores = uint32_t(8 * span);
  if (trans) {
    // Without a swizzle the distances change roles.
    return span == 16 ? ptx::wgmma_descriptor(tile, cores, chunks, swizzle)
                      : ptx::wgmma_descriptor(tile, chunks, cores, swizzle);
  }
  return ptx::wgmma_descriptor(tile, span == 16 ? uint32_t(extent * 16) : 16, cores, swizzle);
}

template <class T, int N, bool TransA, bool TransB, int Span, bool Registers>
__global__ void __launch_bounds__(128)
    wgmma_kernel(const T* a, const T* b, const float* c, float* out) {
  if constexpr (!ptx::kSm90a) {
    ptx::unsupported();
  } else {
    using Wide = std::conditional_t<sizeof(T) == 4, ptx::tf32, T>;
    constexpr int K = kDepth<T>, bytes_a = 64 * K * int(sizeof(T));
    MT_DYN_SHARED_ALIGNED(char, smem, 1024);
    const int thread = int(threadIdx.x), lane = thread % 32, row = thread / 32 * 16 + lane / 4;
    for (int i = thread; i < (Registers ? 0 : 64 * K); i += 128)
      shared_cast<T>(smem + swizzled(place<T>(TransA, Span, 64, i / K, i % K), Span))[0] = a[i];
    for (int i = thread; i < N * K; i += 128)
      shared_cast<T>(smem + bytes_a + swizzled(place<T>(TransB, Span, N, i / K, i % K), Span))[0] =
          b[i];
    ptx::fence_proxy_async();
    __syncthreads();

    float d[N / 2];
    for (int i = 0; i < N / 2; ++i)
      d[i] = c[(row + i % 4 / 2 * 8) * N + i / 4 * 8 + lane % 4 * 2 + i % 2];
    const uint64_t da = operand<T>(raw(smem), TransA, Span, 64);
    const uint64_t db = operand<T>(raw(smem + bytes_a), TransB, Span, N);
    // From one step of K to the next.
    auto step = [](bool trans, int extent) {
      return uint32_t(trans ? 16 * Span : Span == 16 ? 2 * extent * 16 : 32);
    };
    uint32_t words[2][4];
    if constexpr (Registers) {
      constexpr int per_word = 4 / int(sizeof(T));
      for (int s = 0; s < 2; ++s)
        for (int i = 0; i < 4; ++i) {
          const T* p =
              a + (row + i % 2 * 8) * K + s * (K / 2) + i / 2 * (K / 4) + lane % 4 * per_word;
          if constexpr (sizeof(T) == 4) words[s][i] = __float_as_uint(*p);
          else words[s][i] = uint32_t(p[0].bits) | uint32_t(p[1].bits) << 16;
        }
    }
    ptx::wgmma_fence();
    for (int s = 0; s < 2; ++s) {
      const uint64_t bs = ptx::wgmma_advance(db, uint32_t(s) * step(TransB, N));
      if constexpr (Registers) ptx::wgmma<Wide, N, TransB>(d, words[s], bs);
      else
        ptx::wgmma<Wide, N, TransA, TransB>(
            d, ptx::wgmma_advance(da, uint32_t(s) * step(TransA, 64)), bs);
    }
    ptx::wgmma_commit();
    ptx::wgmma_wait<0>();
    ptx::wgmma_own(d);
    for (int i = 0; i < N / 2; ++i)
      out[(row + i % 4 / 2 * 8) * N + i / 4 * 8 + lane % 4 * 2 + i % 2] = d[i];
  }
}

double as_tf32(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  u &= ~0x1fffu;
  std::memcpy(&x, &u, 4);
  return x;
}

template <class T, int N, bool TransA, bool TransB, int Span, bool Registers>
void test_wgmma() {
  constexpr int K = kDepth<T>;
  const auto a = random_values<T>(64 * K, 1), b = random_values<T>(N * K, 2);
  const auto c = random_values<float>(64 * N, 3);
  DeviceArray<T> da(a), db(b);
  DeviceArray<float> dc(c), out(64 * N);
  auto* kernel = &wgmma_kernel<T, N, TransA, TransB, Span, Registers>;
  const int bytes = (64 + N) * K * int(sizeof(T));
  cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  MT_LAUNCH((wgmma_kernel<T, N, TransA, TransB, Span, Registers>), dim3(1), dim3(128), bytes,
            nullptr, da.p, db.p, dc.p, out.p);
  const std::string name = std::string(dtype_name(dtype_of<T>::value)) + " N " + std::to_string(N) +
                           " trans " + std::to_string(TransA) + std::to_string(TransB) + " span " +
                           std::to_string(Span) + (Registers ? " A from registers" : "");
  if (!launched(("wgmma " + name).c_str())) return;
  const auto got = out.get();
  double worst = 0;
  for (int m = 0; m < 64; ++m)
    for (int n = 0; n < N; ++n) {
      double want = c[size_t(m * N + n)];
      for (int k = 0; k < K; ++k) {
        const T x = a[size_t(m * K + k)], y = b[size_t(n * K + k)];
        if constexpr (sizeof(T) == 4) want += as_tf32(x) * as_tf32(y);
        else want += value(x) * value(y);
      }
      worst = std::fmax(worst, std::fabs(want - double(got[size_t(m * N + n)])));
    }
  expect(worst < 1e-5, "wgmma", name + ": error " + std::to_string(worst));
}

}  // namespace

int main() {
  for_each_mode("wgmma", [] {
    test_wgmma<bfloat16, 64, false, false, 64, false>();
    test_wgmma<bfloat16, 128, false, false, 64, false>();
    test_wgmma<float16, 192, false, false, 64, false>();
    test_wgmma<bfloat16, 256, false, false, 64, false>();
    test_wgmma<float16, 64, false, false, 64, true>();
    test_wgmma<bfloat16, 128, false, true, 128, true>();
    test_wgmma<float, 64, false, false, 64, false>();
    test_wgmma<float, 128, false, false, 64, true>();
    // Layouts: no swizzle, and rows along M and N.
    test_wgmma<bfloat16, 64, false, false, 16, false>();
    test_wgmma<float, 64, false, false, 16, false>();
    test_wgmma<bfloat16, 64, true, false, 64, false>();
    test_wgmma<bfloat16, 128, false, true, 64, false>();
    test_wgmma<float16, 128, true, true, 32, false>();
    test_wgmma<float16, 64, true, true, 16, false>();
  });
  return finish();
}
