// Matrix product, batched: C = act(alpha * A @ B + beta * C + bias).
// Packed, cache-blocked (gemm_driver.h) around a register tile (gemm_micro.h).
// Work: 2mnk flops; the tile makes it compute bound once m, n and k pass about 50.
#include "ops/gemm.h"

#include "kernels/gemm_driver.h"
#include "kernels/gemm_pack.h"
#include "kernels/gemm_store.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr double kThreadedFlops = 2e6;  // below, waking a thread costs more than it saves

template <class T, class Src>
void gemm_one(const GemmArgs& args, bool serial) {
  StoreMatrix<T, Src> store(args);
  Workspace<T> partial(store.needs_partial(args.k) ? args.m * args.n : 0);
  store.partial = partial.data;
  PackStrided<T, Tile<T>::MR, Src> pack_a{static_cast<const Src*>(args.a), args.a_row, args.a_col};
  PackStrided<T, Tile<T>::NR, Src> pack_b{static_cast<const Src*>(args.b), args.b_col, args.b_row};
  gemm_blocked<T>(args.m, args.n, args.k, pack_a, pack_b, store, serial);
}

template <class T, class Src>
void gemm_batched(const GemmArgs& args) {
  const double flops = 2.0 * double(args.m) * double(args.n) * double(max64(args.k, 1));
  const bool across = args.batch > 1 && (args.batch >= 2 * num_threads() || flops < kThreadedFlops);
  const int64_t grain = max64(1, int64_t(kThreadedFlops / 4 / (flops + 1)));
  auto run = [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++) {
      GemmArgs one = args;
      one.a = static_cast<const Src*>(args.a) + b * args.a_batch;
      one.b = static_cast<const Src*>(args.b) + b * args.b_batch;
      one.c = static_cast<Src*>(args.c) + b * args.c_batch;
      gemm_one<T, Src>(one, across || flops < kThreadedFlops);
    }
  };
  if (across) {
    parallel_for(args.batch, grain, run);
  } else {
    run(0, args.batch);
  }
}

}  // namespace

void gemm(const GemmArgs& args) {
  switch (args.dtype) {
    case DType::Float32:
      return gemm_batched<float, float>(args);
    case DType::Float64:
      return gemm_batched<double, double>(args);
    case DType::Float16:
      return gemm_batched<float, float16>(args);
    case DType::BFloat16:
      return gemm_batched<float, bfloat16>(args);
    default:
      break;
  }
}

}  // namespace mt::cpu::MT_ISA
