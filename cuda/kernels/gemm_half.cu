// Products of 16-bit floats with sums in float.
#include "cuda/kernels/gemm_kinds.h"
#include "cuda/kernels/gemm_matrix.cuh"

namespace mt::cuda {
namespace {

template <class T>
void gemm_simt(const GemmArgs& args) {
  if (args.m > 32 && args.n > 32) gemm_tiles<T, T, Tiles<float>::Medium>(args);
  else gemm_tiles<T, T, Tiles<float>::Small>(args);
}

}  // namespace

void gemm_half(const GemmArgs& args) {
  if (args.dtype == DType::Float16) gemm_simt<float16>(args);
  else gemm_simt<bfloat16>(args);
}

}  // namespace mt::cuda
