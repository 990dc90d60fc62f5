// Patches of an image as the columns of a matrix (im2col): a thread per element of the matrix. The
// transpose of that (col2im): a thread per element of the image gathers what lies at it, so the
// order of additions is fixed. Moves batch * c * taps * q elements.
#include "ops/unfold.h"

#include "core/check.h"
#include "cuda/core/launch.h"

namespace mt::cuda {
namespace {

constexpr int64_t kMax32 = 0x7fffffff;

// Splits off the index of a dim of n elements.
__device__ __forceinline__ int64_t split(uint32_t& rest, int64_t n) {
  const uint32_t q = rest / uint32_t(n), index = rest - q * uint32_t(n);
  rest = q;
  return int64_t(index);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    unfold_kernel(const ConvParams p, const T* x, T* columns, int64_t count) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    uint32_t rest = uint32_t(i);
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

template <class T>
__global__ void __launch_bounds__(kThreads)
    fold_kernel(const ConvParams p, const T* columns, T* x, int64_t count) {
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    uint32_t rest = uint32_t(i);
    int64_t place[3], q[3];
    for (int d = 2; d >= 0; d--) place[d] = split(rest, p.in[d]) + p.padding[d];
    const auto find = [&](int d, int64_t tap) {
      const int64_t from = place[d] - tap * p.dilation[d];
      q[d] = uint32_t(from < 0 ? 0 : from) / uint32_t(p.stride[d]);
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

// f(first, count) over the planes of all images, as many at a time as have less than 2^31 elements
// of the matrix: division of 32 bits is cheap.
template <class F>
void for_planes(const ConvParams& p, const char* op, const F& f) {
  const int64_t columns = p.taps() * p.out_size(), planes = p.batch * p.c;
  const int64_t plane = columns > p.in_size() ? columns : p.in_size();
  if (plane == 0) return;
  MT_CHECK(plane <= kMax32, op, ": a plane of ", plane, " elements is too large on cuda");
  const int64_t most = kMax32 / plane;
  for (int64_t first = 0; first < planes; first += most)
    f(first, planes - first < most ? planes - first : most);
}

}  // namespace

void unfold_forward(DType dtype, const ConvParams& p, const void* x, void* columns) {
  const int64_t column = p.taps() * p.out_size();
  MT_SWITCH_FLOAT(dtype, for_planes(p, "unfold", [&](int64_t first, int64_t planes) {
                    MT_LAUNCH((unfold_kernel<scalar_t>), grid_for(planes * column, kThreads),
                              kThreads, 0, stream(), p,
                              static_cast<const scalar_t*>(x) + first * p.in_size(),
                              static_cast<scalar_t*>(columns) + first * column, planes * column);
                  }))
}

void fold_forward(DType dtype, const ConvParams& p, const void* columns, void* x) {
  const int64_t column = p.taps() * p.out_size();
  MT_SWITCH_FLOAT(dtype, for_planes(p, "fold", [&](int64_t first, int64_t planes) {
                    MT_LAUNCH(
                        (fold_kernel<scalar_t>), grid_for(planes * p.in_size(), kThreads), kThreads,
                        0, stream(), p, static_cast<const scalar_t*>(columns) + first * column,
                        static_cast<scalar_t*>(x) + first * p.in_size(), planes * p.in_size());
                  }))
}

}  // namespace mt::cuda
