// Patches of an image as the columns of a matrix (im2col), and the transpose of that (col2im).
// Moves batch * c * taps * q elements; every row of the matrix is a shifted image, so runs are
// long.
#include "ops/unfold.h"

#include "kernels/conv_patch.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void unfold(const ConvParams& p, const T* x, T* columns) {
  const int64_t taps = p.taps(), size = p.out_size();
  const int64_t grain = max64(1, kGrain / max64(1, size));
  parallel_for(p.batch * p.c * taps, grain, [&](int64_t begin, int64_t end) {
    Patches<T> m;
    for (int d = 0; d < 3; d++) {
      m.in[d] = p.in[d], m.grid[d] = p.out[d], m.taps[d] = p.kernel[d];
      m.step[d] = p.stride[d], m.first[d] = -p.padding[d], m.tap_step[d] = p.dilation[d];
    }
    for (int64_t row = begin; row < end; row++) {
      int64_t tap[3];
      const int64_t channel = first_tap(m, row, tap);  // of all images
      const T* image = x + channel * p.in_size();
      T* to = columns + row * size;
      for (int64_t q0 = 0; q0 < p.out[0]; q0++)
        for (int64_t q1 = 0; q1 < p.out[1]; q1++, to += p.out[2]) {
          PatchRun<T> run{image,
                          {q0 * m.step[0] + m.first[0], q1 * m.step[1] + m.first[1], m.first[2]},
                          p.out[2]};
          copy_run(m, run, 0, tap, to);
        }
    }
  });
}

template <class T>
void fold(const ConvParams& p, const T* columns, T* x) {
  const int64_t taps = p.taps(), size = p.out_size();
  const int64_t grain = max64(1, kGrain / max64(1, size * taps));
  parallel_for(p.batch * p.c, grain, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; c++) {
      T* image = x + c * p.in_size();
      for (int64_t i = 0; i < p.in_size(); i++) image[i] = T(0);
      const T* from = columns + c * taps * size;
      for (int64_t t0 = 0; t0 < p.kernel[0]; t0++)
        for (int64_t t1 = 0; t1 < p.kernel[1]; t1++)
          for (int64_t t2 = 0; t2 < p.kernel[2]; t2++, from += size)
            for (int64_t q = 0; q < p.out[0] * p.out[1]; q++) {
              const int64_t i0 = q / p.out[1] * p.stride[0] + t0 * p.dilation[0] - p.padding[0];
              const int64_t i1 = q % p.out[1] * p.stride[1] + t1 * p.dilation[1] - p.padding[1];
              if (uint64_t(i0) >= uint64_t(p.in[0]) || uint64_t(i1) >= uint64_t(p.in[1])) continue;
              const int64_t step = p.stride[2], start = t2 * p.dilation[2] - p.padding[2];
              const int64_t lo = min64(p.out[2], start >= 0 ? 0 : ceil_div(-start, step));
              const int64_t hi =
                  min64(p.out[2], p.in[2] > start ? (p.in[2] - 1 - start) / step + 1 : 0);
              T* __restrict row = image + (i0 * p.in[1] + i1) * p.in[2] + start;
              const T* __restrict g = from + q * p.out[2];
              if (step == 1) {
#pragma GCC ivdep
                for (int64_t j = lo; j < hi; j++) row[j] += g[j];
              } else {
                for (int64_t j = lo; j < hi; j++) row[j * step] += g[j];
              }
            }
    }
  });
}

}  // namespace

void unfold_forward(DType dtype, const ConvParams& p, const void* x, void* columns) {
  MT_SWITCH_FLOAT(dtype,
                  unfold(p, static_cast<const scalar_t*>(x), static_cast<scalar_t*>(columns)))
}

void fold_forward(DType dtype, const ConvParams& p, const void* columns, void* x) {
  MT_SWITCH_FLOAT(dtype, fold(p, static_cast<const scalar_t*>(columns), static_cast<scalar_t*>(x)))
}

}  // namespace mt::cpu::MT_ISA
