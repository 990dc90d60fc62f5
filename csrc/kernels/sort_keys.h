// Keys whose order as unsigned integers is the order of the elements: NaN last, -0 equal to 0.
#pragma once
#include "kernels/fn.h"
#if defined(MT_CUDA_KERNELS)
#include "cuda/core/vec.h"
#else
#include "kernels/elementwise.h"
#endif

namespace MT_FN {

template <class S>
struct Keys {  // integers up to 32 bits
  using Key = uint32_t;
  static constexpr bool is_signed = S(-1) < S(0);
  static MT_INLINE Key of(S v) { return uint32_t(int32_t(v)) ^ (is_signed ? 0x80000000u : 0u); }
  static MT_INLINE S value(Key k) { return S(int32_t(k ^ (is_signed ? 0x80000000u : 0u))); }
  static MT_INLINE bool is_negative_zero(S) { return false; }
};

template <>
struct Keys<int64_t> {
  using Key = uint64_t;
  static MT_INLINE Key of(int64_t v) { return uint64_t(v) ^ (1ull << 63); }
  static MT_INLINE int64_t value(Key k) { return int64_t(k ^ (1ull << 63)); }
  static MT_INLINE bool is_negative_zero(int64_t) { return false; }
};

// Negative numbers are reversed by flipping all bits, positive ones come after them.
template <class S, class F, class U>
struct FloatKeys {
  using Key = U;
  static constexpr U kSign = U(1) << (sizeof(U) * 8 - 1);
  static MT_INLINE Key of(S v) {
    const F f = load<S>(v) + F(0);
    const U u = bits<U>(f);
    const U key = (u & kSign) ? ~u : (u | kSign);
    return f == f ? key : ~U(0);
  }
  static MT_INLINE S value(Key k) {
    return store_as<S>(bits<F>((k & kSign) ? U(k ^ kSign) : U(~k)));
  }
  static MT_INLINE bool is_negative_zero(S v) { return bits<U>(F(load<S>(v))) == kSign; }
};
template <>
struct Keys<float> : FloatKeys<float, float, uint32_t> {};
template <>
struct Keys<double> : FloatKeys<double, double, uint64_t> {};
template <>
struct Keys<float16> : FloatKeys<float16, float, uint32_t> {};
template <>
struct Keys<bfloat16> : FloatKeys<bfloat16, float, uint32_t> {};

}  // namespace MT_FN
