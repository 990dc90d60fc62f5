// Images: sampling, resizing, padding, adaptive pooling, matrices to images.
#include "cuda/bench/bench.h"
#include "ops/interpolate.h"
#include "ops/pad.h"
#include "ops/pool.h"
#include "ops/random.h"
#include "ops/unfold.h"
#include "ops/vision.h"

namespace mt::cuda::bench {
namespace {

void add_grid_sample(int64_t batch, int64_t c, int64_t size) {
  const GridParams p{
      batch, c, {1, size, size}, {1, size, size}, 2, GridMode::bilinear, GridPadding::zeros, false};
  const int64_t image = batch * c * size * size, grid = batch * size * size * 2;
  const std::string name = shape(batch, c, size, size);
  add(title("grid_sample_forward", kF32, name), {.bytes = 4.0 * double(2 * image + grid)},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, image), *at = o.uniform(kF32, grid), *y = o.empty(kF32, image);
        return [=] { grid_sample_forward(kF32, p, x, at, y); };
      });
  add(title("grid_sample_backward", kF32, name), {.bytes = 4.0 * double(3 * image + 2 * grid)},
      [=](Operands& o) -> Call {
        void *dy = o.normal(kF32, image), *x = o.normal(kF32, image);
        void *at = o.uniform(kF32, grid), *dx = o.empty(kF32, image), *dat = o.empty(kF32, grid);
        return [=] { grid_sample_backward(kF32, p, dy, x, at, dx, dat); };
      });
}

// Rows to twice their length with two taps: one direction of a bilinear resize.
void add_resample(int64_t outer, int64_t in, int64_t inner) {
  const int64_t out = 2 * in, nx = outer * in * inner, ny = outer * out * inner;
  add(title("resample", kF32, shape(outer, in, inner) + "/taps2"), {.bytes = 4.0 * double(nx + ny)},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny), *w = o.uniform(kF32, 2 * out);
        int32_t* at = static_cast<int32_t*>(o.empty(DType::Int32, 2 * out));
        random_integers(DType::Int32, at, 2 * out, 1, 0, 0, uint64_t(in), false);
        return [=] { resample(kF32, x, y, outer, in, inner, out, 2, at, w, false); };
      });
}

void add_pad(PadMode mode, const char* name, int64_t planes, int64_t size) {
  PadPlan plan;
  plan.ndim = 3;
  plan.mode = mode;
  plan.dim[0] = {planes, planes, 0, 0, planes};
  plan.dim[1] = plan.dim[2] = {size, size + 4, 2, 0, size};
  const int64_t nx = planes * size * size, ny = planes * (size + 4) * (size + 4);
  const std::string title_of = std::string(name) + "/" + shape(planes, size, size);
  add(title("pad_forward", kF32, title_of), {.bytes = 4.0 * double(nx + ny)},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny);
        return [=] {
          const float value = 0;
          pad_forward(4, x, y, plan, &value);
        };
      });
  if (mode == PadMode::constant) return;
  add(title("pad_backward", kF32, title_of), {.bytes = 4.0 * double(nx + ny)},
      [=](Operands& o) -> Call {
        void *dy = o.normal(kF32, ny), *dx = o.normal(kF32, nx);
        return [=] { pad_backward(kF32, dy, dx, plan); };
      });
}

void add_adaptive(int64_t planes, int64_t size, int64_t out) {
  PoolParams p = pool_params(planes, size, 1, 1);
  p.out[1] = p.out[2] = out;
  const int64_t nx = planes * size * size, ny = planes * out * out;
  const std::string name = shape(planes, size, size) + "/to" + std::to_string(out);
  add(title("adaptive_avg_pool_forward", kF32, name), {.bytes = 4.0 * double(nx + ny)},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny);
        return [=] { adaptive_avg_pool_forward(kF32, p, x, y); };
      });
  add(title("adaptive_avg_pool_backward", kF32, name), {.bytes = 4.0 * double(nx + ny)},
      [=](Operands& o) -> Call {
        void *dy = o.normal(kF32, ny), *dx = o.empty(kF32, nx);
        return [=] { adaptive_avg_pool_backward(kF32, p, dy, dx); };
      });
  add(title("adaptive_max_pool_forward", kF32, name), {.bytes = 4.0 * double(nx + 3 * ny)},
      [=](Operands& o) -> Call {
        void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny);
        int64_t* index = o.indices(ny, 2);
        return [=] { adaptive_max_pool_forward(kF32, p, x, y, index); };
      });
}

MT_CUDA_BENCH(vision) {
  add_grid_sample(fit(16, 2), fit(64, 3), fit(64, 7));
  add_resample(fit(1024, 3), fit(128, 9), fit(128, 10));
  add_resample(fit(131072, 30), fit(128, 9), 1);
  add_pad(PadMode::constant, "constant", fit(2048, 3), fit(112, 9));
  add_pad(PadMode::reflect, "reflect", fit(2048, 3), fit(112, 9));
  add_adaptive(fit(65536, 20), fit(7, 7), 1);
  add_adaptive(fit(8192, 5), fit(28, 11), 7);
  const ConvParams p = conv_params(fit(16, 2), fit(64, 3), 1, fit(56, 9), 3);
  const int64_t image = p.batch * p.c * p.in_size(), columns = p.batch * p.c * 9 * p.out_size();
  add(title("fold_forward", kF32, shape(p.batch, p.c, p.in[1], p.in[2]) + "/3x3"),
      {.bytes = 4.0 * double(image + columns)}, [=](Operands& o) -> Call {
        void *x = o.normal(kF32, columns), *y = o.empty(kF32, image);
        return [=] { fold_forward(kF32, p, x, y); };
      });
}

}  // namespace
}  // namespace mt::cuda::bench
