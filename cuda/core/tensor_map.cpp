// Encoding of tensor maps: by the driver, found at run time so that nothing links against it, or
// into the emulator's plain struct.
#include "cuda/core/tensor_map.h"

#if !defined(MT_EMULATE)
#include <cuda_runtime.h>
#endif

namespace mt::cuda {

#if !defined(MT_EMULATE)
namespace {

using EncodeFn = CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*,
                              const cuuint64_t*, const cuuint64_t*, const cuuint32_t*,
                              const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

EncodeFn find_encode() {
  void* fn = nullptr;
  cudaDriverEntryPointQueryResult found;
#if CUDART_VERSION >= 12050
  const cudaError_t err = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &fn, 12000,
                                                           cudaEnableDefault, &found);
#else
  const cudaError_t err =
      cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &fn, cudaEnableDefault, &found);
#endif
  if (err != cudaSuccess || found != cudaDriverEntryPointSuccess) return nullptr;
  return reinterpret_cast<EncodeFn>(fn);
}

CUtensorMapDataType data_type(DType dtype, bool round_to_tf32) {
  if (round_to_tf32) return CU_TENSOR_MAP_DATA_TYPE_TFLOAT32;
  switch (dtype) {
    case DType::Float16:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
    case DType::BFloat16:
      return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
    case DType::Float32:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
    case DType::Float64:
      return CU_TENSOR_MAP_DATA_TYPE_FLOAT64;
    case DType::Int16:
      return CU_TENSOR_MAP_DATA_TYPE_UINT16;
    case DType::Int32:
      return CU_TENSOR_MAP_DATA_TYPE_INT32;
    case DType::Int64:
      return CU_TENSOR_MAP_DATA_TYPE_INT64;
    default:
      return CU_TENSOR_MAP_DATA_TYPE_UINT8;
  }
}

}  // namespace

bool encode_tensor_map(ptx::TensorMap* map, const ptx::TensorMapSpec& spec) {
  static const EncodeFn encode = find_encode();
  if (encode == nullptr) return false;
  const cuuint32_t steps[5] = {1, 1, 1, 1, 1};
  cuuint64_t sizes[5], strides[5];
  for (int i = 0; i < spec.rank; ++i) sizes[i] = spec.size[i];
  for (int i = 1; i < spec.rank; ++i) strides[i - 1] = spec.stride_bytes[i];
  constexpr CUtensorMapSwizzle swizzles[] = {CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_SWIZZLE_32B,
                                             CU_TENSOR_MAP_SWIZZLE_64B, CU_TENSOR_MAP_SWIZZLE_128B};
  return encode(map, data_type(spec.dtype, spec.round_to_tf32), cuuint32_t(spec.rank),
                const_cast<void*>(spec.base), sizes, strides, spec.box, steps,
                CU_TENSOR_MAP_INTERLEAVE_NONE, swizzles[int(spec.swizzle)],
                CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}
#else
bool encode_tensor_map(ptx::TensorMap* map, const ptx::TensorMapSpec& spec) {
  return emu::encode_tensor_map(map, int(itemsize(spec.dtype)), spec.rank, spec.base, spec.size,
                                spec.stride_bytes, spec.box, int(spec.swizzle), spec.round_to_tf32);
}
#endif

}  // namespace mt::cuda
