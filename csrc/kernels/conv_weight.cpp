// Gradients of a convolution's weight and bias: picks the way by shape.
#include "kernels/conv_depthwise.h"
#include "kernels/conv_dots.h"
#include "kernels/conv_lane_dots.h"
#include "kernels/conv_shapes.h"
#include "kernels/conv_winograd_weight.h"

namespace mt::cpu::MT_ISA {

namespace {

template <class T>
void backward_weight(const ConvParams& params, const T* dy, const T* x, T* dw) {
  const ConvParams p = folded(params);
  // One channel under many filters repays vectors over them.
  if (depthwise_size(p) && p.kernel[1] <= 5 && p.o < 8 * p.c)
    return conv_depthwise_backward_weight(p, dy, x, dw);
  const int64_t o = p.o / p.groups, k = p.c / p.groups * p.taps();
  // Where tiles are few beside the channels, the transforms of the sums cost more than they save.
  const int64_t positions = p.batch * p.out_size();
  const int form = winograd_form(p);
  if (form && positions >= 512 && (form == 1 ? positions * 2 >= o : positions >= 2 * o))
    return conv_winograd_backward_weight(p, dy, x, dw);
  const bool product = one_tap(p) && k >= 32;
  if constexpr (sizeof(T) == sizeof(float)) {
    // Each row of outputs starts anew, which costs as much as two outputs.
    const double lanes = lane_waste<T>(o) * (1 + 2 / double(p.out[2]));
    if (few_residues(p) && !product && lanes < 1.2 * row_waste<T>(forward_source<T>(p, true)))
      return conv_lanes_backward_weight(p, dy, x, dw);
  }
  // Dots end with a sum over lanes, which needs long rows or several images in cache.
  const bool long_rows = p.out_size() >= 384 || o * k <= 8192;
  if (few_residues(p) && long_rows && !product) return conv_dots_backward_weight(p, dy, x, dw);
  conv_gemm_backward_weight(p, dy, x, dw);
}

}  // namespace

void conv_backward_weight(DType dtype, const ConvParams& p, const void* dy, const void* x,
                          void* dw) {
  MT_SWITCH_FLOAT(
      dtype, backward_weight(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(x),
                             static_cast<scalar_t*>(dw)))
}

namespace {

// Vector lanes of partial sums, added pairwise at the end of each channel of an image.
template <class T>
T sum_run(const T* x, int64_t n) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  Vec acc[4] = {};
  int64_t i = 0;
  for (; i + 4 * VL <= n; i += 4 * VL)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) acc[v] += load_unaligned<Vec>(x + i + v * VL);
  for (; i < n; i += VL) acc[0] += load_lanes<T>(x + i, int(min64(VL, n - i)));
  Vec all = (acc[0] + acc[1]) + (acc[2] + acc[3]);
  T lanes[VL];
  store_unaligned(lanes, all);
  for (int step = VL / 2; step > 0; step /= 2)
    for (int v = 0; v < step; v++) lanes[v] += lanes[v + step];
  return lanes[0];
}

}  // namespace

void conv_backward_bias(DType dtype, const void* dy, int64_t batch, int64_t c, int64_t n,
                        void* db) {
  MT_SWITCH_FLOAT(dtype, {
    const auto* g = static_cast<const scalar_t*>(dy);
    auto* to = static_cast<scalar_t*>(db);
    parallel_for(c, max64(1, kGrain / max64(1, batch * n)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        scalar_t sum = 0;
        for (int64_t b = 0; b < batch; b++) sum += sum_run(g + (b * c + i) * n, n);
        to[i] = sum;
      }
    });
  })
}

}  // namespace mt::cpu::MT_ISA
