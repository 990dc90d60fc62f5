// Products of narrow elements through dot product instructions: the 32-bit units of the panels are
// groups of G elements that follow each other along k, and one instruction adds the G products of
// each unit of B with a broadcast unit of A:
//
//   acc[j] += sum over g < G of a[g] * b[j][g]
//
// The blocked loops (gemm_driver.h) run over ceil(k / G) units; a group that passes the end of k is
// filled with zeros. Flops per byte of panel are G/1 those of float, so the ceiling is, too.
#pragma once
#include "kernels/gemm_pack.h"

#if defined(__SSE4_1__)
#include <immintrin.h>
#endif

namespace mt::cpu::MT_ISA {

using IntVec = GemmVec<int32_t>;
typedef uint32_t Unit __attribute__((may_alias));

// The instructions are written as assembly: the rest of the file must not use more than the
// instruction set level has, and whether the machine has them is asked at run time.

#if defined(__AVX512F__)
// Pairs of bfloat16, summed in float. Denormal products and sums are flushed to zero.
struct Bf16Pairs {
  using Src = uint16_t;
  using Acc = float;
  using Element = uint16_t;
  static constexpr int kGroup = 2;
  static MT_INLINE GemmVec<float> step(GemmVec<float> acc, IntVec a, IntVec b) {
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
    return acc;
  }
};
#endif

#if defined(__AVX2__)
// Quadruples of int8 in B and uint8 in A, summed in int32: A's elements are stored 128 larger.
struct Int8Quads {
  using Src = int8_t;
  using Acc = int32_t;
  using Element = uint8_t;
  static constexpr int kGroup = 4;
  static MT_INLINE IntVec step(IntVec acc, IntVec a, IntVec b) {
#if defined(__AVX512F__)
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
#else
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(a), "x"(b));
#endif
    return acc;
  }
};
#endif

// Pairs of int8 widened to int16: exact on every machine.
struct Int16Pairs {
  using Src = int8_t;
  using Acc = int32_t;
  using Element = uint16_t;
  static constexpr int kGroup = 2;
  static MT_INLINE IntVec step(IntVec acc, IntVec a, IntVec b) {
#if defined(__AVX512BW__)
    return acc + (IntVec)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return acc + (IntVec)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE4_1__)
    return acc + (IntVec)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    return acc + ((a << 16) >> 16) * ((b << 16) >> 16) + (a >> 16) * (b >> 16);
#endif
  }
};

// As micro_kernel of gemm_micro.h with packed panels.
template <class Dot, int MR, int NV>
void group_kernel(int64_t kc, const typename Dot::Acc* a, int64_t, int64_t,
                  const typename Dot::Acc* b, int64_t, typename Dot::Acc* c, int64_t c_row,
                  bool add, int last) {
  using T = typename Dot::Acc;
  using Vec = GemmVec<T>;
  constexpr int VL = Tile<T>::VL;
  prefetch_tile<T, MR, NV>(c, c_row);
  Vec acc[MR][NV] = {};
  for (int64_t p = 0; p < kc; p++) {
    IntVec bv[NV];
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) bv[v] = load_unaligned<IntVec>(b + v * VL);
#pragma GCC unroll 8
    for (int i = 0; i < MR; i++) {
      int32_t unit;
      __builtin_memcpy(&unit, a + i, sizeof unit);
      const IntVec av = unit - IntVec{};
#pragma GCC unroll 4
      for (int v = 0; v < NV; v++) acc[i][v] = Dot::step(acc[i][v], av, bv[v]);
    }
    a += Tile<T>::MR;
    b += Tile<T>::NR;
  }
#pragma GCC unroll 8
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < NV; v++) {
      T* to = c + i * c_row + v * VL;
      if (MT_LIKELY(v + 1 < NV || last == VL)) {
        store_unaligned(to, add ? load_unaligned<Vec>(to) + acc[i][v] : acc[i][v]);
      } else {
        alignas(64) T lanes[VL];
        store_unaligned(lanes, acc[i][v]);
        for (int q = 0; q < last; q++) to[q] = add ? T(to[q] + lanes[q]) : lanes[q];
      }
    }
  }
}

// The Kernels of gemm_blocked.
template <class Dot>
struct GroupKernels {
  using T = typename Dot::Acc;
  template <int R, int N>
  static MT_INLINE MicroKernel<T>* pick(int rows, int vectors) {
    if constexpr (N > 1) {
      if (vectors < N) return pick<R, N - 1>(rows, vectors);
    }
    if constexpr (R > 1) {
      if (rows < R) return pick<R - 1, N>(rows, vectors);
    }
    return &group_kernel<Dot, R, N>;
  }
  static MicroKernel<T>* get(int rows, int vectors) {
    return pick<Tile<T>::MR, Tile<T>::NV>(rows, vectors);
  }
};

// A pack_a (W = MR, across = row stride) or pack_b (W = NR, across = column stride) of units.
// kFlip: what every unit is xored with.
template <class Dot, int W, uint32_t kFlip = 0>
struct PackGroups {
  using Src = typename Dot::Src;
  using T = typename Dot::Acc;
  using Element = typename Dot::Element;
  static constexpr int G = Dot::kGroup, kBits = 32 / G, S = kSide<float>;
  const Src* data;
  int64_t across, along, k;

  // The unit of `rest` <= G elements from p on.
  MT_INLINE Unit unit(const Src* p, int64_t rest) const {
    Unit u = 0;
    for (int g = 0; g < G && g < rest; g++) u |= Unit(Element(p[g * along])) << (kBits * g);
    return u ^ kFlip;
  }

  // A row of `count` whole units whose elements are contiguous across the panel.
  MT_INLINE void interleave(const Src* row, int count, Unit* to) const {
    int i = 0;
#if defined(__SSE4_1__)
    auto at = [&](int g) { return reinterpret_cast<const __m128i*>(row + g * along + i); };
    const __m128i flip = _mm_set1_epi32(int(kFlip));
    for (; i + 8 <= count; i += 8) {
      __m128i low, high;
      if constexpr (sizeof(Src) == 2) {
        const __m128i a = _mm_loadu_si128(at(0)), b = _mm_loadu_si128(at(1));
        low = _mm_unpacklo_epi16(a, b);
        high = _mm_unpackhi_epi16(a, b);
      } else {
        const __m128i a = _mm_unpacklo_epi8(_mm_loadl_epi64(at(0)), _mm_loadl_epi64(at(1)));
        if constexpr (G == 2) {
          low = _mm_cvtepi8_epi16(a);
          high = _mm_cvtepi8_epi16(_mm_srli_si128(a, 8));
        } else {
          const __m128i b = _mm_unpacklo_epi8(_mm_loadl_epi64(at(2)), _mm_loadl_epi64(at(3)));
          low = _mm_unpacklo_epi16(a, b);
          high = _mm_unpackhi_epi16(a, b);
        }
      }
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), _mm_xor_si128(low, flip));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i + 4), _mm_xor_si128(high, flip));
    }
#endif
    for (; i < count; i++) to[i] = unit(row + i, G);
    for (; i < W; i++) to[i] = 0;
  }

  // S units along k.
  static MT_INLINE BlockVec<float> load_units(const Src* p) {
    if constexpr (sizeof(Src) == sizeof(Element)) {
      return load_unaligned<BlockVec<float>>(p);
    } else {
      Element wide[S * G];
      for (int q = 0; q < S * G; q++) wide[q] = Element(p[q]);
      return load_unaligned<BlockVec<float>>(wide);
    }
  }

  // Units [0, whole) of `count` rows that are contiguous along k; the lanes up to the next whole
  // vector repeat the last row. Returns how many units it did.
  int64_t blocks(const Src* src, int count, int64_t whole, Unit* dst) const {
    using Bits = typename VectorOf<uint32_t, kBlockBytes>::type;
    const int padded = int(min64(W, round_up(count, S)));
    const int64_t done = whole / S * S;
    for (int i0 = 0; i0 < padded; i0 += S) {
      const Src* row[S];
      for (int i = 0; i < S; i++) row[i] = src + min64(i0 + i, count - 1) * across;
      for (int64_t p = 0; p < done; p += S) {
        BlockVec<float> r[S];
#pragma GCC unroll 8
        for (int i = 0; i < S; i++) r[i] = load_units(row[i] + p * G);
        Transpose<float>::run(r);
#pragma GCC unroll 8
        for (int q = 0; q < S; q++) {
          const Bits bits = (Bits)r[q] ^ kFlip;
          if (i0 + S <= W) {
            store_unaligned(dst + (p + q) * W + i0, bits);
          } else {
            __builtin_memcpy(dst + (p + q) * W + i0, &bits, size_t(W - i0) * sizeof(Unit));
          }
        }
      }
    }
    return done;
  }

  void operator()(int64_t k0, int64_t kc, int64_t i0, int count, T* panel) const {
    const Src* src = data + i0 * across + k0 * G * along;
    Unit* dst = reinterpret_cast<Unit*>(panel);
    const int64_t elements = k - k0 * G, whole = min64(kc, elements / G);
    int64_t p = 0;
    if (along == 1) {
      p = blocks(src, count, whole, dst);
    } else if (across == 1) {
      for (; p < whole; p++) {
        interleave(src + p * G * along, count, dst + p * W);
      }
    }
    for (; p < kc; p++) {
      for (int i = 0; i < count; i++)
        dst[p * W + i] = unit(src + i * across + p * G * along, elements - p * G);
      for (int i = count; i < W; i++) dst[p * W + i] = 0;
    }
  }
};

}  // namespace mt::cpu::MT_ISA
