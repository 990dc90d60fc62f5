// Host side of the tensor-core convolutions: operands into [image, position, channel] where they do
// not lie so already, tiles and parts that fill the device, and the launches.
#include "cuda/kernels/conv_tensor_core.h"

#include <algorithm>

#include "cuda/core/scratch.h"
#include "cuda/kernels/conv_mma.h"
#include "cuda/kernels/conv_pack.h"
#include "cuda/kernels/gemm_launch.h"

namespace mt::cuda {
namespace {

// Images as the kernels load them: channels of a group padded to whole chunks of 16 bytes.
template <class T>
class PackedImages {
 public:
  PackedImages(const void* src, bool last, int64_t batch, int64_t groups, int64_t cg,
               int64_t positions)
      : padded_(ceil_div(cg, kPer) * kPer),
        as_is_(last && padded_ == cg && is_aligned(src, 16)),
        data_(src),
        memory_(as_is_ ? 0 : size_t(batch * positions * groups * padded_) * sizeof(T)),
        pixel_(groups * padded_) {
    if (as_is_) return;
    conv_pack_images(sizeof(T), src, last, batch, groups, cg, positions, padded_,
                     memory_.as<void>());
    data_ = memory_.as<void>();
  }
  const void* data() const { return data_; }
  int padded() const { return int(padded_); }
  int pixel() const { return int(pixel_); }

 private:
  static constexpr int64_t kPer = 16 / sizeof(T);

  const int64_t padded_;
  const bool as_is_;
  const void* data_;
  const Scratch memory_;
  const int64_t pixel_;
};

int64_t multiprocessors() { return device_attribute(cudaDevAttrMultiProcessorCount); }

// How a product of m by n sums over k elements is cut up.
struct Plan {
  bool wgmma;
  ConvTiles tiles;
  int64_t depth, k_split, splits;  // elements of K per stage, and per part

  // `most`: parts that K may be cut into.
  Plan(ConvPath path, int64_t size, int64_t m, int64_t n, int64_t kinds, int64_t k, int64_t most) {
    const bool can = size == 2 && path != ConvPath::mma &&
                     device_attribute(cudaDevAttrComputeCapabilityMajor) == 9;
    wgmma = can;
    depth = (can ? 128 : 64) / size;
    tiles = choose(m, n, kinds, k, most);
    if (tiles == ConvTiles::small && can) {
      if (path == ConvPath::wgmma) {
        tiles = n > 64 ? ConvTiles::large : ConvTiles::wide;
      } else {
        wgmma = false;
        depth = 64 / size;
        tiles = choose(m, n, kinds, k, most);
      }
    }
    const int64_t parts = parts_for(count(tiles, m, n, kinds), k, most);
    k_split = ceil_div(ceil_div(k, parts), depth) * depth;
    splits = std::max<int64_t>(ceil_div(k, k_split), 1);
  }

 private:
  static int64_t count(ConvTiles t, int64_t m, int64_t n, int64_t kinds) {
    return ceil_div(m, tile_m(t)) * ceil_div(n, tile_n(t)) * kinds;
  }
  // Two blocks per multiprocessor, each with at least 8 stages of K.
  int64_t parts_for(int64_t blocks, int64_t k, int64_t most) const {
    return std::clamp<int64_t>(std::min(2 * multiprocessors() / blocks, k / (8 * depth)), 1, most);
  }
  // The largest tiles that give every multiprocessor a block.
  ConvTiles choose(int64_t m, int64_t n, int64_t kinds, int64_t k, int64_t most) const {
    for (const ConvTiles t : {ConvTiles::large, ConvTiles::wide}) {
      if (n <= tile_n(t) / 2 || m <= tile_m(t) / 2) continue;
      const int64_t blocks = count(t, m, n, kinds);
      if (blocks * parts_for(blocks, k, most) >= multiprocessors()) return t;
    }
    return ConvTiles::small;
  }
};

void check_sizes(const ConvParams& p, int64_t pixel, int64_t positions, int64_t kinds) {
  constexpr int64_t kMost = 0x7fffffff;
  MT_CHECK(pixel * std::max(p.in_size(), p.out_size()) <= kMost &&
               p.batch * positions <= kMost - 1024 && std::max(p.c, p.o) * p.taps() <= kMost / 2 &&
               kinds <= 65535,
           "conv: more than 2^31 elements of one image, positions or weights of a filter, or 65535 "
           "groups by strides, on cuda");
}

template <class T>
void run(const Plan& plan, const ConvGatherParams& g) {
  if constexpr (sizeof(T) == 2)
    if (plan.wgmma) return conv_gather_wgmma<T>(g, plan.tiles, stream());
  conv_gather_mma<T>(g, plan.tiles, stream());
}
template <class T>
void run(const Plan& plan, const ConvWeightParams& g) {
  if constexpr (sizeof(T) == 2)
    if (plan.wgmma) return conv_weight_wgmma<T>(g, plan.tiles, stream());
  conv_weight_mma<T>(g, plan.tiles, stream());
}

}  // namespace

template <class T>
void conv_tensor_core(const ConvParams& p, bool backward, const void* x, const void* w,
                      const void* bias, void* y) {
  constexpr int64_t per = 16 / sizeof(T);
  const ClassRule rule = make_rule(p, backward);
  const int64_t* from = backward ? p.out : p.in;
  const int64_t* to = backward ? p.in : p.out;
  const int64_t gathered = from[0] * from[1] * from[2], plane = to[0] * to[1] * to[2];
  const int64_t kinds = int64_t(rule.classes) * rule.groups;
  check_sizes(p, rule.groups * (ceil_div(rule.channels, per) * per), rule.per_image, kinds);
  const PackedImages<T> images(x, backward ? p.dy_last : p.last, p.batch, rule.groups,
                               rule.channels, gathered);

  const int64_t k = rule.most_taps * images.padded(), m = p.batch * rule.per_image;
  const Plan plan(p.path, sizeof(T), m, rule.m, kinds, k, rule.classes == 1 ? 16 : 1);
  const int64_t row = ceil_div(k, plan.depth) * plan.depth;
  ConvGatherParams g;
  g.row = int(row);
  g.taps_row = int((row + plan.depth) / per);  // a stage more, which the kernel reads ahead
  const int64_t entries = int64_t(rule.classes) * g.taps_row;
  const int64_t weight_bytes = kinds * rule.m * row * int64_t(sizeof(T));  // whole stages: aligned
  const Scratch packed(size_t(weight_bytes) + size_t(entries) * sizeof(Tap) +
                       size_t(rule.classes) * sizeof(int));
  Tap* taps = reinterpret_cast<Tap*>(packed.as<char>() + weight_bytes);
  int* depths = reinterpret_cast<int*>(taps + entries);
  conv_pack_weights(sizeof(T), rule, w, images.padded(), g.row, g.taps_row, images.pixel(),
                    packed.as<void>(), taps, depths);

  g.images.data = images.data();
  g.images.image = gathered * images.pixel();
  g.images.pixel = images.pixel();
  g.images.group = images.padded();
  for (int d = 0; d < 3; d++) {
    g.images.size[d] = int(from[d]);
    g.images.step[d] = backward ? 1 : int(p.stride[d]);
    g.images.shift[d] = backward ? 0 : -int(p.padding[d]);
    g.images.positions.size[d] = Divider(uint32_t(ceil_div(to[d], rule.residues[d])));
    g.y_size[d] = int(to[d]);
    g.y_step[d] = rule.residues[d];
  }
  g.weights = packed.as<void>();
  g.taps = taps;
  g.depth = depths;
  g.m = int(m);
  g.n = rule.m;
  g.kinds = int(kinds);
  g.groups = Divider(uint32_t(rule.groups));
  g.y = y;
  g.bias = bias;
  const int64_t channels = int64_t(rule.groups) * rule.m;
  g.y_image = channels * plane;
  g.y_channel = p.last ? 1 : plane;
  g.y_position = p.last ? channels : 1;
  g.wide = p.last && rule.m % 4 == 0 && is_aligned(y, 4 * sizeof(T));

  g.k_split = int(plan.k_split);
  g.splits = int(plan.splits);
  const int64_t sums = g.splits > 1 ? int64_t(g.splits) * kinds * g.m * ((g.n + 3) / 4 * 4) : 0;
  const Scratch partial(size_t(sums) * sizeof(float));
  g.partial = partial.as<float>();
  run<T>(plan, g);
  if (g.splits > 1) conv_gather_sum<T>(g, stream());
}

template <class T>
void conv_tensor_core_weight(const ConvParams& p, const void* dy, const void* x, void* dw) {
  const int64_t cg = p.c / p.groups, og = p.o / p.groups;
  const PackedImages<T> images(x, p.last, p.batch, p.groups, cg, p.in_size());
  const PackedImages<T> gradient(dy, p.dy_last, p.batch, p.groups, og, p.out_size());
  check_sizes(p, std::max(images.pixel(), gradient.pixel()), p.out_size(), p.groups);

  ConvWeightParams g;
  const ClassRule rule = make_rule(p, false);
  const Scratch taps(size_t(p.taps() * images.padded()) * sizeof(T) / 16 * sizeof(Tap));
  conv_pack_taps(sizeof(T), rule, images.padded(), images.pixel(), taps.as<Tap>());
  g.images.data = images.data();
  g.images.image = p.in_size() * images.pixel();
  g.images.pixel = images.pixel();
  g.images.group = images.padded();
  g.m = int(og);
  g.n = int(p.taps()) * images.padded();
  g.k = int(p.batch * p.out_size());
  // As many parts as fill the device, while their sums stay below 64 MiB.
  const int64_t sums = p.groups * ceil_div(g.m, 4) * 4 * g.n;
  const int64_t most = std::clamp<int64_t>((int64_t(1) << 24) / sums, 1, 256);
  Plan plan(p.path, sizeof(T), g.n, g.m, p.groups, g.k, most);
  g.transposed = g.m <= 64 && g.n > g.m && plan.wgmma;
  if (!g.transposed) plan = Plan(p.path, sizeof(T), g.m, g.n, p.groups, g.k, most);
  int64_t stage = plan.depth;
  for (int d = 2; d >= 0; d--) {
    g.step[d] = int(stage % p.out[d] * p.stride[d]);
    g.end[d] = int(p.out[d] * p.stride[d] - p.padding[d]);
    stage /= p.out[d];
    g.images.size[d] = int(p.in[d]);
    g.images.step[d] = int(p.stride[d]);
    g.images.shift[d] = -int(p.padding[d]);
    g.images.positions.size[d] = Divider(uint32_t(p.out[d]));
  }
  g.images_step = int(stage);
  g.dy = gradient.data();
  g.dy_pixel = gradient.pixel();
  g.dy_group = gradient.padded();
  g.taps = taps.as<Tap>();
  g.groups = int(p.groups);
  g.k_split = int(plan.k_split);
  g.splits = int(plan.splits);
  const Scratch partial(size_t(g.splits * sums) * sizeof(float));
  g.partial = partial.as<float>();
  run<T>(plan, g);
  conv_finish_weight(g, cg, p.taps(), static_cast<T*>(dw));
}

#define MT_CONV_TENSOR_CORE(T)                                                         \
  template void conv_tensor_core<T>(const ConvParams&, bool, const void*, const void*, \
                                    const void*, void*);                               \
  template void conv_tensor_core_weight<T>(const ConvParams&, const void*, const void*, void*);
MT_CONV_TENSOR_CORE(float)
MT_CONV_TENSOR_CORE(float16)
MT_CONV_TENSOR_CORE(bfloat16)

}  // namespace mt::cuda
