// Patches of an image as the columns of a matrix (im2col): a thread per element of the matrix. The
// transpose of that (col2im): a thread per element of the image gathers what lies at it, so the
// order of additions is fixed. Moves batch * c * taps * q elements.
#include "ops/unfold.h"

#include "cuda/core/launch.h"

namespace mt::cuda {
namespace {

constexpr int64_t kMax32 = 0x7fffffff;

// Splits off the index of a dim of n elements. I is uint32_t, whose division is cheap, where the
// number of elements allows.
template <class I>
__device__ __forceinline__ int64_t split(I& rest, int64_t n) {
  const I q = rest / I(n), index = rest - q * I(n);
  rest = q;
  return int64_t(index);
}

template <class I, class T>
__global__ void __launch_bounds__(kThreads)
    unfold_kernel(const ConvParams p, const T* x, T* columns, int64_t count) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    I rest = I(i);
    int64_t place[3], at = 0, step = 1;
    bool inside = true;
    for (int d = 2; d >= 0; d--) place[d] = split(rest, p.out[d]);
    for (int d = 2; d >= 0; d--) {
      place[d] = place[d] * p.stride[d] + split(rest, p.kernel[d]) * p.dilation[d] - p.padding[d];
      inside = inside && place[d] >= 0 && place[d] < p.in[d];
      at += place[d] * step;
      step *= p.in[d];
    }
    columns[i] = inside ? x[int64_t(rest) * step + at] : T(0);
  }
}

template <class I, class T>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const ConvParams p, const T* columns, T* x, int64_t count) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    I rest = I(i);
    int64_t place[3], q[3];
    for (int d = 2; d >= 0; d--) place[d] = split(rest, p.in[d]) + p.padding[d];
    const auto find = [&](int d, int64_t tap) {
      const int64_t from = place[d] - tap * p.dilation[d];
      q[d] = int64_t(I(from < 0 ? 0 : from) / I(p.stride[d]));
      return from >= 0 && q[d] * p.stride[d] == from && q[d] < p.out[d];
    };
    const int64_t size = p.out[0] * p.out[1] * p.out[2];
    const T* from = columns + int64_t(rest) * p.kernel[0] * p.kernel[1] * p.kernel[2] * size;
    T sum = 0;
    for (int64_t t0 = 0; t0 < p.kernel[0]; t0++) {
      if (!find(0, t0)) continue;
      for (int64_t t1 = 0; t1 < p.kernel[1]; t1++) {
        if (!find(1, t1)) continue;
        for (int64_t t2 = 0; t2 < p.kernel[2]; t2++) {
          if (!find(2, t2)) continue;
          const int64_t tap = (t0 * p.kernel[1] + t1) * p.kernel[2] + t2;
          sum += from[tap * size + (q[0] * p.out[1] + q[1]) * p.out[2] + q[2]];
        }
      }
    }
    x[i] = sum;
  }
}

}  // namespace

void unfold_forward(DType dtype, const ConvParams& p, const void* x, void* columns) {
  const int64_t count = p.batch * p.c * p.taps() * p.out_size();
  if (count == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    const auto* from = static_cast<const scalar_t*>(x);
    auto* to = static_cast<scalar_t*>(columns);
    const unsigned blocks = grid_for(count, kThreads);
    if (count <= kMax32)
      MT_LAUNCH((unfold_kernel<uint32_t, scalar_t>), blocks, kThreads, 0, stream(), p, from, to,
                count);
    else
      MT_LAUNCH((unfold_kernel<uint64_t, scalar_t>), blocks, kThreads, 0, stream(), p, from, to,
                count);
  })
}

void fold_forward(DType dtype, const ConvParams& p, const void* columns, void* x) {
  const int64_t count = p.batch * p.c * p.in_size();
  if (count == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    const auto* from = static_cast<const scalar_t*>(columns);
    auto* to = static_cast<scalar_t*>(x);
    const unsigned blocks = grid_for(count, kThreads);
    if (count <= kMax32)
      MT_LAUNCH((fold_kernel<uint32_t, scalar_t>), blocks, kThreads, 0, stream(), p, from, to,
                count);
    else
      MT_LAUNCH((fold_kernel<uint64_t, scalar_t>), blocks, kThreads, 0, stream(), p, from, to,
                count);
  })
}

}  // namespace mt::cuda
