// Maximum pooling: y = max over the window, NaN wins, the first of equals is remembered.
// The tap of each maximum is kept in one byte where the window has at most 255 elements; backward
// adds dy at that place. Rows of outputs are swept tap by tap, so that the compiler vectorises over
// the width; 2x2 windows side by side have loops of their own. One read of x, one write of y.
#include "kernels/interleave.h"
#include "kernels/pool_max_lanes.h"
#include "kernels/pool_window.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kFewTaps = 64;  // a comparison with each is quicker than a scalar addition
constexpr int64_t kStrip = 64;    // outputs whose tap numbers stay in registers or L1

template <class T>
MT_INLINE bool beats(T v, T best) {
  return bool((v > best) | (v != v));
}

bool is_2x2(const PoolParams& p) {
  if (p.channels) return false;
  for (int d = 0; d < 3; d++) {
    const int64_t k = d == 0 ? 1 : 2;
    if (p.kernel[d] != k || p.stride[d] != k || p.padding[d] != 0 || p.dilation[d] != 1 ||
        p.out[d] * k > p.in[d])
      return false;
  }
  return true;
}

template <class T, bool kTaps>
void row_2x2(const T* __restrict a, const T* __restrict b, int64_t n, T* __restrict y,
             uint8_t* __restrict taps) {
  for (int64_t j0 = 0; j0 < n; j0 += kStrip) {
    const int64_t count = n - j0 < kStrip ? n - j0 : kStrip;
    const T *pa = a + 2 * j0, *pb = b + 2 * j0;
    T* to = y + j0;
    int tap[kStrip];
#pragma GCC ivdep
    for (int64_t j = 0; j < count; j++) {
      T best = pa[2 * j];
      int t = 0;
      const T v1 = pa[2 * j + 1], v2 = pb[2 * j], v3 = pb[2 * j + 1];
      const bool take1 = beats(v1, best);
      best = take1 ? v1 : best;
      t = take1 ? 1 : t;
      const bool take2 = beats(v2, best);
      best = take2 ? v2 : best;
      t = take2 ? 2 : t;
      const bool take3 = beats(v3, best);
      best = take3 ? v3 : best;
      t = take3 ? 3 : t;
      to[j] = best;
      if (kTaps) tap[j] = t;
    }
    if (kTaps) {
#pragma GCC ivdep
      for (int64_t j = 0; j < count; j++) taps[j0 + j] = uint8_t(tap[j]);
    }
  }
}

// The same for float, whose rows are often shorter than the compiler's loops like: ragged vectors
// are masked. `room`: bytes behind taps that may be written.
using Floats = GemmVec<float>;
using Ints = VectorOf<int>::type;
using Bytes = VectorOf<uint8_t, Tile<float>::VL>::type;

MT_INLINE void take_larger(Floats v, int tap, Floats& best, Ints& t) {
  const Ints take = (v > best) | (v != v);
  best = take ? v : best;
  t = take ? tap - Ints{} : t;
}

template <bool kTaps>
void row_2x2(const float* a, const float* b, int64_t n, float* y, uint8_t* taps, int64_t room) {
  constexpr int VL = Tile<float>::VL;
  for (int64_t j = 0; j < n; j += VL) {
    const int lanes = int(n - j < VL ? n - j : VL), low = 2 * lanes < VL ? 2 * lanes : VL;
    const float *pa = a + 2 * j, *pb = b + 2 * j;
    Floats r[4];
    if (lanes == VL) {
      r[0] = load_unaligned<Floats>(pa), r[1] = load_unaligned<Floats>(pa + VL);
      r[2] = load_unaligned<Floats>(pb), r[3] = load_unaligned<Floats>(pb + VL);
    } else {
      r[0] = load_lanes(pa, low), r[1] = load_lanes(pa + VL, 2 * lanes - low);
      r[2] = load_lanes(pb, low), r[3] = load_lanes(pb + VL, 2 * lanes - low);
    }
    Floats best = every_second<float>(r[0], r[1], 0);
    Ints t = {};
    take_larger(every_second<float>(r[0], r[1], 1), 1, best, t);
    take_larger(every_second<float>(r[2], r[3], 0), 2, best, t);
    take_larger(every_second<float>(r[2], r[3], 1), 3, best, t);
    store_lanes(y + j, best, lanes);
    if (kTaps) {
      const Bytes bytes = __builtin_convertvector(t, Bytes);
      if (j + VL <= room) {
        __builtin_memcpy(taps + j, &bytes, sizeof bytes);
      } else {
        for (int i = 0; i < lanes; i++) taps[j + i] = bytes[i];
      }
    }
  }
}

template <class T>
void forward_2x2(const PoolParams& p, const T* x, T* y, uint8_t* taps) {
  for_planes(p, p.in_size(), [&](int64_t plane) {
    const T* from = x + plane * p.in_size();
    for (int64_t q = 0; q < p.out[0] * p.out[1]; q++) {
      const int64_t q0 = q / p.out[1], q1 = q % p.out[1];
      const T* a = from + (q0 * p.in[1] + 2 * q1) * p.in[2];
      const int64_t at = plane * p.out_size() + q * p.out[2];
      if constexpr (__is_same(T, float)) {
        const int64_t room = p.out_size() - q * p.out[2];
        if (taps) {
          row_2x2<true>(a, a + p.in[2], p.out[2], y + at, taps + at, room);
        } else {
          row_2x2<false>(a, a + p.in[2], p.out[2], y + at, nullptr, 0);
        }
      } else if (taps) {
        row_2x2<T, true>(a, a + p.in[2], p.out[2], y + at, taps + at);
      } else {
        row_2x2<T, false>(a, a + p.in[2], p.out[2], y + at, nullptr);
      }
    }
  });
}

// best[j] = max(best[j], row[j*stride]) and its tap number.
template <class T, bool kIndex>
MT_INLINE void sweep(const T* __restrict row, int64_t stride, int64_t n, int tap,
                     T* __restrict best, int* __restrict taps) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; j++) {
    const T v = row[j * stride], b = best[j];
    if (kIndex) {
      const int old = taps[j];
      const bool take = bool((v > b) | (v != v) | (old < 0));
      best[j] = take ? v : b;
      taps[j] = take ? tap : old;
    } else {
      best[j] = beats(v, b) ? v : b;
    }
  }
}
template <class T, bool kIndex>
void sweep_strided(const T* row, int64_t stride, int64_t n, int tap, T* best, int* taps) {
  if (stride == 1) {
    sweep<T, kIndex>(row, 1, n, tap, best, taps);
  } else if (stride == 2) {
    sweep<T, kIndex>(row, 2, n, tap, best, taps);
  } else {
    sweep<T, kIndex>(row, stride, n, tap, best, taps);
  }
}

// Place in the plane of a tap of the window at q0, q1, q2.
MT_INLINE int64_t place_of(const PoolParams& p, int64_t q0, int64_t q1, int64_t q2, int64_t tap) {
  const int64_t t2 = tap % p.kernel[2], t1 = tap / p.kernel[2] % p.kernel[1];
  const int64_t t0 = tap / (p.kernel[2] * p.kernel[1]);
  const int64_t i0 = q0 * p.stride[0] - p.padding[0] + t0 * p.dilation[0];
  const int64_t i1 = q1 * p.stride[1] - p.padding[1] + t1 * p.dilation[1];
  const int64_t i2 = q2 * p.stride[2] - p.padding[2] + t2 * p.dilation[2];
  return (i0 * p.in[1] + i1) * p.in[2] + i2;
}

template <class T, bool kIndex>
void forward_any(const PoolParams& p, const T* x, T* y, PoolIndex kind, void* index) {
  for_planes(p, p.out_size() * p.taps(), [&](int64_t plane) {
    const T* from = x + plane * p.in_size();
    int taps[kStrip];
    for (int64_t q = 0; q < p.out[0] * p.out[1]; q++) {
      const int64_t q0 = q / p.out[1], q1 = q % p.out[1];
      const int64_t at = plane * p.out_size() + q * p.out[2];
      for (int64_t j0 = 0; j0 < p.out[2]; j0 += kStrip) {
        const int64_t j1 = p.out[2] < j0 + kStrip ? p.out[2] : j0 + kStrip;
        T* best = y + at + j0;
        for (int64_t j = 0; j < j1 - j0; j++) best[j] = lowest<T>(), taps[j] = -1;
        for_rows(p, q0, q1, [&](int64_t row, int64_t t01) {
          for (int64_t t2 = 0; t2 < p.kernel[2]; t2++) {
            const TapRange r(p, 2, t2);
            const int64_t lo = clamp64(r.lo, j0, j1), hi = clamp64(r.hi, j0, j1);
            sweep_strided<T, kIndex>(from + row * p.in[2] + lo * p.stride[2] + r.offset,
                                     p.stride[2], hi - lo, int(t01 * p.kernel[2] + t2),
                                     best + lo - j0, taps + lo - j0);
          }
        });
        if (kind == PoolIndex::tap) {
          auto* to = static_cast<uint8_t*>(index) + at + j0;
          for (int64_t j = 0; j < j1 - j0; j++) to[j] = uint8_t(taps[j]);
        } else if (kind == PoolIndex::place) {
          auto* to = static_cast<int64_t*>(index) + at + j0;
          for (int64_t j = 0; j < j1 - j0; j++)
            to[j] = taps[j] < 0 ? 0 : place_of(p, q0, q1, j0 + j, taps[j]);
        }
      }
    }
  });
}

template <class T>
void forward(const PoolParams& p, const T* x, T* y, PoolIndex kind, void* index) {
  if (kind != PoolIndex::place && is_2x2(p)) {
    forward_2x2(p, x, y, static_cast<uint8_t*>(index));
  } else if (planes_fill_lanes<T>(p)) {
    if (kind == PoolIndex::none) max_forward_lanes<T, uint8_t, false>(p, false, x, y, nullptr);
    else if (kind == PoolIndex::tap)
      max_forward_lanes<T, uint8_t, true>(p, false, x, y, static_cast<uint8_t*>(index));
    else max_forward_lanes<T, int64_t, true>(p, false, x, y, static_cast<int64_t*>(index));
  } else if (kind == PoolIndex::none) {
    forward_any<T, false>(p, x, y, kind, index);
  } else {
    forward_any<T, true>(p, x, y, kind, index);
  }
}

template <class T>
void fill_zero(T* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) x[i] = T(0);
}

// dx of two rows: dy where the tap is this one, else 0.
template <class T>
void backward_row_2x2(const T* __restrict dy, const uint8_t* __restrict taps, int64_t n,
                      T* __restrict a, T* __restrict b) {
#pragma GCC ivdep
  for (int64_t j = 0; j < n; j++) {
    const T g = dy[j];
    const int t = taps[j];
    a[2 * j] = t == 0 ? g : T(0);
    a[2 * j + 1] = t == 1 ? g : T(0);
    b[2 * j] = t == 2 ? g : T(0);
    b[2 * j + 1] = t == 3 ? g : T(0);
  }
}

MT_INLINE void put_pairs(Floats even, Floats odd, int64_t n, float* to) {
  constexpr int VL = Tile<float>::VL;
  const Floats low = zip_half<float>(even, odd, 0), high = zip_half<float>(even, odd, 1);
  if (n == VL) {
    store_unaligned(to, low);
    store_unaligned(to + VL, high);
  } else {
    const int first = int(2 * n < VL ? 2 * n : VL);
    store_lanes(to, low, first);
    store_lanes(to + VL, high, int(2 * n) - first);
  }
}

// `room`: bytes behind taps that may be read.
void backward_row_2x2(const float* dy, const uint8_t* taps, int64_t n, int64_t room, float* a,
                      float* b) {
  constexpr int VL = Tile<float>::VL;
  for (int64_t j = 0; j < n; j += VL) {
    const int lanes = int(n - j < VL ? n - j : VL);
    Bytes bytes = {};
    if (j + VL <= room) {
      __builtin_memcpy(&bytes, taps + j, sizeof bytes);
    } else {
      for (int i = 0; i < lanes; i++) bytes[i] = taps[j + i];
    }
    const Ints t = __builtin_convertvector(bytes, Ints);
    const Floats g = load_lanes(dy + j, lanes), zero = {};
    put_pairs(t == 0 ? g : zero, t == 1 ? g : zero, lanes, a + 2 * j);
    put_pairs(t == 2 ? g : zero, t == 3 ? g : zero, lanes, b + 2 * j);
  }
}

template <class T>
void backward_2x2(const PoolParams& p, const T* dy, const uint8_t* taps, T* dx) {
  for_planes(p, p.in_size(), [&](int64_t plane) {
    for (int64_t q0 = 0; q0 < p.out[0]; q0++) {
      T* to = dx + plane * p.in_size() + q0 * p.in[1] * p.in[2];
      for (int64_t q1 = 0; q1 < p.out[1]; q1++) {
        T *a = to + 2 * q1 * p.in[2], *b = a + p.in[2];
        const int64_t at = plane * p.out_size() + (q0 * p.out[1] + q1) * p.out[2];
        if constexpr (__is_same(T, float)) {
          backward_row_2x2(dy + at, taps + at, p.out[2], (plane + 1) * p.out_size() - at, a, b);
        } else {
          backward_row_2x2(dy + at, taps + at, p.out[2], a, b);
        }
        for (int64_t j = 2 * p.out[2]; j < p.in[2]; j++) a[j] = b[j] = T(0);
      }
      const int64_t done = 2 * p.out[1] * p.in[2];
      fill_zero(to + done, p.in[1] * p.in[2] - done);
    }
    const int64_t done = p.out[0] * p.in[1] * p.in[2];
    fill_zero(dx + plane * p.in_size() + done, p.in_size() - done);
  });
}

template <class T>
void backward(const PoolParams& p, const T* dy, PoolIndex kind, const void* index, T* dx) {
  if (kind == PoolIndex::tap && is_2x2(p))
    return backward_2x2(p, dy, static_cast<const uint8_t*>(index), dx);
  if (kind == PoolIndex::tap && (p.channels || (p.taps() <= kFewTaps && planes_fill_lanes<T>(p))))
    return max_backward_lanes(p, dy, static_cast<const uint8_t*>(index), dx);
  if (p.channels) return max_places_lanes(p, dy, static_cast<const int64_t*>(index), dx);
  int64_t offset[kNoTap];  // of a tap from the first one
  for (int64_t t = 0; kind == PoolIndex::tap && t < p.taps(); t++)
    offset[t] = place_of(p, 0, 0, 0, t);
  for_planes(p, p.in_size() + 4 * p.out_size(), [&](int64_t plane) {
    T* to = dx + plane * p.in_size();
    const T* g = dy + plane * p.out_size();
    fill_zero(to, p.in_size());
    if (kind == PoolIndex::place) {
      const auto* places = static_cast<const int64_t*>(index) + plane * p.out_size();
      for (int64_t i = 0; i < p.out_size(); i++) to[places[i]] += g[i];
      return;
    }
    const auto* taps = static_cast<const uint8_t*>(index) + plane * p.out_size();
    int64_t i = 0;
    for (int64_t q0 = 0; q0 < p.out[0]; q0++)
      for (int64_t q1 = 0; q1 < p.out[1]; q1++) {
        const int64_t row = (q0 * p.stride[0] * p.in[1] + q1 * p.stride[1]) * p.in[2];
        for (int64_t q2 = 0; q2 < p.out[2]; q2++, i++)
          if (taps[i] != kNoTap) to[row + q2 * p.stride[2] + offset[taps[i]]] += g[i];
      }
  });
}

}  // namespace

#define MT_POOL_TYPES_(dtype, ...) \
  if (dtype == DType::Int64) {     \
    using scalar_t = int64_t;      \
    __VA_ARGS__;                   \
  }                                \
  MT_SWITCH_FLOAT(dtype, __VA_ARGS__)

void max_pool_forward(DType dtype, const PoolParams& p, const void* x, void* y, PoolIndex kind,
                      void* index) {
  MT_POOL_TYPES_(dtype, forward<scalar_t>(p, static_cast<const scalar_t*>(x),
                                          static_cast<scalar_t*>(y), kind, index))
}

void max_pool_backward(DType dtype, const PoolParams& p, const void* dy, PoolIndex kind,
                       const void* index, void* dx) {
  MT_SWITCH_FLOAT(dtype, backward<scalar_t>(p, static_cast<const scalar_t*>(dy), kind, index,
                                            static_cast<scalar_t*>(dx)))
}

void max_pool_places(const PoolParams& p, const uint8_t* taps, int64_t* places) {
  for_planes(p, 4 * p.out_size(), [&](int64_t plane) {
    int64_t i = plane * p.out_size();
    for (int64_t q0 = 0; q0 < p.out[0]; q0++)
      for (int64_t q1 = 0; q1 < p.out[1]; q1++)
        for (int64_t q2 = 0; q2 < p.out[2]; q2++, i++)
          places[i] = taps[i] == kNoTap ? 0 : place_of(p, q0, q1, q2, taps[i]);
  });
}

}  // namespace mt::cpu::MT_ISA
