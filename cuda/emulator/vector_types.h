// CUDA's vector types and dim3.
#pragma once
#include <cstdint>

// Vectors of 2 and 4 are aligned to their size, up to 16 bytes; vectors of 3 are plain structs.
#define MT_EMU_VECTOR_(name, T, size)                                          \
  struct name##1 { T x; };                                                     \
  struct alignas(2 * size > 16 ? 16 : 2 * size) name##2 { T x, y; };           \
  struct name##3 { T x, y, z; };                                               \
  struct alignas(4 * size > 16 ? 16 : 4 * size) name##4 { T x, y, z, w; };     \
  inline constexpr name##1 make_##name##1(T x) { return {x}; }                 \
  inline constexpr name##2 make_##name##2(T x, T y) { return {x, y}; }         \
  inline constexpr name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
  inline constexpr name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }

MT_EMU_VECTOR_(char, signed char, 1)
MT_EMU_VECTOR_(uchar, unsigned char, 1)
MT_EMU_VECTOR_(short, short, 2)
MT_EMU_VECTOR_(ushort, unsigned short, 2)
MT_EMU_VECTOR_(int, int, 4)
MT_EMU_VECTOR_(uint, unsigned int, 4)
MT_EMU_VECTOR_(longlong, long long, 8)
MT_EMU_VECTOR_(ulonglong, unsigned long long, 8)
MT_EMU_VECTOR_(float, float, 4)
MT_EMU_VECTOR_(double, double, 8)
#undef MT_EMU_VECTOR_

struct dim3 {
  unsigned int x = 1, y = 1, z = 1;
  constexpr dim3(unsigned int x_ = 1, unsigned int y_ = 1, unsigned int z_ = 1)
      : x(x_), y(y_), z(z_) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
  constexpr operator uint3() const { return {x, y, z}; }
};
