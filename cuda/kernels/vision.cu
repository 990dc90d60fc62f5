// Grid sampling, as csrc/kernels/vision.cpp states it. Forward and the gradient of the grid: one
// thread per output place, which walks over the channels. The gradient of the image adds to places
// that outputs share: one thread per plane adds them up in the order of the outputs, so that the
// sum has the same bits in every run.
#include "cuda/core/launch.h"
#include "kernels/vision_taps.h"

namespace mt::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads)
    forward_kernel(const GridParams p, const T* x, const T* grid, T* y, int64_t size,
                   int64_t in_size) {
  const int64_t image = blockIdx.y;
  for (int64_t q = thread_index(); q < size; q += thread_count()) {
    const fn::Place<T> place(p, grid + (image * size + q) * p.nd);
    const T* from = x + image * p.c * in_size;
    T* to = y + image * p.c * size + q;
    for (int64_t c = 0; c < p.c; c++, from += in_size, to += size) {
      T sum = T(0);
      place.each(p, [&](int64_t at, int a, int b, int d) {
        sum += place.d[0].w[a] * place.d[1].w[b] * place.d[2].w[d] * from[at];
      });
      *to = sum;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    grid_gradient_kernel(const GridParams p, const T* dy, const T* x, const T* grid, T* dgrid,
                         int64_t size, int64_t in_size) {
  const int64_t image = blockIdx.y;
  for (int64_t q = thread_index(); q < size; q += thread_count()) {
    const fn::Place<T> place(p, grid + (image * size + q) * p.nd);
    const T* from = x + image * p.c * in_size;
    const T* g = dy + image * p.c * size + q;
    T slope[3] = {};
    place.each(p, [&](int64_t at, int a, int b, int c) {
      const T w0 = place.d[0].w[a], w1 = place.d[1].w[b], w2 = place.d[2].w[c];
      T dot = T(0);
      for (int64_t n = 0; n < p.c; n++) dot += g[n * size] * from[n * in_size + at];
      slope[0] += place.d[0].dw[a] * w1 * w2 * dot;
      slope[1] += w0 * place.d[1].dw[b] * w2 * dot;
      slope[2] += w0 * w1 * place.d[2].dw[c] * dot;
    });
    for (int k = 0; k < p.nd; k++) dgrid[(image * size + q) * p.nd + k] = slope[2 - k];
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    image_gradient_kernel(const GridParams p, const T* dy, const T* grid, T* dx, int64_t size,
                          int64_t in_size) {
  for (int64_t plane = thread_index(); plane < p.batch * p.c; plane += thread_count()) {
    const int64_t image = plane / p.c;
    T* to = dx + plane * in_size;
    for (int64_t i = 0; i < in_size; i++) to[i] = T(0);
    for (int64_t q = 0; q < size; q++) {
      const fn::Place<T> place(p, grid + (image * size + q) * p.nd);
      const T v = dy[plane * size + q];
      place.each(p, [&](int64_t at, int a, int b, int c) {
        to[at] += place.d[0].w[a] * place.d[1].w[b] * place.d[2].w[c] * v;
      });
    }
  }
}

dim3 grid_of(const GridParams& p) {
  MT_CHECK(p.batch <= 65535, "grid_sample(): at most 65535 images on a GPU, got ", p.batch);
  return {grid_for(p.out_size(), kThreads, 1 << 16), unsigned(p.batch)};
}

}  // namespace

void grid_sample_forward(DType dtype, const GridParams& p, const void* x, const void* grid,
                         void* y) {
  if (p.batch == 0 || p.out_size() == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    MT_LAUNCH((forward_kernel<scalar_t>), grid_of(p), kThreads, 0, stream(), p,
              static_cast<const scalar_t*>(x), static_cast<const scalar_t*>(grid),
              static_cast<scalar_t*>(y), p.out_size(), p.in_size());
  })
}

void grid_sample_backward(DType dtype, const GridParams& p, const void* dy, const void* x,
                          const void* grid, void* dx, void* dgrid) {
  if (p.batch == 0) return;
  MT_SWITCH_FLOAT(dtype, {
    const auto* g = static_cast<const scalar_t*>(dy);
    const auto* places = static_cast<const scalar_t*>(grid);
    if (dgrid && p.out_size() > 0)
      MT_LAUNCH((grid_gradient_kernel<scalar_t>), grid_of(p), kThreads, 0, stream(), p, g,
                static_cast<const scalar_t*>(x), places, static_cast<scalar_t*>(dgrid),
                p.out_size(), p.in_size());
    if (dx)
      MT_LAUNCH((image_gradient_kernel<scalar_t>), grid_for(p.batch * p.c, 32), 32, 0, stream(), p,
                g, places, static_cast<scalar_t*>(dx), p.out_size(), p.in_size());
  })
}

}  // namespace mt::cuda
