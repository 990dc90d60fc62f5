// Products of 16-bit floats with sums in float that the tensor cores do not take: with vectors, and
// where the device has none.
#include "cuda/kernels/gemm_kinds.h"
#include "cuda/kernels/gemm_vector.cuh"

namespace mt::cuda {
namespace {

template <class T>
void gemm_16(const GemmArgs& args) {
  if (gemm_vector<T, float>(args)) return;
  if (args.m > 32 && args.n > 32) gemm_tiles<T, T, Tiles<float>::Medium>(args);
  else gemm_tiles<T, T, Tiles<float>::Small>(args);
}

}  // namespace

void gemm_half(const GemmArgs& args) {
  if (args.dtype == DType::Float16) gemm_16<float16>(args);
  else gemm_16<bfloat16>(args);
}

}  // namespace mt::cuda
