// Convolution: picks the way by shape.
#include "ops/conv.h"

#include "kernels/conv_gemm.h"

namespace mt::cpu::MT_ISA {

void conv_forward(DType dtype, const ConvParams& p, const void* x, const void* w, const void* bias,
                  void* y) {
  MT_SWITCH_FLOAT(dtype, conv_gemm_forward<scalar_t>(
                             p, static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(w),
                             static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(y)))
}

void conv_backward_input(DType dtype, const ConvParams& p, const void* dy, const void* w,
                         const void* bias, void* dx) {
  MT_SWITCH_FLOAT(dtype,
                  conv_gemm_backward_input<scalar_t>(
                      p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(w),
                      static_cast<const scalar_t*>(bias), static_cast<scalar_t*>(dx)))
}

void conv_backward_weight(DType dtype, const ConvParams& p, const void* dy, const void* x,
                          void* dw) {
  MT_SWITCH_FLOAT(dtype, conv_gemm_backward_weight<scalar_t>(
                             p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(x),
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
