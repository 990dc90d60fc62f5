#include "bench/bench.h"
#include "ops/copy.h"

namespace mt::bench {
namespace {

constexpr DType kF32 = DType::Float32;

void add_transpose(int64_t n) {
  add("copy/transpose/" + std::to_string(n), {0, 8.0 * double(n * n)}, [=]() -> Call {
    Floats x = floats(n * n), y = floats(n * n);
    ElementIter it = flat(n * n, {y.get(), x.get()});
    it.ndim = 2;
    it.shape[0] = it.shape[1] = n;
    it.strides[0][1] = n * 4;
    it.strides[1][0] = n * 4;
    it.strides[1][1] = 4;
    return [=] {
      (void)x, (void)y;
      cpu::copy(kF32, kF32, it);
    };
  });
}

MT_BENCH(copy) {
  for (int64_t n : kSizes) {
    std::string size = std::to_string(n);
    add("copy/float32/" + size, {0, 8.0 * double(n)}, [=]() -> Call {
      Floats x = floats(n), y = floats(n);
      return [=] { cpu::copy(kF32, kF32, flat(n, {y.get(), x.get()})); };
    });
    add("copy/to_bfloat16/" + size, {0, 6.0 * double(n)}, [=]() -> Call {
      Floats x = floats(n), y = floats(n);
      return [=] {
        ElementIter it = flat(n, {y.get(), x.get()});
        it.strides[0][0] = 2;
        cpu::copy(DType::BFloat16, kF32, it);
      };
    });
    add("fill/" + size, {0, 4.0 * double(n)}, [=]() -> Call {
      Floats y = floats(n);
      return [=] {
        const float value = 1.5f;
        cpu::fill(kF32, flat(n, {y.get()}), &value);
      };
    });
  }
  add_transpose(64);
  add_transpose(512);
  add_transpose(2048);
}

}  // namespace
}  // namespace mt::bench
