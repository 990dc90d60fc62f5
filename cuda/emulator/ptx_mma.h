// Emulated bodies of ptx_mma.cuh: the lanes meet, the last one computes the product of the warp
// from the fragments that the PTX manual lays out. Products are exact, sums are float32.
#pragma once
#include <bit>

#include "cuda/emulator/thread.h"

namespace mt::emu {

template <class D>
struct MmaIn {
  D d[4];
  uint32_t a[4], b[2];
};
template <class D>
struct MmaOut {
  D d[4];
};

// Element `i` of a 32-bit word that holds several, as a number.
inline float element(bfloat16, uint32_t word, int i) {
  return to_float(bfloat16{uint16_t(word >> (16 * i))});
}
inline float element(float16, uint32_t word, int i) {
  return to_float(float16{uint16_t(word >> (16 * i))});
}
inline float element(float, uint32_t word, int) {
  return std::bit_cast<float>(word & ~0x1fffu);  // tf32
}
inline int32_t element(int8_t, uint32_t word, int i) { return int8_t(word >> (8 * i)); }

#if defined(__GNUC__) && !defined(__clang__)
#define MT_EMU_OPTIMIZED __attribute__((noinline, optimize("O3")))
#define MT_EMU_INDEPENDENT _Pragma("GCC ivdep")
#else
#define MT_EMU_OPTIMIZED __attribute__((noinline))
#define MT_EMU_INDEPENDENT
#endif

// D [m, n] += A [m, k] B [k, n], row-major and dense: the one loop where emulated time goes, so
// that it is worth optimising where the rest is built for short builds.
MT_EMU_OPTIMIZED inline void multiply_add(float* d, const float* a, const float* b, int m, int n,
                                          int k) {
  for (int i = 0; i < m; ++i)
    for (int p = 0; p < k; ++p) {
      const float x = a[i * k + p];
      MT_EMU_INDEPENDENT
      for (int j = 0; j < n; ++j) d[i * n + j] += x * b[p * n + j];
    }
}

// The words of A (16 x K) and B (K x 8): lane (g, t) holds rows g, g + 8 of A and column g of B;
// its words start at k = t * per_word and K / 2 further on.
template <class T, class D>
void mma_warp(const MmaIn<D>* ins, MmaOut<D>* outs) {
  constexpr int per_word = 4 / sizeof(T), K = 8 * per_word;
  D a[16][K], b[K][8], d[16][8];
  for (int lane = 0; lane < 32; ++lane) {
    const MmaIn<D>& in = ins[lane];
    int g = lane / 4, t = lane % 4;
    for (int i = 0; i < per_word; ++i) {
      int k = t * per_word + i;
      a[g][k] = element(T{}, in.a[0], i);
      a[g + 8][k] = element(T{}, in.a[1], i);
      a[g][k + K / 2] = element(T{}, in.a[2], i);
      a[g + 8][k + K / 2] = element(T{}, in.a[3], i);
      b[k][g] = element(T{}, in.b[0], i);
      b[k + K / 2][g] = element(T{}, in.b[1], i);
    }
    for (int i = 0; i < 4; ++i) d[g + i / 2 * 8][2 * t + i % 2] = in.d[i];
  }
  if constexpr (sizeof(T) == 1) {
    for (int m = 0; m < 16; ++m)
      for (int k = 0; k < K; ++k)
        for (int n = 0; n < 8; ++n)
          d[m][n] = int32_t(uint32_t(d[m][n]) + uint32_t(a[m][k] * b[k][n]));
  } else {
    multiply_add(&d[0][0], &a[0][0], &b[0][0], 16, 8, K);
  }
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) outs[lane].d[i] = d[lane / 4 + i / 2 * 8][2 * (lane % 4) + i % 2];
}

template <class T, class D>
void mma(D (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const char* what,
         Location where) {
  MmaIn<D> in{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  auto out = warp_collective<MmaIn<D>, MmaOut<D>>(
      ~0u, in, [](const MmaIn<D>* ins, MmaOut<D>* outs, uint32_t) { mma_warp<T, D>(ins, outs); },
      what, where);
  for (int i = 0; i < 4; ++i) d[i] = out.d[i];
}

}  // namespace mt::emu

namespace mt::ptx {

template <class T>
void mma_m16n8k16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                  emu::Location where = emu::Location::current()) {
  static_assert(sizeof(T) == 2, "mma_m16n8k16 takes 16-bit floats");
  emu::mma<T>(d, a, b, "mma_m16n8k16", where);
}

inline void mma_m16n8k8_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                             emu::Location where = emu::Location::current()) {
  emu::mma<float>(d, a, b, "mma_m16n8k8_tf32", where);
}

inline void mma_m16n8k32_s8(int32_t (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2],
                            emu::Location where = emu::Location::current()) {
  emu::mma<int8_t>(d, a, b, "mma_m16n8k32_s8", where);
}

// Adding half of the last kept place and cutting rounds ties away from zero.
inline uint32_t to_tf32(float x) {
  uint32_t u = std::bit_cast<uint32_t>(x);
  if ((u & 0x7f800000u) == 0x7f800000u) return x != x ? 0x7fffffffu : u;
  return (u + 0x1000u) & ~0x1fffu;
}

template <class T>
uint32_t pack_two(float low, float high) {
  if constexpr (dtype_of<T>::value == DType::BFloat16)
    return uint32_t(to_bfloat16(high).bits) << 16 | to_bfloat16(low).bits;
  else return uint32_t(to_float16(high).bits) << 16 | to_float16(low).bits;
}

}  // namespace mt::ptx
