// How sums of a convolution leave: through rows in shared memory, to either layout of the result or
// to the parts that a second pass adds.
#pragma once
#include "cuda/core/vec.h"
#include "cuda/kernels/conv_mma_tile.cuh"

namespace mt::cuda {

// Where position `row` of a class begins in the result, or -1 where the class has no such position.
__device__ __forceinline__ int64_t place_of(const ConvGatherParams& p, int kind, int row) {
  int b, i[3];
  p.images.positions.locate(uint32_t(row), &b, i);
#pragma unroll
  for (int d = 2; d >= 0; d--) {
    i[d] = i[d] * p.y_step[d] + kind % p.y_step[d];
    kind /= p.y_step[d];
    if (i[d] >= p.y_size[d]) return -1;
  }
  return b * p.y_image + ((int64_t(i[0]) * p.y_size[1] + i[1]) * p.y_size[2] + i[2]) * p.y_position;
}

// Adds the bias to 4 channels of one position and writes them.
template <class T>
__device__ __forceinline__ void store_channels(const ConvGatherParams& p, int kind, int g, int row,
                                               int col, const float4& v) {
  const int64_t place = place_of(p, kind, row);
  if (place < 0) return;
  float x[4] = {v.x, v.y, v.z, v.w};
  const int count = min(4, p.n - col);
  const int64_t channel = int64_t(g) * p.n + col;
  if (p.bias) {
    const T* bias = static_cast<const T*>(p.bias) + channel;
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < count) x[i] += load_float(bias + i);
  }
  const Four<T> out = round_four<T>(x);
  T* to = static_cast<T*>(p.y) + place + channel * p.y_channel;
  if (p.wide && count == 4) {
    *reinterpret_cast<Four<T>*>(to) = out;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (i < count) to[i * p.y_channel] = out.at[i];
  }
}

// A warp's sums: positions row0.. by channels col0..col0 + 31 of a group. `across`: neighbouring
// lanes write neighbouring positions of one channel, else neighbouring channels.
template <class T, int Pieces>
__device__ __forceinline__ void store_sums(const WarpSums<Pieces>& sums, const ConvGatherParams& p,
                                           int kind, int g, int row0, int col0, bool across) {
  constexpr int rows = Pieces * 16, lanes = rows < 32 ? rows : 32;
  const int lane = int(threadIdx.x) % 32;
  if (across) {
    const int count = min(32, p.n - col0);
#pragma unroll 1
    for (int i = lane % lanes; i < rows; i += 32) {
      const int64_t place = row0 + i < p.m ? place_of(p, kind, row0 + i) : -1;
      if (place < 0) continue;
      const int64_t channel = int64_t(g) * p.n + col0;
      const T* bias = static_cast<const T*>(p.bias) + channel;
      T* to = static_cast<T*>(p.y) + place + channel * p.y_channel;
      for (int col = lane / lanes; col < count; col += 32 / lanes)
        to[col * p.y_channel] =
            store_as<T>(sums.one(i, col) + (p.bias ? load_float(bias + col) : 0.0f));
    }
    return;
  }
  const int col = col0 + lane % 8 * 4, row_length = (p.n + 3) / 4 * 4;
  if (col >= p.n) return;
#pragma unroll 1
  for (int i = lane / 8; i < rows && row0 + i < p.m; i += 4) {
    const float4 v = sums.four(i, lane % 8 * 4);
    if (p.splits > 1) {
      const int64_t line = (int64_t(blockIdx.y) * p.kinds + blockIdx.z) * p.m + row0 + i;
      *reinterpret_cast<float4*>(p.partial + line * row_length + col) = v;
    } else {
      store_channels<T>(p, kind, g, row0 + i, col, v);
    }
  }
}

}  // namespace mt::cuda
