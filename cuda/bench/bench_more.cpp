// Group norm, losses, triangles, columns of images, norms of gradients.
#include "cuda/bench/bench.h"
#include "ops/clip_grad.h"
#include "ops/group_norm.h"
#include "ops/loss.h"
#include "ops/tri.h"
#include "ops/unfold.h"

namespace mt::cuda::bench {
namespace {

void add_group_norm(int64_t n, int64_t c, int64_t inner, int64_t groups) {
  const int64_t all = n * c * inner;
  const std::string name = shape(n, c, inner) + "/groups" + std::to_string(groups);
  const auto arguments = [=](Operands& o) {
    return GroupNormArgs{kF32, n, c, inner, groups, o.floats(all), o.floats(c), o.floats(c), 1e-5};
  };
  add(title("group_norm_forward", kF32, name), {.bytes = 8.0 * double(all)},
      [=](Operands& o) -> Call {
        const GroupNormArgs args = arguments(o);
        float *y = o.floats(all), *stats = o.floats(2 * n * groups);
        return [=] { group_norm_forward(args, y, stats, stats + n * groups); };
      });
  add(title("group_norm_backward", kF32, name), {.bytes = 12.0 * double(all)},
      [=](Operands& o) -> Call {
        const GroupNormArgs args = arguments(o);
        float *dy = o.floats(all), *dx = o.floats(all), *stats = o.floats(2 * n * groups);
        float *dw = o.floats(2 * c), *partial = o.floats(2 * n * c);
        group_norm_forward(args, dx, stats, stats + n * groups);
        return [=] {
          group_norm_backward(args, dy, stats, stats + n * groups, dx, dw, dw + c, partial);
        };
      });
}

void add_loss(const char* name, LossOp op, int64_t n) {
  const std::string size = std::string(name) + "/" + std::to_string(n);
  const auto arguments = [=](Operands& o) {
    return LossArgs{
        .op = op, .dtype = kF32, .n = n, .x = o.normal(kF32, n), .t = o.uniform(kF32, n)};
  };
  add(title("loss_forward", kF32, size), {.bytes = 8.0 * double(n), .only_reads = true},
      [=](Operands& o) -> Call {
        const LossArgs args = arguments(o);
        void* out = o.empty(kF32, 1);
        return [=] {
          bool in_range = true;
          loss_forward(args, out, &in_range);
        };
      });
  add(title("loss_backward", kF32, size), {.bytes = 12.0 * double(n)}, [=](Operands& o) -> Call {
    const LossArgs args = arguments(o);
    void *dy = o.normal(kF32, 1), *dx = o.empty(kF32, n);
    return [=] { loss_backward(args, dy, dx); };
  });
}

MT_CUDA_BENCH(more) {
  add_group_norm(fit(64, 2), fit(256, 8), fit(28 * 28, 49), fit(32, 4));
  for (int64_t n : {1 << 16, 1 << 25}) {
    add_loss("mse_loss", LossOp::mse_loss, fit(n, 3000));
    add_loss("bce_with_logits", LossOp::bce_with_logits, fit(n, 3000));
  }
  const int64_t batch = fit(64, 2), side = fit(1024, 40);
  add(title("tri", kF32, shape(batch, side, side)), {.bytes = 8.0 * double(batch * side * side)},
      [=](Operands& o) -> Call {
        const void* x = o.normal(kF32, batch * side * side);
        void* y = o.empty(kF32, batch * side * side);
        return [=] { tri(4, x, y, batch, side, side, 0, false); };
      });
  const ConvParams p = conv_params(fit(16, 2), fit(64, 3), 1, fit(56, 9), 3);
  const int64_t image = p.batch * p.c * p.in_size(), columns = p.batch * p.c * 9 * p.out_size();
  add(title("unfold_forward", kF32, shape(p.batch, p.c, p.in[1], p.in[2]) + "/3x3"),
      {.bytes = 4.0 * double(image + columns)}, [=](Operands& o) -> Call {
        void *x = o.normal(kF32, image), *y = o.empty(kF32, columns);
        return [=] { unfold_forward(kF32, p, x, y); };
      });
  const int64_t n = fit(1 << 24, 5000);
  add(title("clip_grad_norm", kF32, shape(n)), {.bytes = 4.0 * double(n), .only_reads = true},
      [=](Operands& o) -> Call {
        const ClipItem item{o.normal(kF32, n), 0, n};
        void* norm = o.empty(kF32, 1);
        return [=] { clip_grad_norm(kF32, &item, 1, n, nullptr, norm); };
      });
}

}  // namespace
}  // namespace mt::cuda::bench
