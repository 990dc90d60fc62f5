// Grid sampling: y[c, q] = sum over the taps near grid[q] of weight * x[c, tap].
// A place in [-1, 1] becomes a coordinate, is brought inside (border, reflection), and has 1, 2 or
// 4 taps per dim with weights; taps outside of the image read as zero. Backward sends weight * dy
// to the taps, and the slopes of the weights times dy * x to the grid. The work is split over
// images.
#include "ops/vision.h"

#include "core/parallel.h"
#include "kernels/elementwise.h"
#include "kernels/vision_taps.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void forward(const GridParams& p, const T* x, const T* grid, T* y) {
  const int64_t size = p.out_size(), grain = kGrain / (16 * (p.c > 0 ? p.c : 1));
  parallel_for(p.batch * size, grain > 0 ? grain : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      const int64_t image = i / size, q = i % size;
      const fn::Place<T> place(p, grid + i * p.nd);
      int64_t offset[64];
      T weight[64];
      int count = 0;
      place.each(p, [&](int64_t at, int a, int b, int c) {
        offset[count] = at;
        weight[count++] = place.d[0].w[a] * place.d[1].w[b] * place.d[2].w[c];
      });
      const T* from = x + image * p.c * p.in_size();
      T* to = y + image * p.c * size + q;
      for (int64_t c = 0; c < p.c; c++, from += p.in_size(), to += size) {
        T sum = T(0);
        for (int k = 0; k < count; k++) sum += weight[k] * from[offset[k]];
        *to = sum;
      }
    }
  });
}

template <class T>
void backward(const GridParams& p, const T* dy, const T* x, const T* grid, T* dx, T* dgrid) {
  const int64_t size = p.out_size();
  parallel_for(p.batch, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; image++) {
      T* to = dx ? dx + image * p.c * p.in_size() : nullptr;
      for (int64_t i = 0; to && i < p.c * p.in_size(); i++) to[i] = T(0);
      const T* from = x + image * p.c * p.in_size();
      for (int64_t q = 0; q < size; q++) {
        const fn::Place<T> place(p, grid + (image * size + q) * p.nd);
        const T* g = dy + image * p.c * size + q;
        T slope[3] = {};
        place.each(p, [&](int64_t at, int a, int b, int c) {
          const T w0 = place.d[0].w[a], w1 = place.d[1].w[b], w2 = place.d[2].w[c];
          const T w = w0 * w1 * w2;
          T dot = T(0);
          for (int64_t n = 0; n < p.c; n++) {
            const T v = g[n * size];
            if (to) to[n * p.in_size() + at] += w * v;
            if (dgrid) dot += v * from[n * p.in_size() + at];
          }
          slope[0] += place.d[0].dw[a] * w1 * w2 * dot;
          slope[1] += w0 * place.d[1].dw[b] * w2 * dot;
          slope[2] += w0 * w1 * place.d[2].dw[c] * dot;
        });
        if (dgrid)
          for (int k = 0; k < p.nd; k++) dgrid[(image * size + q) * p.nd + k] = slope[2 - k];
      }
    }
  });
}

}  // namespace

void grid_sample_forward(DType dtype, const GridParams& p, const void* x, const void* grid,
                         void* y) {
  MT_SWITCH_FLOAT(dtype, forward(p, static_cast<const scalar_t*>(x),
                                 static_cast<const scalar_t*>(grid), static_cast<scalar_t*>(y)))
}

void grid_sample_backward(DType dtype, const GridParams& p, const void* dy, const void* x,
                          const void* grid, void* dx, void* dgrid) {
  MT_SWITCH_FLOAT(dtype,
                  backward(p, static_cast<const scalar_t*>(dy), static_cast<const scalar_t*>(x),
                           static_cast<const scalar_t*>(grid), static_cast<scalar_t*>(dx),
                           static_cast<scalar_t*>(dgrid)))
}

}  // namespace mt::cpu::MT_ISA
