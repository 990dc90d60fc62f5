#include "cuda/bench/bench.h"

namespace mt::cuda::bench {
namespace {

// A layer of ResNet-50 on `batch` images, and what it shrinks to.
void add_conv(int64_t batch, int64_t c, int64_t o, int64_t size, int64_t kernel, int64_t stride = 1,
              bool depthwise = false) {
  batch = fit(batch, 2), c = fit(c, 8), o = fit(o, 8), size = fit(size, 9);
  const ConvParams p = conv_params(batch, c, o, size, kernel, stride, depthwise ? c : 1);
  const int64_t nx = batch * c * p.in_size(), ny = batch * o * p.out_size();
  const int64_t nw = o * (c / p.groups) * p.taps();
  const std::string name = shape(batch, c, o, size, size) + "/" + shape(kernel, kernel) + "s" +
                           std::to_string(stride) + (depthwise ? "/depthwise" : "");
  const Work work{.flops = 2.0 * double(ny * (c / p.groups) * p.taps()),
                  .bytes = 4.0 * double(nx + ny + nw)};
  add(title("conv_forward", kF32, name), work, [=](Operands& a) -> Call {
    void *x = a.normal(kF32, nx), *w = a.normal(kF32, nw), *b = a.normal(kF32, o);
    void* y = a.empty(kF32, ny);
    return [=] { conv_forward(kF32, p, x, w, b, y); };
  });
  add(title("conv_backward_input", kF32, name), work, [=](Operands& a) -> Call {
    void *dy = a.normal(kF32, ny), *w = a.normal(kF32, nw), *dx = a.empty(kF32, nx);
    return [=] { conv_backward_input(kF32, p, dy, w, nullptr, dx); };
  });
  add(title("conv_backward_weight", kF32, name), work, [=](Operands& a) -> Call {
    void *dy = a.normal(kF32, ny), *x = a.normal(kF32, nx), *dw = a.empty(kF32, nw);
    return [=] { conv_backward_weight(kF32, p, dy, x, dw); };
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
  add_conv(32, 3, 64, 224, 7, 2);
  add_conv(32, 64, 64, 56, 1);
  add_conv(32, 64, 64, 56, 3);
  add_conv(32, 128, 128, 28, 3);
  add_conv(32, 256, 512, 56, 1, 2);
  add_conv(32, 256, 256, 14, 3);
  add_conv(32, 512, 512, 7, 3);
  add_conv(32, 128, 128, 56, 3, 1, true);
  const int64_t planes = fit(2048, 4), size = fit(112, 10);
  const std::string name = shape(planes, size, size);
  add_pool(pool_params(planes, size, 2, 2), name + "/2x2s2");
  add_pool(pool_params(planes, size, 3, 2, 1), name + "/3x3s2");
}

}  // namespace
}  // namespace mt::cuda::bench
