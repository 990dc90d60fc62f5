// What the tensor-core convolutions share between host and device. Images are [image, position,
// channel], channels of a group padded to multiples of 16 bytes.
#pragma once
#include "cuda/core/stream.h"
#include "cuda/kernels/conv_taps.cuh"

namespace mt::cuda {

// The images that patches are gathered from; strides in elements.
struct ConvImages {
  const void* data;
  int64_t image;
  int pixel, group;                // from one position, and from one group of channels, to the next
  int size[3], step[3], shift[3];  // a position i has its origin at i * step + shift
  Positions positions;

  // Where the origin lies, maybe outside of the image.
  template <class T>
  __device__ __forceinline__ const T* origin(uint32_t j, int (&at)[3]) const {
    int b, i[3];
    positions.locate(j, &b, i);
#pragma unroll
    for (int d = 0; d < 3; d++) at[d] = i[d] * step[d] + shift[d];
    return static_cast<const T*>(data) + b * image +
           ((int64_t(at[0]) * size[1] + at[1]) * size[2] + at[2]) * pixel;
  }
};

// Positions by channels of the result: images.positions are the rows. A class has its list of taps
// and its weights; where K is cut, parts are summed by a second pass.
struct ConvGatherParams {
  ConvImages images;
  const void* weights;                              // [classes, groups, n, row]
  const Tap* taps;                                  // [classes, taps_row], one per 16 bytes of K
  const int* depth;                                 // [classes]: K in use
  int m, n, row, taps_row, k_split, splits, kinds;  // kinds: classes * groups
  Divider groups;
  float* partial;  // [splits, kinds, m, n rounded up to 4]
  void* y;
  const void* bias;
  int64_t y_image, y_channel, y_position;  // one of the last two is 1
  int y_size[3], y_step[3];
  bool wide;  // 4 channels are one aligned store
};

// dw[o][tap, channel] = sum over positions of dy[position][o] x[position + tap][channel].
struct ConvWeightParams {
  ConvImages images;
  const void* dy;
  int dy_pixel, dy_group;
  const Tap* taps;  // [n / 16 bytes]
  // A stage's positions as images and distances of origins; where origins of a dim end.
  int images_step, step[3], end[3];
  int m, n, k, k_split, splits, groups;
  bool transposed;  // of the sums (wgmma)
  float* partial;   // [splits, groups, m, n] or (transposed) [splits, groups, n, m up to 4]

  // Moves an origin to the same place in the next stage, by adding digits with carries; returns
  // over how many images.
  __device__ __forceinline__ int advance(int (&at)[3]) const {
    int over_images = images_step;
#pragma unroll
    for (int d = 2; d >= 0; --d) {
      at[d] += step[d];
      const bool over = at[d] >= end[d];
      if (over) at[d] += images.shift[d] - end[d];
      if (d > 0) at[d - 1] += over ? images.step[d - 1] : 0;
      else over_images += over;
    }
    return over_images;
  }
};

enum class ConvTiles { large, wide, small };  // 128 x 128, 128 x 64, 64 x 64
constexpr int tile_m(ConvTiles t) { return t == ConvTiles::small ? 64 : 128; }
constexpr int tile_n(ConvTiles t) { return t == ConvTiles::large ? 128 : 64; }

// Forward and input's gradient, and weight's gradient, by mma.sync; p.row, p.k_split and (weight)
// the steps of positions are in stages of 64 bytes of K.
template <class T>
void conv_gather_mma(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream);
// Adds the parts of K and writes the result.
template <class T>
void conv_gather_sum(const ConvGatherParams& p, cudaStream_t stream);
template <class T>
void conv_weight_mma(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream);

// The same by wgmma, on sm_90a only: float16 and bfloat16, stages of 128 bytes, not the small
// tiles.
template <class T>
void conv_gather_wgmma(const ConvGatherParams& p, ConvTiles tiles, cudaStream_t stream);
template <class T>
void conv_weight_wgmma(const ConvWeightParams& p, ConvTiles tiles, cudaStream_t stream);

}  // namespace mt::cuda
