// Products of integers modulo 2^bits, in unsigned types, in which overflow is defined.
#include "cuda/kernels/gemm_kinds.h"
#include "cuda/kernels/gemm_simt_matrix.cuh"

namespace mt::cuda {
namespace {

using Tile32 = TileShape<uint32_t, 32, 32, 16, 32, 16, 4, 4, 8>;
using Tile64 = TileShape<uint64_t, 32, 32, 8, 32, 16, 4, 4, 4>;

}  // namespace

void gemm_int(const GemmArgs& args) {
  switch (args.dtype) {
    case DType::UInt8:
      return gemm_tiles<uint8_t, uint8_t, Tile32>(args);
    case DType::Int8:
      return gemm_tiles<int8_t, int8_t, Tile32>(args);
    case DType::Int16:
      return gemm_tiles<int16_t, int16_t, Tile32>(args);
    case DType::Int32:
      return gemm_tiles<int32_t, int32_t, Tile32>(args);
    case DType::Int64:
      return gemm_tiles<int64_t, int64_t, Tile64>(args);
    default:
      return;
  }
}

void gemm_int8(const GemmArgs& args) {
  GemmArgs plain{.dtype = DType::Int8, .m = args.m, .n = args.n, .k = args.k};
  plain.a = args.a, plain.a_row = args.a_row, plain.a_col = args.a_col;
  plain.b = args.b, plain.b_row = args.b_row, plain.b_col = args.b_col;
  plain.c = args.c, plain.c_row = args.c_row;
  gemm_tiles<int8_t, int32_t, Tile32>(plain);
}

}  // namespace mt::cuda
