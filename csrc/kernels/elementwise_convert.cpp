// Conversions between the dtypes of memory and the compute types, and moves between strided and
// contiguous memory. A float outside of a small integer type's range wraps like the int64 of its
// value.
#include "kernels/elementwise.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace mt::cpu::MT_ISA {
namespace {

template <class D, class S>
MT_INLINE D converted(S v) {
  auto c = load<S>(v);
  if constexpr (__is_same(D, uint8_t) || __is_same(D, int8_t) || __is_same(D, int16_t))
    return D(int64_t(c));
  else return store_as<D>(c);
}

#if defined(__F16C__)
// A vector at a time; returns how many were done.
MT_INLINE int64_t to_half(float16* y, const float* x, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(y + i),
                        _mm512_maskz_cvtps_ph(0xffff, _mm512_loadu_ps(x + i), 0));
#endif
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
  return i;
}
MT_INLINE int64_t from_half(float* y, const float16* x, int64_t n) {
  int64_t i = 0;
#if defined(__AVX512F__)
  for (; i + 16 <= n; i += 16)
    _mm512_storeu_ps(
        y + i,
        _mm512_maskz_cvtph_ps(0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x + i))));
#endif
  for (; i + 8 <= n; i += 8)
    _mm256_storeu_ps(y + i,
                     _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x + i))));
  return i;
}
#endif

template <class D, class S>
void convert(char* to, const char* from, int64_t n) {
  D* y = reinterpret_cast<D*>(to);
  const S* x = reinterpret_cast<const S*>(from);
  int64_t begin = 0;
#if defined(__F16C__)
  if constexpr (__is_same(D, float16) && __is_same(S, float)) begin = to_half(y, x, n);
  if constexpr (__is_same(D, float) && __is_same(S, float16)) begin = from_half(y, x, n);
#endif
#pragma GCC ivdep
  for (int64_t i = begin; i < n; i++) y[i] = converted<D, S>(x[i]);
}

template <class C>
Convert load_to(DType memory) {
  // A bool is a byte of 0 or 1, which vectorises where bool does not.
  if (memory == DType::Bool && !__is_same(C, bool)) return &convert<C, uint8_t>;
  MT_SWITCH_ALL(memory, return &convert<C, scalar_t>)
  return nullptr;
}

template <class C>
Convert store_small(DType memory) {
  MT_SWITCH_INT(memory, return &convert<scalar_t, C>)
  return &convert<bool, C>;
}

template <class T>
void gather_as(char* to, const char* from, int64_t stride, int64_t n) {
  T* y = reinterpret_cast<T*>(to);
  if (stride == 2 * int64_t(sizeof(T))) {  // every other element: whole vectors and a shuffle
    const T* x = reinterpret_cast<const T*>(from);
#pragma GCC ivdep
    for (int64_t i = 0; i < n; i++) y[i] = x[2 * i];
    return;
  }
  for (int64_t i = 0; i < n; i++) {
    y[i] = *reinterpret_cast<const T*>(from + i * stride);
    __asm__ volatile("");
  }
}

template <class T>
void scatter_as(char* to, int64_t stride, const char* from, int64_t n) {
  const T* x = reinterpret_cast<const T*>(from);
  for (int64_t i = 0; i < n; i++) {
    *reinterpret_cast<T*>(to + i * stride) = x[i];
    __asm__ volatile("");
  }
}

template <class T>
void repeat_as(char* to, const char* from, int64_t n) {
  T v;
  __builtin_memcpy(&v, from, sizeof v);
  T* y = reinterpret_cast<T*>(to);
#pragma GCC ivdep
  for (int64_t i = 0; i < n; i++) y[i] = v;
}

}  // namespace

Convert load_converter(DType memory, DType compute) {
  switch (compute) {
    case DType::Float32:
      return load_to<float>(memory);
    case DType::Float64:
      return load_to<double>(memory);
    case DType::Int64:
      return load_to<int64_t>(memory);
    default:
      return load_to<bool>(memory);
  }
}

Convert store_converter(DType compute, DType memory) {
  switch (compute) {
    case DType::Float32:
      if (memory == DType::Float64) return &convert<double, float>;
      if (memory == DType::Float16) return &convert<float16, float>;
      if (memory == DType::BFloat16) return &convert<bfloat16, float>;
      return store_small<float>(memory);
    case DType::Float64:
      if (memory == DType::Float32) return &convert<float, double>;
      if (memory == DType::Float16) return &convert<float16, double>;
      if (memory == DType::BFloat16) return &convert<bfloat16, double>;
      return store_small<double>(memory);
    case DType::Int64:
      if (memory == DType::Float32) return &convert<float, int64_t>;
      if (memory == DType::Float64) return &convert<double, int64_t>;
      if (memory == DType::Float16) return &convert<float16, int64_t>;
      if (memory == DType::BFloat16) return &convert<bfloat16, int64_t>;
      return store_small<int64_t>(memory);
    default:
      MT_SWITCH_ALL(memory, return &convert<scalar_t, bool>)
      return nullptr;
  }
}

void gather(int64_t size, char* to, const char* from, int64_t stride, int64_t n) {
  if (stride == size) {
    __builtin_memcpy(to, from, size_t(n * size));
    return;
  }
  switch (size) {
    case 1:
      return gather_as<uint8_t>(to, from, stride, n);
    case 2:
      return gather_as<uint16_t>(to, from, stride, n);
    case 4:
      return gather_as<uint32_t>(to, from, stride, n);
    default:
      return gather_as<uint64_t>(to, from, stride, n);
  }
}

void scatter(int64_t size, char* to, int64_t stride, const char* from, int64_t n) {
  if (stride == size) {
    __builtin_memcpy(to, from, size_t(n * size));
    return;
  }
  switch (size) {
    case 1:
      return scatter_as<uint8_t>(to, stride, from, n);
    case 2:
      return scatter_as<uint16_t>(to, stride, from, n);
    case 4:
      return scatter_as<uint32_t>(to, stride, from, n);
    default:
      return scatter_as<uint64_t>(to, stride, from, n);
  }
}

void repeat(int64_t size, char* to, const char* from, int64_t n) {
  switch (size) {
    case 1:
      return repeat_as<uint8_t>(to, from, n);
    case 2:
      return repeat_as<uint16_t>(to, from, n);
    case 4:
      return repeat_as<uint32_t>(to, from, n);
    default:
      return repeat_as<uint64_t>(to, from, n);
  }
}

}  // namespace mt::cpu::MT_ISA
