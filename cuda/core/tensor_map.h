// Tensor maps: how the tensor memory accelerator sees a tensor in global memory. Encoded on the
// host, passed to the kernel as `const __grid_constant__ TensorMap`.
#pragma once
#include <cstdint>

#include "core/dtype.h"

#if defined(MT_EMULATE)
#include "cuda/emulator/tensor_map.h"
#else
#include <cuda.h>
#endif

namespace mt::ptx {

// Inside the shared memory of a box, 16-byte chunks are permuted so that rows fall into different
// banks: address bits 4..6 are XORed with bits 7..9 (128 bytes), two bits for 64, one for 32.
enum class Swizzle : int { none, b32, b64, b128 };

#if defined(MT_EMULATE)
using TensorMap = emu::TensorMap;
#else
using TensorMap = CUtensorMap;
#endif

// What a map is made of. Dimension 0 is innermost and contiguous.
struct TensorMapSpec {
  DType dtype = DType::BFloat16;
  int rank = 2;                   // 1..5
  const void* base = nullptr;     // 16-byte aligned
  uint64_t size[5] = {};          // elements
  uint64_t stride_bytes[5] = {};  // of dimensions 1.., multiples of 16; [0] is not read
  uint32_t box[5] = {1, 1, 1, 1,
                     1};  // elements, at most 256 each; the inner row at most the swizzle
  Swizzle swizzle = Swizzle::none;
  bool round_to_tf32 = false;  // loads of float32 round to tf32 on the way
};

}  // namespace mt::ptx

namespace mt::cuda {

// False where the driver has no tensor maps or refuses this one (alignment, sizes).
bool encode_tensor_map(ptx::TensorMap* map, const ptx::TensorMapSpec& spec);

}  // namespace mt::cuda
