// Passes around the tensor-core convolutions (conv_pack.h). Images are transposed through tiles of
// shared memory, read along memory and written 16 bytes at a time: their bytes once each way.
// Weights are gathered a chunk of 16 bytes per thread, neighbours along w where they can.
#include "cuda/kernels/conv_pack.h"

#include "cuda/core/vec.h"

namespace mt::cuda {
namespace {

constexpr int kPositions = 32;  // of a tile, by 8 chunks of channels

struct PackImages {
  const void* src;
  void* dst;
  int64_t image, group, channel, position;  // strides of src
  int64_t positions, dst_position;
  int groups, cg, padded, tiles_c, tiles_p;
};

// U is an unsigned integer of the element's size.
template <class U>
__global__ void __launch_bounds__(kThreads) conv_pack_images_kernel(PackImages p) {
  constexpr int per = 16 / sizeof(U), channels = 8 * per, stride = kPositions + 1;
  MT_SHARED(U, tile, channels * stride);
  int64_t at = blockIdx.x;
  const int c0 = int(at % p.tiles_c) * channels;
  at /= p.tiles_c;
  const int64_t p0 = at % p.tiles_p * kPositions;
  at /= p.tiles_p;
  const int64_t g = at % p.groups, image = at / p.groups;
  const U* src = static_cast<const U*>(p.src) + image * p.image + g * p.group + c0 * p.channel +
                 p0 * p.position;
  const bool last = p.channel == 1;  // neighbouring threads read neighbouring channels
  for (int i = int(threadIdx.x); i < channels * kPositions; i += kThreads) {
    const int c = last ? i % channels : i / kPositions, q = last ? i / channels : i % kPositions;
    const bool inside = c0 + c < p.cg && p0 + q < p.positions;
    tile[c * stride + q] = inside ? src[c * p.channel + q * p.position] : U(0);
  }
  __syncthreads();
  const int chunk = int(threadIdx.x) % 8 * per, q = int(threadIdx.x) / 8;
  if (c0 + chunk >= p.padded || p0 + q >= p.positions) return;
  Vec<U, per> out;
#pragma unroll
  for (int e = 0; e < per; e++) {
    const U v = tile[(chunk + e) * stride + q];
    out.v[e] = v;
  }
  U* dst = static_cast<U*>(p.dst) + (image * p.positions + p0 + q) * p.dst_position + g * p.padded +
           c0 + chunk;
  *reinterpret_cast<Vec<U, per>*>(dst) = out;
}

struct TapTable {
  int per, padded, row, pixel;
  Tap* taps;
  int* depth;

  // Entry k of a class.
  __device__ __forceinline__ void fill(const ClassRule& p, int kind, int k) const {
    const ClassTaps mine(p, kind);
    const int along = padded / per;
    Tap tap = {0, {kNoTap, kNoTap, kNoTap}};
    if (k < mine.all() * along) {
      mine.tap(p, k / along, &tap);
      tap.offset =
          ((tap.d[0] * p.size[1] + tap.d[1]) * p.size[2] + tap.d[2]) * pixel + k % along * per;
    }
    taps[int64_t(kind) * row + k] = tap;
    if (k == 0 && depth) depth[kind] = mine.all() * padded;
  }
};

// A thread per entry of the table of taps, then one per chunk of K of a row of weights; `across`:
// neighbouring threads take neighbouring rows, which lie close to each other in w (the input's
// gradient).
template <class U>
__global__ void __launch_bounds__(kThreads)
    conv_pack_weights_kernel(const ClassRule p, const TapTable table, bool across, int row,
                             const U* w, U* weights) {
  constexpr int per = 16 / sizeof(U);
  int64_t at = thread_index();
  const int64_t entries = int64_t(p.classes) * table.row;
  if (at < entries) return table.fill(p, int(at / table.row), int(at % table.row));
  at -= entries;
  const int chunks = row / per, along = table.padded / per;
  if (at >= int64_t(p.classes) * p.groups * p.m * chunks) return;
  const int inner = across ? p.m : chunks, outer = across ? chunks : p.m;
  const int in = int(at % inner), out = int(at / inner % outer);
  const int k = across ? out : in, m = across ? in : out;
  at /= int64_t(inner) * outer;
  const int g = int(at % p.groups), kind = int(at / p.groups);
  const ClassTaps taps(p, kind);
  const int n = k / along, channel = k % along * per;
  Vec<U, per> chunk = {};
  if (n < taps.all()) {
    Tap tap;
    const int t = taps.tap(p, n, &tap);
    const U* from = w + g * p.w_group + m * p.w_m + channel * p.w_channel + t;
#pragma unroll
    for (int e = 0; e < per; e++)
      if (channel + e < p.channels) chunk.v[e] = from[e * p.w_channel];
  }
  *reinterpret_cast<Vec<U, per>*>(weights + ((int64_t(kind) * p.groups + g) * p.m + m) * row +
                                  k * per) = chunk;
}

__global__ void __launch_bounds__(kThreads)
    conv_pack_taps_kernel(const ClassRule p, const TapTable table) {
  const int64_t k = thread_index();
  if (k < table.row) table.fill(p, 0, int(k));
}

// Neighbouring threads read neighbouring sums.
template <class T>
__global__ void __launch_bounds__(kThreads)
    conv_finish_weight_kernel(const float* __restrict__ partial, int parts, bool transposed,
                              int groups, int og, int cg, int taps, int padded,
                              T* __restrict__ dw) {
  const int64_t i = thread_index(), rest = transposed ? i / og : i / cg;
  if (i >= int64_t(groups) * og * cg * taps) return;
  // [groups, og, taps, cg], or [groups, taps, cg, og]
  int o, c, t;
  int64_t g;
  if (transposed) {
    o = int(i % og), c = int(rest % cg), t = int(rest / cg % taps), g = rest / cg / taps;
  } else {
    c = int(i % cg), t = int(rest % taps), o = int(rest / taps % og), g = rest / taps / og;
  }
  const int64_t n = int64_t(taps) * padded, column = int64_t(t) * padded + c;
  const int64_t length = transposed ? (og + 3) / 4 * 4 : n, rows = transposed ? n : og;
  const float* from =
      partial + g * rows * length + (transposed ? column * length + o : o * length + column);
  float sum = from[0];
  for (int s = 1; s < parts; s++) sum += from[s * groups * rows * length];
  dw[((g * og + o) * cg + c) * taps + t] = store_as<T>(sum);
}

}  // namespace

void conv_pack_images(int64_t size, const void* src, bool last, int64_t batch, int64_t groups,
                      int64_t cg, int64_t positions, int64_t padded, void* dst) {
  const int64_t c = groups * cg, channels = 128 / size;
  PackImages p{src,
               dst,
               c * positions,
               cg,
               1,
               c,
               positions,
               groups * padded,
               int(groups),
               int(cg),
               int(padded),
               0,
               int(ceil_div(positions, kPositions))};
  if (!last) p.group = cg * positions, p.channel = positions, p.position = 1;
  if (padded == cg) p.groups = 1, p.cg = p.padded = int(c);
  p.tiles_c = int(ceil_div(p.padded, channels));
  const int64_t blocks = batch * p.groups * p.tiles_c * p.tiles_p;
  MT_CHECK(blocks <= kMaxGrid, "conv: more than 2^31 tiles on cuda");
  if (size == 2)
    MT_LAUNCH((conv_pack_images_kernel<uint16_t>), unsigned(blocks), kThreads, 0, stream(), p);
  else MT_LAUNCH((conv_pack_images_kernel<uint32_t>), unsigned(blocks), kThreads, 0, stream(), p);
}

void conv_pack_weights(int64_t size, const ClassRule& rule, const void* w, int padded, int row,
                       int taps_row, int pixel, void* weights, Tap* taps, int* depth) {
  const int per = int(16 / size);
  const TapTable table{per, padded, taps_row, pixel, taps, depth};
  const int64_t chunks = int64_t(rule.groups) * rule.m * (row / per);
  const unsigned blocks = grid_for(rule.classes * (taps_row + chunks), kThreads);
  const bool across = rule.w_m < rule.w_channel;
  if (size == 2)
    MT_LAUNCH((conv_pack_weights_kernel<uint16_t>), blocks, kThreads, 0, stream(), rule, table,
              across, row, static_cast<const uint16_t*>(w), static_cast<uint16_t*>(weights));
  else
    MT_LAUNCH((conv_pack_weights_kernel<uint32_t>), blocks, kThreads, 0, stream(), rule, table,
              across, row, static_cast<const uint32_t*>(w), static_cast<uint32_t*>(weights));
}

void conv_pack_taps(int64_t size, const ClassRule& rule, int padded, int pixel, Tap* taps) {
  const int per = int(16 / size), n = int(rule.most_taps) * (padded / per);
  MT_LAUNCH(conv_pack_taps_kernel, grid_for(n, kThreads), kThreads, 0, stream(), rule,
            TapTable{per, padded, n, pixel, taps, nullptr});
}

template <class T>
void conv_finish_weight(const ConvWeightParams& p, int64_t cg, int64_t taps, T* dw) {
  MT_LAUNCH((conv_finish_weight_kernel<T>), grid_for(int64_t(p.groups) * p.m * cg * taps, kThreads),
            kThreads, 0, stream(), p.partial, p.splits, p.transposed, p.groups, p.m, int(cg),
            int(taps), int(p.n / taps), dw);
}
template void conv_finish_weight(const ConvWeightParams&, int64_t, int64_t, float*);
template void conv_finish_weight(const ConvWeightParams&, int64_t, int64_t, float16*);
template void conv_finish_weight(const ConvWeightParams&, int64_t, int64_t, bfloat16*);

}  // namespace mt::cuda
