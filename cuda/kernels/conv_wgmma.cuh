// The convolutions of conv_mma.cuh and conv_mma_weight.cuh for sm_90a, 16-bit floats: the same
// implicit GEMMs by wgmma.
//
// Two warpgroups compute 64 x N each of a 128 x N tile (N = 64 or 128). A stage is 64 elements of K
// of both operands in rows of 128 bytes with the 128-byte swizzle; all threads gather by cp.async,
// which no tensor map can do for any stride and dilation, and hand the stage to the tensor cores by
// a proxy fence. While a stage is multiplied the next but one is under way; two blocks per
// multiprocessor fill each other's gaps. Per stage of N = 128: 32 KiB and 2.1 Mflop.
#pragma once
#include "cuda/core/ptx.cuh"
#include "cuda/kernels/conv_mma_store.cuh"
#include "cuda/kernels/gemm_launch.h"

namespace mt::cuda {

template <int N>
struct ConvWgmma {
  static constexpr int kM = 128, kThreads = 256, kBox = 64 * 128;  // bytes of 64 rows of 128
  static constexpr int kBytesA = kM * 128, kBytes = kBytesA + N * 128;
  static constexpr int kStages = N == 128 ? 3 : 4, kShared = kStages * kBytes, kDepth = 64;
  static_assert(kShared >= kM * N * 4, "the sums of a tile fit where its operands were");
};

// Where this thread's 16 bytes lie in rows of 128: chunk threadIdx % 8 of row threadIdx / 8; its
// further rows are 32 apart.
__device__ __forceinline__ int swizzled_place() {
  const int row = int(threadIdx.x) / 8, chunk = int(threadIdx.x) % 8;
  return row * 128 + (chunk ^ (row % 8)) * 16;
}

// d += A B over all stages. load(stage's memory) starts the copies of the next stage. Operands with
// K along rows, or (Trans) across them in boxes of 64 rows of K.
template <class T, int N, bool Trans, class Load>
__device__ __forceinline__ void multiply_stages(float (&d)[N / 2], Shared<char> smem, int stages,
                                                Load& load) {
  using Shape = ConvWgmma<N>;
  constexpr int ring = Shape::kStages, step = Trans ? 2048 : 32;
  const int group = int(threadIdx.x) / 128;
  auto load_stage = [&](int i) {
    if (i < stages) load(smem + i % ring * Shape::kBytes);
    ptx::cp_async_commit();  // an empty group keeps the count of groups
  };
#pragma unroll
  for (int i = 0; i < ring - 1; ++i) load_stage(i);
#pragma unroll 1
  for (int i = 0; i < stages; ++i) {
    ptx::cp_async_wait<ring - 2>();
    ptx::fence_proxy_async();
    ptx::wgmma_wait<0>();
    __syncthreads();  // stage i has landed for all, stage i - 1 has been read by all
    const char* from = raw(smem + i % ring * Shape::kBytes);
    const uint64_t a = ptx::wgmma_descriptor(from + group * Shape::kBox, Trans ? Shape::kBox : 16,
                                             1024, ptx::Swizzle::b128);
    const uint64_t b = ptx::wgmma_descriptor(from + Shape::kBytesA, Trans ? Shape::kBox : 16, 1024,
                                             ptx::Swizzle::b128);
    ptx::wgmma_fence();
#pragma unroll
    for (int k = 0; k < 4; ++k)
      ptx::wgmma<T, N, Trans, Trans>(d, ptx::wgmma_advance(a, k * step),
                                     ptx::wgmma_advance(b, k * step));
    ptx::wgmma_commit();
    load_stage(i + ring - 1);
  }
  ptx::wgmma_wait<0>();
  ptx::wgmma_own(d);
  ptx::cp_async_wait_all();
  __syncthreads();
}

// Calls f(sums, first row, first column) for each 32 columns of this warp's sums.
template <int N, class F>
__device__ __forceinline__ void for_sums(const float (&d)[N / 2], Shared<char> smem, bool across,
                                         const F& f) {
  const int warp = int(threadIdx.x) / 32;
#pragma unroll
  for (int c = 0; c < N / 32; ++c) {
    float acc[1][4][4];
#pragma unroll
    for (int i = 0; i < 16; ++i) acc[0][i / 4][i % 4] = d[c * 16 + i];
    const WarpSums<1> sums(acc, sums_of_warp<1>(smem, warp * (N / 32) + c), across);
    f(sums, warp * 16, c * 32);
  }
}

template <class T, int N>
__global__ void __launch_bounds__(ConvWgmma<N>::kThreads, 2)
    conv_gather_wgmma_kernel(const __grid_constant__ ConvGatherParams p) {
  if constexpr (!ptx::kSm90a) {
    ptx::unsupported();
  } else {
    using Shape = ConvWgmma<N>;
    constexpr int M = Shape::kM, per = 8, apart = 32, copies_a = M / apart, copies_b = N / apart;
    MT_DYN_SHARED_ALIGNED(char, smem, 1024);
    uint32_t group;
    const int kind = int(p.groups.divide(blockIdx.z, &group)), g = int(group);
    const TileAt tile = tile_at(int(blockIdx.x), (p.m + M - 1) / M, (p.n + N - 1) / N);
    const int row0 = tile.m * M, col0 = tile.n * N, k_begin = int(blockIdx.y) * p.k_split;
    const int depth = min(p.depth[kind] - k_begin, p.k_split);
    const int row = int(threadIdx.x) / 8, chunk = int(threadIdx.x) % 8, to = swizzled_place();

    const T* from[copies_a];
    int at[copies_a][3];
#pragma unroll
    for (int j = 0; j < copies_a; ++j) {
      const int m = row0 + row + j * apart;
      from[j] = p.images.origin<T>(uint32_t(m < p.m ? m : 0), at[j]) + g * p.images.group;
      if (m >= p.m) at[j][0] = kNoTap;
    }
    const Tap* taps = p.taps + int64_t(kind) * p.taps_row + k_begin / per + chunk;
    Tap ahead = taps[0];
    const int lines = p.n - col0 - row;
    const T* weights = static_cast<const T*>(p.weights) +
                       (int64_t(blockIdx.z) * p.n + col0 + row) * p.row + k_begin + chunk * per;
    auto load = [&](Shared<char> stage) {
      const Tap tap = ahead;
      taps += 8;
      ahead = taps[0];
#pragma unroll
      for (int j = 0; j < copies_a; ++j)
        ptx::cp_async<16>(raw(stage + (to + j * apart * 128)), from[j] + tap.offset,
                          is_inside(at[j], tap, p.images.size) ? 16u : 0u);
#pragma unroll
      for (int j = 0; j < copies_b; ++j)
        ptx::cp_async<16>(raw(stage + (Shape::kBytesA + to + j * apart * 128)),
                          weights + int64_t(j * apart) * p.row, lines > j * apart ? 16u : 0u);
      weights += Shape::kDepth;
    };
    float d[N / 2] = {};
    multiply_stages<T, N, false>(d, smem, (depth + Shape::kDepth - 1) / Shape::kDepth, load);

    const bool across = p.splits == 1 && p.y_channel != 1;
    for_sums<N>(d, smem, across, [&](const WarpSums<1>& sums, int r, int c) {
      if (col0 + c < p.n) store_sums<T>(sums, p, kind, g, row0 + r, col0 + c, across);
    });
  }
}

// Rows of both operands are positions, boxes of 64 channels of y, or of taps and channels of x.
// Where y has few channels its side is the narrow one (Swap): sums are dw transposed.
template <class T, int N, bool Swap>
__global__ void __launch_bounds__(ConvWgmma<N>::kThreads, 2)
    conv_weight_wgmma_kernel(const __grid_constant__ ConvWeightParams p) {
  if constexpr (!ptx::kSm90a) {
    ptx::unsupported();
  } else {
    using Shape = ConvWgmma<N>;
    constexpr int M = Shape::kM, per = 8, apart = 32;
    constexpr int boxes_x = Swap ? M / 64 : N / 64, boxes_y = Swap ? N / 64 : M / 64;
    constexpr int at_x = Swap ? 0 : Shape::kBytesA, at_y = Swap ? Shape::kBytesA : 0;
    MT_DYN_SHARED_ALIGNED(char, smem, 1024);
    const int rows = Swap ? p.n : p.m, columns = Swap ? p.m : p.n;
    const TileAt tile = tile_at(int(blockIdx.x), (rows + M - 1) / M, (columns + N - 1) / N);
    const int row0 = tile.m * M, col0 = tile.n * N;
    const int x0 = Swap ? row0 : col0, y0 = Swap ? col0 : row0;
    const int k_begin = int(blockIdx.y) * p.k_split, k_end = min(p.k, k_begin + p.k_split);
    const int row = int(threadIdx.x) / 8, chunk = int(threadIdx.x) % 8 * per;
    const int to = swizzled_place();

    Tap taps[boxes_x];
#pragma unroll
    for (int b = 0; b < boxes_x; ++b) {
      const int col = x0 + b * 64 + chunk;
      taps[b] = {0, {kNoTap, kNoTap, kNoTap}};
      if (col < p.n) taps[b] = p.taps[col / per];
    }
    const ConvImages& x = p.images;
    const T* from[2];
    int at[2][3], left = k_end - k_begin - row;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      int image;
      x.positions.locate(uint32_t(k_begin + row + j * apart), &image, at[j]);
#pragma unroll
      for (int i = 0; i < 3; ++i) at[j][i] = at[j][i] * x.step[i] + x.shift[i];
      from[j] = static_cast<const T*>(x.data) + image * x.image + int64_t(blockIdx.z) * x.group;
    }
    const T* dy = static_cast<const T*>(p.dy) + int64_t(k_begin + row) * p.dy_pixel +
                  int64_t(blockIdx.z) * p.dy_group + y0 + chunk;
    const int channels = p.m - y0 - chunk;
    auto load = [&](Shared<char> stage) {
#pragma unroll
      for (int j = 0; j < 2; ++j) {
        const bool there = left > j * apart;
        const Shared<char> rows_j = stage + (to + j * apart * 128);
#pragma unroll
        for (int b = 0; b < boxes_y; ++b)
          ptx::cp_async<16>(raw(rows_j + (at_y + b * Shape::kBox)),
                            dy + int64_t(j * apart) * p.dy_pixel + b * 64,
                            there && channels > b * 64 ? 16u : 0u);
        const int origin = ((at[j][0] * x.size[1] + at[j][1]) * x.size[2] + at[j][2]) * x.pixel;
#pragma unroll
        for (int b = 0; b < boxes_x; ++b)
          ptx::cp_async<16>(raw(rows_j + (at_x + b * Shape::kBox)),
                            from[j] + (origin + taps[b].offset),
                            is_inside(at[j], taps[b], x.size) & there ? 16u : 0u);
        from[j] += p.advance(at[j]) * x.image;
      }
      dy += int64_t(Shape::kDepth) * p.dy_pixel;
      left -= Shape::kDepth;
    };
    float d[N / 2] = {};
    multiply_stages<T, N, true>(d, smem, (k_end - k_begin + Shape::kDepth - 1) / Shape::kDepth,
                                load);

    const int length = (columns + 3) / 4 * 4;
    float* partial =
        p.partial + (int64_t(blockIdx.y) * p.groups + blockIdx.z) * rows * int64_t(length);
    for_sums<N>(d, smem, false, [&](const WarpSums<1>& sums, int r, int c) {
      store_partial(sums, partial, rows, length, row0 + r, col0 + c);
    });
  }
}

template <class T, int N>
void launch_wgmma(const ConvGatherParams& p, cudaStream_t stream) {
  using Shape = ConvWgmma<N>;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&conv_gather_wgmma_kernel<T, N>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, Shape::kShared);
  const int64_t tiles = ceil_div(p.m, Shape::kM) * ceil_div(p.n, N);
  MT_LAUNCH((conv_gather_wgmma_kernel<T, N>), dim3(unsigned(tiles), p.splits, p.kinds),
            dim3(Shape::kThreads), Shape::kShared, stream, p);
}
template <class T, int N, bool Swap>
void launch_wgmma(const ConvWeightParams& p, cudaStream_t stream) {
  using Shape = ConvWgmma<N>;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(&conv_weight_wgmma_kernel<T, N, Swap>),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, Shape::kShared);
  const int64_t tiles = ceil_div(Swap ? p.n : p.m, Shape::kM) * ceil_div(Swap ? p.m : p.n, N);
  MT_LAUNCH((conv_weight_wgmma_kernel<T, N, Swap>), dim3(unsigned(tiles), p.splits, p.groups),
            dim3(Shape::kThreads), Shape::kShared, stream, p);
}

template <class T>
void run_wgmma(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream) {
  if (tiles == ConvTiles::large) launch_wgmma<T, 128>(p, stream);
  else launch_wgmma<T, 64>(p, stream);
}
template <class T>
void run_wgmma(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream) {
  if (p.transposed) launch_wgmma<T, 64, true>(p, stream);
  else if (tiles == ConvTiles::large) launch_wgmma<T, 128, false>(p, stream);
  else launch_wgmma<T, 64, false>(p, stream);
}

}  // namespace mt::cuda
