#include "bench/bench.h"

namespace mt::bench {
namespace {

void add_conv(const std::string& shape, ConvParams p) {
  int64_t nx = p.batch * p.c * p.in_size(), ny = p.batch * p.o * p.out_size();
  int64_t nw = p.o * (p.c / p.groups) * p.taps();
  Work work{2.0 * double(ny * (p.c / p.groups) * p.taps()), 4.0 * double(nx + ny + nw)};
  add("conv_forward/" + shape, work, [=]() -> Call {
    Floats x = floats(nx), w = floats(nw), b = floats(p.o), y = floats(ny);
    return [=] { cpu::conv_forward(DType::Float32, p, x.get(), w.get(), b.get(), y.get()); };
  });
  add("conv_backward_input/" + shape, work, [=]() -> Call {
    Floats dx = floats(nx), w = floats(nw), dy = floats(ny);
    return
        [=] { cpu::conv_backward_input(DType::Float32, p, dy.get(), w.get(), nullptr, dx.get()); };
  });
  add("conv_backward_weight/" + shape, work, [=]() -> Call {
    Floats x = floats(nx), dw = floats(nw), dy = floats(ny);
    return [=] { cpu::conv_backward_weight(DType::Float32, p, dy.get(), x.get(), dw.get()); };
  });
}

MT_BENCH(conv) {
  add_conv("4x64x56x56/3x3", conv_params(4, 64, 64, 56, 3));
  add_conv("4x128x28x28/3x3", conv_params(4, 128, 128, 28, 3));
  add_conv("4x512x7x7/3x3", conv_params(4, 512, 512, 7, 3));
  add_conv("4x64x56x56/3x3s2", conv_params(4, 64, 128, 56, 3, 2));
  add_conv("4x256x56x56/1x1", conv_params(4, 256, 64, 56, 1));
  add_conv("32x3x32x32/5x5", conv_params(32, 3, 6, 32, 5));
  add_conv("4x3x224x224/7x7s2", conv_params(4, 3, 64, 224, 7, 2));
  add_conv("4x128x56x56/3x3depthwise", conv_params(4, 128, 128, 56, 3, 1, 128));
}

}  // namespace
}  // namespace mt::bench
