#include "core/check.h"
#include "cuda/bench/bench.h"

namespace mt::cuda::bench {
namespace {

// A layer of ResNet-50 on `batch` images, and what it shrinks to; images with their channels
// outermost, or (last) innermost.
void add_conv(const Kind& kind, bool last, int64_t batch, int64_t c, int64_t o, int64_t size,
              int64_t kernel, int64_t stride = 1, bool depthwise = false) {
  batch = fit(batch, 2), c = fit(c, 8), o = fit(o, 8), size = fit(size, 9);
  ConvParams p = conv_params(batch, c, o, size, kernel, stride, depthwise ? c : 1);
  p.tf32 = kind.unit == Unit::tf32;
  p.last = p.dy_last = last;
  const DType t = kind.t;
  if (last && !conv_takes_last(t, p)) return;
  const int64_t nx = batch * c * p.in_size(), ny = batch * o * p.out_size();
  const int64_t nw = o * (c / p.groups) * p.taps();
  const std::string name =
      concat(kind.name, "/", shape(batch, c, o, size, size), "/", shape(kernel, kernel), "s",
             stride, depthwise ? "/depthwise" : "", last ? "/channels_last" : "");
  const Work work{.flops = 2.0 * double(ny * (c / p.groups) * p.taps()),
                  .bytes = double(itemsize(t)) * double(nx + ny + nw),
                  .unit = depthwise ? Unit::fp32 : kind.unit};
  add("conv_forward/" + name, work, [=](Operands& a) -> Call {
    void *x = a.normal(t, nx), *w = a.normal(t, nw), *b = a.normal(t, o), *y = a.empty(t, ny);
    return [=] { conv_forward(t, p, x, w, b, y); };
  });
  add("conv_backward_input/" + name, work, [=](Operands& a) -> Call {
    void *dy = a.normal(t, ny), *w = a.normal(t, nw), *dx = a.empty(t, nx);
    return [=] { conv_backward_input(t, p, dy, w, nullptr, dx); };
  });
  add("conv_backward_weight/" + name, work, [=](Operands& a) -> Call {
    void *dy = a.normal(t, ny), *x = a.normal(t, nx), *dw = a.empty(t, nw);
    return [=] { conv_backward_weight(t, p, dy, x, dw); };
  });
}

void add_pool(const PoolParams& p, const std::string& name) {
  const int64_t nx = p.planes * p.in_size(), ny = p.planes * p.out_size();
  const Work work{.bytes = 4.0 * double(nx + ny)};
  const Work with_tap{.bytes = work.bytes + double(ny)};
  add(title("max_pool_forward", kF32, name), with_tap, [=](Operands& o) -> Call {
    void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny), *tap = o.empty(DType::UInt8, ny);
    return [=] { max_pool_forward(kF32, p, x, y, PoolIndex::tap, tap); };
  });
  add(title("max_pool_backward", kF32, name), with_tap, [=](Operands& o) -> Call {
    void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny), *tap = o.empty(DType::UInt8, ny);
    max_pool_forward(kF32, p, x, y, PoolIndex::tap, tap);
    void* dx = o.empty(kF32, nx);
    return [=] { max_pool_backward(kF32, p, y, PoolIndex::tap, tap, dx); };
  });
  add(title("avg_pool_forward", kF32, name), work, [=](Operands& o) -> Call {
    void *x = o.normal(kF32, nx), *y = o.empty(kF32, ny);
    return [=] { avg_pool_forward(kF32, p, x, y); };
  });
  add(title("avg_pool_backward", kF32, name), work, [=](Operands& o) -> Call {
    void *dy = o.normal(kF32, ny), *dx = o.empty(kF32, nx);
    return [=] { avg_pool_backward(kF32, p, dy, dx); };
  });
}

MT_CUDA_BENCH(conv_pool) {
  for (const Kind& kind : kKinds)
    for (const bool last : {false, true}) {
      add_conv(kind, last, 32, 3, 64, 224, 7, 2);
      add_conv(kind, last, 32, 64, 64, 56, 1);
      add_conv(kind, last, 32, 64, 64, 56, 3);
      add_conv(kind, last, 32, 128, 128, 28, 3);
      add_conv(kind, last, 32, 256, 512, 56, 1, 2);
      add_conv(kind, last, 32, 256, 256, 14, 3);
      add_conv(kind, last, 32, 512, 512, 7, 3);
      add_conv(kind, last, 32, 128, 128, 56, 3, 1, true);
    }
  const int64_t planes = fit(2048, 4), size = fit(112, 10);
  const std::string name = shape(planes, size, size);
  add_pool(pool_params(planes, size, 2, 2), name + "/2x2s2");
  add_pool(pool_params(planes, size, 3, 2, 1), name + "/3x3s2");
}

}  // namespace
}  // namespace mt::cuda::bench
