// Products of 16-bit floats with sums in float.
#include "cuda/kernels/gemm_kinds.h"
#include "cuda/kernels/gemm_vector.cuh"
#if __has_include("cuda/kernels/gemm_tensor_core.h")
#include "cuda/kernels/gemm_tensor_core.h"
#endif

namespace mt::cuda {
namespace {

template <class T>
void gemm_16(const GemmArgs& args) {
  if (gemm_vector<T, float>(args)) return;
#if __has_include("cuda/kernels/gemm_tensor_core.h")
  if (gemm_tensor_core(args, false, stream())) return;
#endif
  if (args.m > 32 && args.n > 32) gemm_tiles<T, T, Tiles<float>::Medium>(args);
  else gemm_tiles<T, T, Tiles<float>::Small>(args);
}

}  // namespace

void gemm_half(const GemmArgs& args) {
  if (args.dtype == DType::Float16) gemm_16<float16>(args);
  else gemm_16<bfloat16>(args);
}

}  // namespace mt::cuda
