// Emulated tensor map: a plain struct of the size and alignment of CUDA's opaque one.
#pragma once
#include <cstdint>

namespace mt::emu {

struct alignas(64) TensorMap {
  char* base;
  uint64_t stride_bytes[5];  // [0] is the element
  uint32_t size[5];
  uint16_t box[5];
  uint8_t rank;     // 0 = never encoded
  uint8_t element;  // bytes
  uint8_t swizzle;  // 0 none, 1 32, 2 64, 3 128 bytes
  bool round_to_tf32;
};
static_assert(sizeof(TensorMap) == 128);

// Refuses what the driver refuses, and boxes whose inner row is not exactly the swizzle's span.
inline bool encode_tensor_map(TensorMap* map, int element, int rank, const void* base,
                              const uint64_t* size, const uint64_t* stride_bytes,
                              const uint32_t* box, int swizzle, bool round_to_tf32) {
  constexpr uint64_t kMaxStride = uint64_t(1) << 40, kMaxSize = uint64_t(1) << 32;
  if (rank < 1 || rank > 5 || reinterpret_cast<uintptr_t>(base) % 16) return false;
  *map = TensorMap{};
  map->base = static_cast<char*>(const_cast<void*>(base));
  map->element = uint8_t(element);
  map->swizzle = uint8_t(swizzle);
  map->round_to_tf32 = round_to_tf32;
  if (round_to_tf32 && element != 4) return false;
  for (int i = 0; i < rank; ++i) {
    if (size[i] == 0 || size[i] >= kMaxSize || box[i] == 0 || box[i] > 256) return false;
    if (i > 0 && (stride_bytes[i] % 16 || stride_bytes[i] >= kMaxStride)) return false;
    map->size[i] = uint32_t(size[i]);
    map->box[i] = uint16_t(box[i]);
    map->stride_bytes[i] = i ? stride_bytes[i] : uint64_t(element);
  }
  uint32_t row = box[0] * uint32_t(element);
  if (row % 16 || (swizzle && row != 16u << swizzle)) return false;
  map->rank = uint8_t(rank);
  return true;
}

// Where a swizzle puts the byte at shared address `a`.
inline uint32_t swizzled(uint32_t a, int swizzle) {
  uint32_t mask = (1u << swizzle) - 1;
  return a ^ ((a >> 7 & mask) << 4);
}

}  // namespace mt::emu
