// Matrix product, batched: C = act(alpha * A @ B + beta * C + bias), A and B with any strides.
// 16-bit floats, and float32 where TF32 is allowed, go to the tensor cores (gemm_tensor_core.cu);
// the rest through tiles of shared memory (gemm_simt.cuh), integers modulo 2^bits (gemm_int.cu).
// Work: 2mnk flops on (mk + kn + mn) elements: compute bound once m, n and k pass about 50.
#include "ops/gemm.h"

#include "cuda/core/device.h"
#include "cuda/kernels/gemm_kinds.h"
#include "cuda/kernels/gemm_tensor_core.h"
#include "cuda/kernels/gemm_vector.cuh"

namespace mt::cuda {
namespace {

template <class C>
void gemm_float(const GemmArgs& args) {
  if (gemm_vector<C, C>(args)) return;
  switch (tile_size<C>(args.m, args.n, args.batch)) {
    case TileSize::large:
      return gemm_tiles<C, C, typename Tiles<C>::Large>(args);
    case TileSize::wide:
      return gemm_tiles<C, C, typename Tiles<C>::Wide>(args);
    case TileSize::medium:
      return gemm_tiles<C, C, typename Tiles<C>::Medium>(args);
    case TileSize::small:
      return gemm_tiles<C, C, typename Tiles<C>::Small>(args);
  }
}

}  // namespace

void gemm(const GemmArgs& args) {
  if (args.batch == 0 || args.m == 0 || args.n == 0) return;
  // A product with a vector reads the matrix once: nothing for tensor cores.
  if (args.m > 1 && args.n > 1 && gemm_tensor_core(args, allow_tf32(), stream())) return;
  switch (args.dtype) {
    case DType::Float32:
      return gemm_float<float>(args);
    case DType::Float64:
      return gemm_float<double>(args);
    case DType::Float16:
    case DType::BFloat16:
      return gemm_half(args);
    default:
      return gemm_int(args);
  }
}

}  // namespace mt::cuda
