// Convolution: picks the way by shape.
#include "ops/conv.h"

#include "kernels/conv_depthwise.h"
#include "kernels/conv_dots.h"
#include "kernels/conv_winograd.h"
#include "kernels/conv_winograd_weight.h"

namespace mt::cpu::MT_ISA {

namespace {

// Residues modulo the stride become planes of a copy and passes of the input's gradient.
bool few_residues(const ConvParams& p) {
  return p.stride[0] * p.stride[1] * p.stride[2] <= kMostPasses;
}

// Products over patches suit small images, whose rows are shorter than a tile of the sums of
// shifted rows, and kernels of one tap where the side that is packed once is the shorter one.
bool small_image(const ConvParams& p) { return p.batch > 1 && p.out_size() <= 64; }
bool one_tap(const ConvParams& p) { return p.taps() == 1 && p.o / p.groups >= 32; }
bool unit_stride(const ConvParams& p) { return p.stride[0] * p.stride[1] * p.stride[2] == 1; }

// A kernel that covers the whole image is a kernel of one tap over channels times taps.
ConvParams folded(const ConvParams& p) {
  for (int d = 0; d < 3; d++)
    if (p.in[d] != p.kernel[d] || p.padding[d] || p.dilation[d] != 1 || p.out[d] != 1) return p;
  ConvParams r = p;
  r.c = p.c * p.taps();
  for (int d = 0; d < 3; d++) r.in[d] = r.kernel[d] = r.stride[d] = 1;
  return r;
}

template <class T>
void forward(const ConvParams& params, const T* x, const T* w, const T* bias, T* y) {
  const ConvParams p = folded(params);
  if (depthwise_size(p)) return conv_depthwise_forward(p, x, w, bias, y);
  if (winograd_form(p)) return conv_winograd_forward(p, x, w, bias, y);
  const bool product = one_tap(p) && (small_image(p) || (unit_stride(p) && p.o >= p.c));
  if (few_residues(p) && !product) return conv_rows_forward(p, x, w, bias, y);
  conv_gemm_forward(p, x, w, bias, y);
}

template <class T>
void backward_input(const ConvParams& params, const T* dy, const T* w, const T* bias, T* dx) {
  // A bias is per channel, which folding would not keep.
  const ConvParams p = bias ? params : folded(params);
  if (depthwise_size(p) && p.o == p.c) return conv_depthwise_backward_input(p, dy, w, bias, dx);
  const int form = winograd_form(p);
  if (form && (form != 2 || p.padding[1] % 2 == p.padding[2] % 2))
    return conv_winograd_backward_input(p, dy, w, bias, dx);
  const bool product = one_tap(p) && (small_image(p) || unit_stride(p));
  if (few_residues(p) && !product) return conv_rows_backward_input(p, dy, w, bias, dx);
  conv_gemm_backward_input(p, dy, w, bias, dx);
}

template <class T>
void backward_weight(const ConvParams& params, const T* dy, const T* x, T* dw) {
  const ConvParams p = folded(params);
  if (depthwise_size(p) && p.kernel[1] <= 5) return conv_depthwise_backward_weight(p, dy, x, dw);
  const int64_t o = p.o / p.groups, k = p.c / p.groups * p.taps();
  // Where tiles are few beside the channels, the transforms of the sums cost more than they save.
  const int64_t positions = p.batch * p.out_size();
  const int form = winograd_form(p);
  if (form && positions >= 512 && (form == 1 ? positions * 2 >= o : positions >= 2 * o))
    return conv_winograd_backward_weight(p, dy, x, dw);
  // Dots end with a sum over lanes, which needs long rows or several images in cache.
  const bool long_rows = p.out_size() >= 384 || o * k <= 8192;
  const bool product = one_tap(p) && k >= 32;
  if (few_residues(p) && long_rows && !product) return conv_dots_backward_weight(p, dy, x, dw);
  conv_gemm_backward_weight(p, dy, x, dw);
}

}  // namespace

void conv_forward(DType dtype, const ConvParams& p, const void* x, const void* w, const void* bias,
                  void* y) {
  MT_SWITCH_FLOAT(dtype,
                  forward(p, static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(w),
                          static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(y)))
}

void conv_backward_input(DType dtype, const ConvParams& p, const void* dy, const void* w,
                         const void* bias, void* dx) {
  MT_SWITCH_FLOAT(
      dtype, backward_input(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(w),
                            static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(dx)))
}

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
