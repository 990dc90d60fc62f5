// Tensor maps and launch of gemm_wgmma_kernel for one element type.
#pragma once
#include <algorithm>

#include "cuda/core/tensor_map.h"
#include "cuda/kernels/gemm_launch.h"
#include "cuda/kernels/gemm_wgmma.cuh"

namespace mt::cuda {

// A matrix of `lines` lines of `length` contiguous elements; batch_stride 0 repeats one matrix.
inline bool encode_matrix(ptx::TensorMap* map, DType dtype, const void* base, int64_t length,
                          int64_t lines, int64_t line_stride, int64_t batch, int64_t batch_stride,
                          int box_length, int box_lines, bool round_to_tf32) {
  const int64_t size = int64_t(itemsize(dtype));
  if (!has_aligned_lines(base, lines, line_stride, batch, batch_stride, size)) return false;
  if (lines == 1) line_stride = ceil_div(length * size, 16) * 16 / size;
  const bool repeats = batch == 1 || batch_stride == 0;
  if (line_stride <= 0 || batch_stride < 0) return false;
  ptx::TensorMapSpec spec;
  spec.dtype = dtype;
  spec.rank = 3;
  spec.base = base;
  spec.size[0] = uint64_t(length);
  spec.size[1] = uint64_t(lines);
  spec.size[2] = repeats ? 1 : uint64_t(batch);
  spec.stride_bytes[1] = uint64_t(line_stride * size);
  spec.stride_bytes[2] = uint64_t((repeats ? lines * line_stride : batch_stride) * size);
  spec.box[0] = uint32_t(box_length);
  spec.box[1] = uint32_t(box_lines);
  spec.swizzle = ptx::Swizzle::b128;
  spec.round_to_tf32 = round_to_tf32;
  return encode_tensor_map(map, spec);
}

template <class T, int N, bool MnA, bool MnB>
bool launch_wgmma(GemmParams p, cudaStream_t stream) {
  constexpr DType dtype = dtype_of<T>::value;
  constexpr int row = 128 / sizeof(T);  // elements of a swizzled row
  constexpr bool tf32 = sizeof(T) == 4;
  ptx::TensorMap a, b, c{};
  const bool encoded_a =
      MnA ? encode_matrix(&a, dtype, p.a, p.m, p.k, p.a_col, p.batch, p.a_batch, row, row, tf32)
          : encode_matrix(&a, dtype, p.a, p.k, p.m, p.a_row, p.batch, p.a_batch, row, kTileM, tf32);
  if (!encoded_a) return false;
  const bool encoded_b =
      MnB ? encode_matrix(&b, dtype, p.b, p.n, p.k, p.b_row, p.batch, p.b_batch, row, row, tf32)
          : encode_matrix(&b, dtype, p.b, p.k, p.n, p.b_col, p.batch, p.b_batch, row,
                          N / WgmmaShape<N>::kCluster, tf32);
  if (!encoded_b) return false;
  if (p.batch == 1) p.a_batch = p.b_batch = 0;
  const bool plain =
      p.beta == 0 && (p.activation == Activation::none || p.activation == Activation::relu);
  const bool tma_c =
      plain && (p.c_batch != 0 || p.batch == 1) &&
      encode_matrix(&c, dtype, p.c, p.n, p.m, p.c_row, p.batch, p.c_batch, row, 64, false);

  constexpr int cluster = WgmmaShape<N>::kCluster, bytes = WgmmaShape<N>::kShared;
  const int64_t tiles = int64_t(wgmma_tiles_m<N>(p.m)) * ceil_div(p.n, N) * p.batch;
  if (tiles > 1 << 30) return false;
  const int64_t room = device_attribute(cudaDevAttrMultiProcessorCount) / cluster;
  auto* kernel = &gemm_wgmma_kernel<T, N, MnA, MnB>;
  cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                       cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = cluster;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  const cudaLaunchConfig_t config{dim3(unsigned(std::clamp<int64_t>(room, 1, tiles) * cluster)),
                                  dim3(kWgmmaThreads),
                                  size_t(bytes),
                                  stream,
                                  &attribute,
                                  cluster > 1 ? 1u : 0u};
  cudaLaunchKernelEx(&config, kernel, a, b, c, p, tma_c);
  return true;
}

template <class T, int N>
bool run_wgmma(const GemmParams& p, cudaStream_t stream) {
  const bool k_major_a = p.a_col == 1 || p.k == 1, k_major_b = p.b_row == 1 || p.k == 1;
  if (!k_major_a && p.a_row != 1) return false;
  if (!k_major_b && p.b_col != 1) return false;
  if constexpr (sizeof(T) == 4) {
    return k_major_a && k_major_b && launch_wgmma<T, N, false, false>(p, stream);
  } else {
    if (k_major_a)
      return k_major_b ? launch_wgmma<T, N, false, false>(p, stream)
                       : launch_wgmma<T, N, false, true>(p, stream);
    return k_major_b ? launch_wgmma<T, N, true, false>(p, stream)
                     : launch_wgmma<T, N, true, true>(p, stream);
  }
}

template <class T>
bool run_wgmma(const GemmParams& p, cudaStream_t stream, int tile_n) {
  if (tile_n == 256) return run_wgmma<T, 256>(p, stream);
  return tile_n == 128 ? run_wgmma<T, 128>(p, stream) : run_wgmma<T, 64>(p, stream);
}

}  // namespace mt::cuda
