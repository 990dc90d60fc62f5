// Packing of strided matrices into the panels of gemm_driver.h, widening 16-bit floats on the way.
// The panel direction (rows of A, columns of B) is `across`, the direction of k is `along`; A and B
// differ only in the width of their panels.
#pragma once
#include "core/dtype.h"
#include "kernels/gemm_driver.h"

namespace mt::cpu::MT_ISA {

MT_INLINE float widen(float x) { return x; }
MT_INLINE double widen(double x) { return x; }
MT_INLINE float widen(float16 x) { return to_float(x); }
MT_INLINE float widen(bfloat16 x) { return to_float(x); }

// The side of the square blocks that are transposed in registers.
#if defined(__AVX2__)
constexpr int kBlockBytes = 32;
#else
constexpr int kBlockBytes = 16;
#endif
template <class T>
constexpr int kSide = kBlockBytes / int(sizeof(T));

#if defined(__clang__) || __GNUC__ >= 12
#define MT_SHUFFLE(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define MT_SHUFFLE(T, a, b, ...) \
  __builtin_shuffle(a, b, typename VectorOf<T, kBlockBytes>::type{__VA_ARGS__})
#endif

// In-register transpose of kSide x kSide elements.
template <class T>
struct Transpose;
#if defined(__AVX2__)
template <>
struct Transpose<float> {
  using Vec = VectorOf<float, 32>::type;
  static MT_INLINE void run(Vec (&r)[8]) {
    Vec t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      t[2 * i] = MT_SHUFFLE(int, r[2 * i], r[2 * i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
      t[2 * i + 1] = MT_SHUFFLE(int, r[2 * i], r[2 * i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    Vec u[8];
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
#pragma GCC unroll 2
      for (int j = 0; j < 2; j++) {
        Vec x = t[4 * i + j], y = t[4 * i + 2 + j];
        u[4 * i + 2 * j] = MT_SHUFFLE(int, x, y, 0, 1, 8, 9, 4, 5, 12, 13);
        u[4 * i + 2 * j + 1] = MT_SHUFFLE(int, x, y, 2, 3, 10, 11, 6, 7, 14, 15);
      }
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      r[i] = MT_SHUFFLE(int, u[i], u[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
      r[i + 4] = MT_SHUFFLE(int, u[i], u[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
  }
};
template <>
struct Transpose<double> {
  using Vec = VectorOf<double, 32>::type;
  static MT_INLINE void run(Vec (&r)[4]) {
    Vec a = MT_SHUFFLE(int64_t, r[0], r[1], 0, 4, 2, 6);
    Vec b = MT_SHUFFLE(int64_t, r[0], r[1], 1, 5, 3, 7);
    Vec c = MT_SHUFFLE(int64_t, r[2], r[3], 0, 4, 2, 6);
    Vec d = MT_SHUFFLE(int64_t, r[2], r[3], 1, 5, 3, 7);
    r[0] = MT_SHUFFLE(int64_t, a, c, 0, 1, 4, 5);
    r[1] = MT_SHUFFLE(int64_t, b, d, 0, 1, 4, 5);
    r[2] = MT_SHUFFLE(int64_t, a, c, 2, 3, 6, 7);
    r[3] = MT_SHUFFLE(int64_t, b, d, 2, 3, 6, 7);
  }
};
#else
template <>
struct Transpose<float> {
  using Vec = VectorOf<float, 16>::type;
  static MT_INLINE void run(Vec (&r)[4]) {
    Vec a = MT_SHUFFLE(int, r[0], r[1], 0, 4, 1, 5);
    Vec b = MT_SHUFFLE(int, r[0], r[1], 2, 6, 3, 7);
    Vec c = MT_SHUFFLE(int, r[2], r[3], 0, 4, 1, 5);
    Vec d = MT_SHUFFLE(int, r[2], r[3], 2, 6, 3, 7);
    r[0] = MT_SHUFFLE(int, a, c, 0, 1, 4, 5);
    r[1] = MT_SHUFFLE(int, a, c, 2, 3, 6, 7);
    r[2] = MT_SHUFFLE(int, b, d, 0, 1, 4, 5);
    r[3] = MT_SHUFFLE(int, b, d, 2, 3, 6, 7);
  }
};
template <>
struct Transpose<double> {
  using Vec = VectorOf<double, 16>::type;
  static MT_INLINE void run(Vec (&r)[2]) {
    Vec a = MT_SHUFFLE(int64_t, r[0], r[1], 0, 2);
    r[1] = MT_SHUFFLE(int64_t, r[0], r[1], 1, 3);
    r[0] = a;
  }
};
#endif
#undef MT_SHUFFLE

template <class T>
using BlockVec = typename VectorOf<T, kBlockBytes>::type;

// A vector V of float or double from as many elements of Src.
template <class V, class Src>
MT_INLINE V load_wide(const Src* p) {
  using T = __typeof__(V{}[0] + 0);
  constexpr int kCount = int(sizeof(V) / sizeof(T));
  if constexpr (sizeof(Src) == sizeof(T)) {
    return load_unaligned<V>(p);
  } else if constexpr (dtype_of<Src>::value == DType::BFloat16) {
    using Narrow = typename VectorOf<uint16_t, int(sizeof(V)) / 2>::type;
    using Wide = typename VectorOf<uint32_t, int(sizeof(V))>::type;
    return (V)(__builtin_convertvector(load_unaligned<Narrow>(p), Wide) << 16);
#if defined(__AVX512F__)
  } else if constexpr (kCount == 16) {
    return (V)_mm512_maskz_cvtph_ps(0xffff,
                                    _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#endif
#if defined(__F16C__)
  } else if constexpr (kCount == 8) {
    return (V)_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#endif
  } else {
    T wide[kCount];
    for (int i = 0; i < kCount; i++) wide[i] = widen(p[i]);
    return load_unaligned<V>(wide);
  }
}
// The first `count` lanes; the others are zero.
template <class T, class Src>
MT_INLINE GemmVec<T> load_wide_lanes(const Src* p, int count) {
  if constexpr (sizeof(Src) == sizeof(T)) {
    return load_lanes<T>(p, count);
  } else {
    Src lanes[Tile<T>::VL] = {};
    for (int i = 0; i < count; i++) lanes[i] = p[i];
    return load_wide<GemmVec<T>>(lanes);
  }
}

// dst[p*W + i] = src[i*stride + p], i < count <= W. Lanes beyond count repeat the last row.
template <class T, int W, class Src>
void pack_transposed(const Src* src, int64_t stride, int count, int64_t kc, T* dst) {
  constexpr int S = kSide<T>, VL = Tile<T>::VL;
  const int padded = int(min64(W, round_up(count, VL)));
  for (int i0 = 0; i0 < padded; i0 += S) {
    const Src* row[S];
    for (int i = 0; i < S; i++) row[i] = src + min64(i0 + i, count - 1) * stride;
    T* to = dst + i0;
    int64_t p = 0;
    // Where S > W, a store runs over the first lanes of the next step, which is written later.
    for (; p + S <= kc; p += S) {
      BlockVec<T> r[S];
#pragma GCC unroll 8
      for (int i = 0; i < S; i++) r[i] = load_wide<BlockVec<T>>(row[i] + p);
      Transpose<T>::run(r);
      if (i0 + S <= W || (W < S && p + S < kc)) {
#pragma GCC unroll 8
        for (int q = 0; q < S; q++) store_unaligned(to + (p + q) * W, r[q]);
      } else {
        for (int q = 0; q < S; q++)
          for (int i = 0; i0 + i < W; i++) to[(p + q) * W + i] = r[q][i];
      }
    }
    for (; p < kc; p++)
      for (int i = 0; i < S && i0 + i < W; i++) to[p * W + i] = widen(row[i][p]);
  }
}

// dst[p*W + i] = src[p*stride + i], i < count <= W; zero up to the next whole vector.
template <class T, int W, class Src>
void pack_contiguous(const Src* src, int64_t stride, int count, int64_t kc, T* dst) {
  if (count == W) {
    for (int64_t p = 0; p < kc; p++) {
      if constexpr (sizeof(Src) == sizeof(T)) {
        __builtin_memcpy(dst + p * W, src + p * stride, W * sizeof(T));
      } else if constexpr (W % kSide<T> == 0) {
#pragma GCC unroll 8
        for (int i = 0; i < W; i += kSide<T>)
          store_unaligned(dst + p * W + i, load_wide<BlockVec<T>>(src + p * stride + i));
      } else {
        for (int i = 0; i < W; i++) dst[p * W + i] = widen(src[p * stride + i]);
      }
    }
    return;
  }
  constexpr int VL = Tile<T>::VL;
  const int padded = int(min64(W, round_up(count, VL)));
  for (int64_t p = 0; p < kc; p++) {
    for (int i = 0; i < count; i++) dst[p * W + i] = widen(src[p * stride + i]);
    for (int i = count; i < padded; i++) dst[p * W + i] = T(0);
  }
}

template <class T, int W, class Src>
void pack_strided(const Src* src, int64_t across, int64_t along, int count, int64_t kc, T* dst) {
  constexpr int VL = Tile<T>::VL;
  const int padded = int(min64(W, round_up(count, VL)));
  for (int64_t p = 0; p < kc; p++) {
    for (int i = 0; i < count; i++) dst[p * W + i] = widen(src[i * across + p * along]);
    for (int i = count; i < padded; i++) dst[p * W + i] = T(0);
  }
}

// A pack_a (W = MR, across = row stride) or pack_b (W = NR, across = column stride).
template <class T, int W, class Src>
struct PackStrided {
  const Src* data;
  int64_t across, along;

  void operator()(int64_t k0, int64_t kc, int64_t i0, int count, T* dst) const {
    const Src* src = data + i0 * across + k0 * along;
    if (across == 1) {
      pack_contiguous<T, W>(src, along, count, kc, dst);
    } else if (along == 1) {
      pack_transposed<T, W>(src, across, count, kc, dst);
    } else {
      pack_strided<T, W>(src, across, along, count, kc, dst);
    }
  }
};

}  // namespace mt::cpu::MT_ISA
