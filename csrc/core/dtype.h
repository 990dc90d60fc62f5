// Element types, their C++ representations and the promotion rules.
#pragma once
#include "core/macros.h"

namespace mt {

// Ordered so that within a category a larger value is the wider type.
enum class DType : uint8_t {
  Bool,
  UInt8,
  Int8,
  Int16,
  Int32,
  Int64,
  Float16,
  BFloat16,
  Float32,
  Float64
};
constexpr int kNumDTypes = 10;

// 16-bit floats are storage types: kernels widen them to float and accumulate there.
struct float16 {
  uint16_t bits;
};
struct bfloat16 {
  uint16_t bits;
};

MT_INLINE MT_HD float to_float(bfloat16 h) {
  uint32_t u = uint32_t(h.bits) << 16;
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}

// Round to nearest even; NaN stays NaN.
MT_INLINE MT_HD bfloat16 to_bfloat16(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  uint32_t rounded = (u + 0x7fffu + ((u >> 16) & 1u)) >> 16;
  return {uint16_t((u & 0x7fffffffu) > 0x7f800000u ? 0x7fc0u | (u >> 16) : rounded)};
}

// Branch-free so that loops over arrays vectorise: the exponent is rebased by a multiplication,
// which also normalises subnormals.
MT_INLINE MT_HD float to_float(float16 h) {
  uint32_t sign = uint32_t(h.bits & 0x8000u) << 16;
  uint32_t body = uint32_t(h.bits & 0x7fffu) << 13;
  float f;
  __builtin_memcpy(&f, &body, 4);
  f *= 0x1p112f;
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  u |= (body >= 0x0f800000u ? 0x7f800000u : 0u) | sign;
  __builtin_memcpy(&f, &u, 4);
  return f;
}

MT_INLINE MT_HD float16 to_float16(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  uint32_t sign = u & 0x80000000u, a = u & 0x7fffffffu;
  // Subnormal results: adding 0.5 aligns the mantissa so that the hardware rounds it.
  float tiny;
  __builtin_memcpy(&tiny, &a, 4);
  tiny += 0.5f;
  uint32_t t;
  __builtin_memcpy(&t, &tiny, 4);
  uint32_t subnormal = t - 0x3f000000u;
  uint32_t normal = (a + 0xfffu + ((a >> 13) & 1u) - 0x38000000u) >> 13;
  uint32_t r = a < 0x38800000u ? subnormal : normal;
  r = a >= 0x477ff000u ? 0x7c00u : r;
  r = a > 0x7f800000u ? 0x7e00u : r;
  return {uint16_t(r | (sign >> 16))};
}

constexpr size_t itemsize(DType t) {
  constexpr uint8_t sizes[kNumDTypes] = {1, 1, 1, 2, 4, 8, 2, 2, 4, 8};
  return sizes[int(t)];
}
constexpr bool is_floating(DType t) { return t >= DType::Float16; }
constexpr bool is_integral(DType t) { return t >= DType::UInt8 && t <= DType::Int64; }
constexpr const char* dtype_name(DType t) {
  constexpr const char* names[kNumDTypes] = {"bool",  "uint8",   "int8",     "int16",   "int32",
                                             "int64", "float16", "bfloat16", "float32", "float64"};
  return names[int(t)];
}
// Names that error messages use, as PyTorch's scalar types.
constexpr const char* scalar_type_name(DType t) {
  constexpr const char* names[kNumDTypes] = {"Bool", "Byte", "Char",     "Short", "Int",
                                             "Long", "Half", "BFloat16", "Float", "Double"};
  return names[int(t)];
}

// Result type of two tensors of the same priority.
constexpr DType promote(DType a, DType b) {
  if (a == b) return a;
  DType lo = a < b ? a : b, hi = a < b ? b : a;
  if (lo == DType::UInt8 && hi == DType::Int8) return DType::Int16;
  if (lo == DType::Float16 && hi == DType::BFloat16) return DType::Float32;
  return hi;
}

template <class T>
struct dtype_of;
template <>
struct dtype_of<bool> {
  static constexpr DType value = DType::Bool;
};
template <>
struct dtype_of<uint8_t> {
  static constexpr DType value = DType::UInt8;
};
template <>
struct dtype_of<int8_t> {
  static constexpr DType value = DType::Int8;
};
template <>
struct dtype_of<int16_t> {
  static constexpr DType value = DType::Int16;
};
template <>
struct dtype_of<int32_t> {
  static constexpr DType value = DType::Int32;
};
template <>
struct dtype_of<int64_t> {
  static constexpr DType value = DType::Int64;
};
template <>
struct dtype_of<float16> {
  static constexpr DType value = DType::Float16;
};
template <>
struct dtype_of<bfloat16> {
  static constexpr DType value = DType::BFloat16;
};
template <>
struct dtype_of<float> {
  static constexpr DType value = DType::Float32;
};
template <>
struct dtype_of<double> {
  static constexpr DType value = DType::Float64;
};

}  // namespace mt

// Run the code with `scalar_t` bound to the element type of `dtype`; the default arm does nothing,
// since ops have checked the dtype before a kernel is called.
#define MT_CASE_(enumerator, type, ...) \
  case ::mt::DType::enumerator: {       \
    using scalar_t = type;              \
    __VA_ARGS__;                        \
    break;                              \
  }
#define MT_SWITCH_INT_CASES_(...)       \
  MT_CASE_(UInt8, uint8_t, __VA_ARGS__) \
  MT_CASE_(Int8, int8_t, __VA_ARGS__)   \
  MT_CASE_(Int16, int16_t, __VA_ARGS__) \
  MT_CASE_(Int32, int32_t, __VA_ARGS__) \
  MT_CASE_(Int64, int64_t, __VA_ARGS__)
#define MT_SWITCH_FLOAT_CASES_(...)     \
  MT_CASE_(Float32, float, __VA_ARGS__) \
  MT_CASE_(Float64, double, __VA_ARGS__)
#define MT_SWITCH_HALF_CASES_(...)              \
  MT_CASE_(Float16, ::mt::float16, __VA_ARGS__) \
  MT_CASE_(BFloat16, ::mt::bfloat16, __VA_ARGS__)
#define MT_SWITCH_FLOAT(dtype, ...) \
  switch (dtype) { MT_SWITCH_FLOAT_CASES_(__VA_ARGS__) default : break; }
#define MT_SWITCH_FLOAT_HALF(dtype, ...)                                                    \
  switch (dtype) {                                                                          \
    MT_SWITCH_FLOAT_CASES_(__VA_ARGS__) MT_SWITCH_HALF_CASES_(__VA_ARGS__) default : break; \
  }
#define MT_SWITCH_INT(dtype, ...) \
  switch (dtype) { MT_SWITCH_INT_CASES_(__VA_ARGS__) default : break; }
#define MT_SWITCH_INT_FLOAT(dtype, ...)                                                    \
  switch (dtype) {                                                                         \
    MT_SWITCH_INT_CASES_(__VA_ARGS__) MT_SWITCH_FLOAT_CASES_(__VA_ARGS__) default : break; \
  }
#define MT_SWITCH_ALL(dtype, ...)                                                           \
  switch (dtype) {                                                                          \
    MT_CASE_(Bool, bool, __VA_ARGS__)                                                       \
    MT_SWITCH_INT_CASES_(__VA_ARGS__)                                                       \
    MT_SWITCH_FLOAT_CASES_(__VA_ARGS__) MT_SWITCH_HALF_CASES_(__VA_ARGS__) default : break; \
  }
