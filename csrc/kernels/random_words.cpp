// Ten rounds of Philox on 16 counters: two widening multiplications and four exclusive ors per
// round.
#include "kernels/random_words.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace mt::cpu::MT_ISA {
namespace {

#if defined(__AVX512F__)
struct Lanes {
  using reg = __m512i;
  static MT_INLINE reg set(uint32_t v) { return _mm512_set1_epi32(int(v)); }
  static MT_INLINE reg load(const uint32_t* p) { return _mm512_loadu_si512(p); }
  static MT_INLINE void store(uint32_t* p, reg v) { _mm512_storeu_si512(p, v); }
  static MT_INLINE reg bxor(reg a, reg b) { return _mm512_xor_si512(a, b); }
  // High and low halves of the 32 x 32 bit products.
  static MT_INLINE void multiply(reg a, reg m, reg* hi, reg* lo) {
    // With full masks: the plain forms of GCC 12's header warn of uninitialised values.
    reg shifted = _mm512_maskz_srli_epi64(0xFF, a, 32);
    reg even = _mm512_maskz_mul_epu32(0xFF, a, m), odd = _mm512_maskz_mul_epu32(0xFF, shifted, m);
    *hi = _mm512_mask_blend_epi32(0xAAAA, _mm512_maskz_srli_epi64(0xFF, even, 32), odd);
    *lo = _mm512_mask_blend_epi32(0xAAAA, even, _mm512_maskz_slli_epi64(0xFF, odd, 32));
  }
};
#elif defined(__AVX2__)
struct Lanes {
  using reg = __m256i;
  static MT_INLINE reg set(uint32_t v) { return _mm256_set1_epi32(int(v)); }
  static MT_INLINE reg load(const uint32_t* p) {
    return _mm256_loadu_si256(reinterpret_cast<const reg*>(p));
  }
  static MT_INLINE void store(uint32_t* p, reg v) {
    _mm256_storeu_si256(reinterpret_cast<reg*>(p), v);
  }
  static MT_INLINE reg bxor(reg a, reg b) { return _mm256_xor_si256(a, b); }
  static MT_INLINE void multiply(reg a, reg m, reg* hi, reg* lo) {
    reg even = _mm256_mul_epu32(a, m), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
    *hi = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
    *lo = _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA);
  }
};
#elif defined(__SSE4_1__)
struct Lanes {
  using reg = __m128i;
  static MT_INLINE reg set(uint32_t v) { return _mm_set1_epi32(int(v)); }
  static MT_INLINE reg load(const uint32_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const reg*>(p));
  }
  static MT_INLINE void store(uint32_t* p, reg v) {
    _mm_storeu_si128(reinterpret_cast<reg*>(p), v);
  }
  static MT_INLINE reg bxor(reg a, reg b) { return _mm_xor_si128(a, b); }
  static MT_INLINE void multiply(reg a, reg m, reg* hi, reg* lo) {
    reg even = _mm_mul_epu32(a, m), odd = _mm_mul_epu32(_mm_srli_epi64(a, 32), m);
    *hi = _mm_blend_epi16(_mm_srli_epi64(even, 32), odd, 0xCC);
    *lo = _mm_blend_epi16(even, _mm_slli_epi64(odd, 32), 0xCC);
  }
};
#else
struct Lanes {
  using reg = uint32_t;
  static MT_INLINE reg set(uint32_t v) { return v; }
  static MT_INLINE reg load(const uint32_t* p) { return *p; }
  static MT_INLINE void store(uint32_t* p, reg v) { *p = v; }
  static MT_INLINE reg bxor(reg a, reg b) { return a ^ b; }
  static MT_INLINE void multiply(reg a, reg m, reg* hi, reg* lo) {
    uint64_t p = uint64_t(a) * m;
    *hi = uint32_t(p >> 32);
    *lo = uint32_t(p);
  }
};
#endif

}  // namespace

void philox16(uint64_t seed, uint64_t first, Words& out) {
  using L = Lanes;
  constexpr int width = int(sizeof(typename L::reg) / 4), parts = kLanes / width;
  alignas(64) uint32_t low[kLanes], high[kLanes];
  for (int l = 0; l < kLanes; l++) {
    low[l] = uint32_t(first + uint64_t(l));
    high[l] = uint32_t((first + uint64_t(l)) >> 32);
  }
  typename L::reg c0[parts], c1[parts], c2[parts], c3[parts];
  for (int p = 0; p < parts; p++) {
    c0[p] = L::load(low + p * width);
    c1[p] = L::load(high + p * width);
    c2[p] = c3[p] = L::set(0);
  }
  const auto m0 = L::set(0xD2511F53u), m1 = L::set(0xCD9E8D57u);
  uint32_t k0 = uint32_t(seed), k1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; round++) {
    for (int p = 0; p < parts; p++) {
      typename L::reg hi0, lo0, hi1, lo1;
      L::multiply(c0[p], m0, &hi0, &lo0);
      L::multiply(c2[p], m1, &hi1, &lo1);
      c0[p] = L::bxor(L::bxor(hi1, c1[p]), L::set(k0));
      c1[p] = lo1;
      c2[p] = L::bxor(L::bxor(hi0, c3[p]), L::set(k1));
      c3[p] = lo0;
    }
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  for (int p = 0; p < parts; p++) {
    L::store(out.v[0] + p * width, c0[p]);
    L::store(out.v[1] + p * width, c1[p]);
    L::store(out.v[2] + p * width, c2[p]);
    L::store(out.v[3] + p * width, c3[p]);
  }
}

}  // namespace mt::cpu::MT_ISA
