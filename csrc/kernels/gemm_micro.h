// The innermost level of the matrix product: a tile of C held in registers.
// One source for every instruction set: GCC vector extensions, sizes chosen by constexpr.
#pragma once
#include "kernels/vector_bytes.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace mt::cpu::MT_ISA {

template <class T, int kBytes = kVectorBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes), may_alias));
  typedef T unaligned __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};
template <class T>
using GemmVec = typename VectorOf<T>::type;

template <class V, class T>
MT_INLINE V load_unaligned(const T* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class V, class T>
MT_INLINE void store_unaligned(T* p, V v) {
  __builtin_memcpy(p, &v, sizeof v);
}

// Tile sizes. MR rows are broadcast, NV vectors lie along a row; MR * NV accumulators plus NV + 1
// operands fill the register file (32 registers: AVX-512 and NEON, else 16). KC is part of the
// order of summation, so it depends on the instruction set but not on the machine.
template <class T>
struct Tile {
  static constexpr int VL = kVectorBytes / int(sizeof(T));
#if defined(__AVX512F__) || defined(__aarch64__)
  static constexpr int MR = 8, NV = 3;
#elif defined(__AVX2__)
  static constexpr int MR = 6, NV = 2;
#else
  static constexpr int MR = 4, NV = 2;
#endif
  static constexpr int NR = NV * VL;
  static constexpr int64_t KC = 384;
};

// The first `count` lanes of a vector, in memory or from it; lanes beyond read as zero.
#if defined(__AVX2__) && !defined(__AVX512F__)
template <class T>
MT_INLINE __m256i lane_mask(int count) {
  if constexpr (sizeof(T) == 4) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  } else {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(count), _mm256_setr_epi64x(0, 1, 2, 3));
  }
}
#endif
template <class T>
MT_INLINE GemmVec<T> load_lanes(const T* p, int count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    return (GemmVec<T>)_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1), p);
  } else {
    return (GemmVec<T>)_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1), p);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    return (GemmVec<T>)_mm256_maskload_ps(p, lane_mask<T>(count));
  } else {
    return (GemmVec<T>)_mm256_maskload_pd(p, lane_mask<T>(count));
  }
#else
  T lanes[Tile<T>::VL] = {};
  for (int i = 0; i < count; i++) lanes[i] = p[i];
  return load_unaligned<GemmVec<T> >(lanes);
#endif
}
template <class T>
MT_INLINE void store_lanes(T* p, GemmVec<T> v, int count) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) {
    _mm512_mask_storeu_ps(p, __mmask16((1u << count) - 1), (__m512)v);
  } else {
    _mm512_mask_storeu_pd(p, __mmask8((1u << count) - 1), (__m512d)v);
  }
#elif defined(__AVX2__)
  if constexpr (sizeof(T) == 4) {
    _mm256_maskstore_ps(p, lane_mask<T>(count), (__m256)v);
  } else {
    _mm256_maskstore_pd(p, lane_mask<T>(count), (__m256d)v);
  }
#else
  T lanes[Tile<T>::VL];
  store_unaligned(lanes, v);
  for (int i = 0; i < count; i++) p[i] = lanes[i];
#endif
}

#if defined(__AVX2__)
constexpr bool kMaskedLoads = true;  // ragged vectors need no copy
#else
constexpr bool kMaskedLoads = false;
#endif

// C comes from memory while the sums are made: one late row would stall the whole tile.
template <class T, int MR, int NV>
MT_INLINE void prefetch_tile(const T* c, int64_t c_row) {
  constexpr int kBytes = NV * kVectorBytes;
  const bool aligned = (reinterpret_cast<uintptr_t>(c) | uintptr_t(c_row) * sizeof(T)) % 64 == 0;
#pragma GCC unroll 8
  for (int i = 0; i < MR; i++) {
    const char* row = reinterpret_cast<const char*>(c + i * c_row);
#pragma GCC unroll 4
    for (int at = 0; at < kBytes; at += 64) __builtin_prefetch(row + at, 1);
    if (!aligned) __builtin_prefetch(row + kBytes - 1, 1);
  }
}

// C[MRx(NV*VL)] = (add ? C : 0) + A @ B over kc steps. A's element (i, p) is a[i*a_row + p*a_col],
// B's row p starts at b + p*b_row. Only `last` lanes of each row's last vector are stored.
// kPacked: the strides of the packed panels are known to the compiler, and their rows are padded;
// else only `last` lanes are read, too, where the machine has masked loads.
template <class T>
using MicroKernel = void(int64_t kc, const T* a, int64_t a_row, int64_t a_col, const T* b,
                         int64_t b_row, T* c, int64_t c_row, bool add, int last);

template <class T, int MR, int NV, bool kPacked>
void micro_kernel(int64_t kc, const T* a, int64_t a_row, int64_t a_col, const T* b, int64_t b_row,
                  T* c, int64_t c_row, bool add, int last) {
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  if (kPacked) {
    a_row = 1;
    a_col = Tile<T>::MR;
    b_row = Tile<T>::NR;
  }
  if (kPacked) prefetch_tile<T, MR, NV>(c, c_row);
  Vec acc[MR][NV] = {};
  for (int64_t p = 0; p < kc; p++) {
    Vec bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) {
      const bool whole = kPacked || !kMaskedLoads || v + 1 < NV;
      bv[v] = whole ? load_unaligned<Vec>(b + v * VL) : load_lanes<T>(b + v * VL, last);
    }
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
      Vec av = a[i * a_row] - Vec{};
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) acc[i][v] += av * bv[v];
    }
    a += a_col;
    b += b_row;
  }
  if (MT_LIKELY(last == VL)) {
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) {
        T* to = c + i * c_row + v * VL;
        store_unaligned(to, add ? load_unaligned<Vec>(to) + acc[i][v] : acc[i][v]);
      }
    }
    return;
  }
#pragma GCC unroll 8
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v + 1 < NV; v++) {
      T* to = c + i * c_row + v * VL;
      store_unaligned(to, add ? load_unaligned<Vec>(to) + acc[i][v] : acc[i][v]);
    }
    T* to = c + i * c_row + (NV - 1) * VL;
    store_lanes<T>(to, add ? load_lanes<T>(to, last) + acc[i][NV - 1] : acc[i][NV - 1], last);
  }
}

// The kernel for a tile of `rows` <= MR by `vectors` <= NV.
template <class T, bool kPacked, int R, int N>
MT_INLINE MicroKernel<T>* pick_micro_kernel(int rows, int vectors) {
  if constexpr (N > 1) {
    if (vectors < N) return pick_micro_kernel<T, kPacked, R, N - 1>(rows, vectors);
  }
  if constexpr (R > 1) {
    if (rows < R) return pick_micro_kernel<T, kPacked, R - 1, N>(rows, vectors);
  }
  return &micro_kernel<T, R, N, kPacked>;
}
template <class T, bool kPacked>
MicroKernel<T>* micro_kernel_for(int rows, int vectors) {
  return pick_micro_kernel<T, kPacked, Tile<T>::MR, Tile<T>::NV>(rows, vectors);
}

}  // namespace mt::cpu::MT_ISA
