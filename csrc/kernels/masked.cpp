// masked_fill: y = mask ? value : x, one pass.
// masked_select, masked_scatter, nonzero: one pass that counts per chunk, one that moves; every
// chunk on any thread. Bytes: two reads of the mask, one read of the input, one write per chosen
// element.
#include "ops/masked.h"

#include "kernels/elementwise.h"

namespace mt::cpu::MT_ISA {
namespace {

template <class T>
void fill_typed(const ElementIter& given) {
  const T v = *reinterpret_cast<const T*>(given.data[3]);
  ElementIter it = given;
  it.nargs = 3;
  run_elementwise(it, [v](char* const* data, const int64_t* s, int64_t n) {
    if (s[0] == sizeof(T) && s[1] == sizeof(T) && s[2] == 1) {
      T* y = reinterpret_cast<T*>(data[0]);
      const T* x = reinterpret_cast<const T*>(data[1]);
      const uint8_t* mask = reinterpret_cast<const uint8_t*>(data[2]);
#pragma GCC ivdep
      for (int64_t i = 0; i < n; i++) {
        T chosen = T(-T(mask[i]));  // all bits or none: a branch would cost more and not vectorise
        y[i] = T((v & chosen) | (x[i] & ~chosen));
      }
    } else {
      for (int64_t i = 0; i < n; i++) {
        T chosen = T(-T(*reinterpret_cast<const uint8_t*>(data[2] + i * s[2])));
        T x = *reinterpret_cast<const T*>(data[1] + i * s[1]);
        *reinterpret_cast<T*>(data[0] + i * s[0]) = T((v & chosen) | (x & ~chosen));
      }
    }
  });
}

// f(begin, end, first, last): chunk [begin, end) of the mask has the chosen elements [first, last).
template <class F>
MT_INLINE void each_chunk(int64_t n, int64_t chunk, const int64_t* starts, const F& f) {
  parallel_for(ceil_div(n, chunk), 1, [&](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; c++)
      f(c * chunk, (c + 1) * chunk < n ? (c + 1) * chunk : n, starts[c], starts[c + 1]);
  });
}

// Branch-free: the element is moved in any case and kept where the mask is set. Stopping at the
// chunk's last chosen element keeps the writes inside of its part.
template <class T>
void select_typed(const T* x, const bool* mask, int64_t n, int64_t chunk, const int64_t* starts,
                  T* y) {
  each_chunk(n, chunk, starts, [&](int64_t begin, int64_t end, int64_t first, int64_t last) {
    if (last - first == end - begin) {
      __builtin_memcpy(y + first, x + begin, size_t(end - begin) * sizeof(T));
      return;
    }
    for (int64_t i = begin; first < last; i++) {
      y[first] = x[i];
      first += mask[i];
    }
  });
}

template <class T>
void scatter_typed(T* y, const bool* mask, int64_t n, int64_t chunk, const int64_t* starts,
                   const T* src) {
  each_chunk(n, chunk, starts, [&](int64_t begin, int64_t, int64_t first, int64_t last) {
    for (int64_t i = begin; first < last; i++) {
      y[i] = mask[i] ? src[first] : y[i];
      first += mask[i];
    }
  });
}

}  // namespace

void masked_fill(int64_t itemsize, const ElementIter& it, bool) {
  switch (itemsize) {
    case 1:
      return fill_typed<uint8_t>(it);
    case 2:
      return fill_typed<uint16_t>(it);
    case 4:
      return fill_typed<uint32_t>(it);
    default:
      return fill_typed<uint64_t>(it);
  }
}

void mask_count(const bool* mask, int64_t n, int64_t chunk, int64_t* counts) {
  const uint8_t* m = reinterpret_cast<const uint8_t*>(mask);
  parallel_for(ceil_div(n, chunk), 1, [=](int64_t from, int64_t to) {
    for (int64_t c = from; c < to; c++) {
      int64_t end = (c + 1) * chunk < n ? (c + 1) * chunk : n, total = 0;
      for (int64_t i = c * chunk; i < end;) {
        // 128 additions of 0 or 1 stay below the range of a byte.
        int64_t stop = i + 128 * 64 < end ? i + 128 * 64 : end;
        uint8_t sums[64] = {};
        for (; i + 64 <= stop; i += 64)
          for (int j = 0; j < 64; j++) sums[j] = uint8_t(sums[j] + m[i + j]);
        for (; i < stop; i++) total += m[i];
        for (int j = 0; j < 64; j++) total += sums[j];
      }
      counts[c] = total;
    }
  });
}

void running_starts(int64_t* v, int64_t n) {
  int64_t total = 0;
  for (int64_t i = 0; i < n; i++) {
    const int64_t here = v[i];
    v[i] = total;
    total += here;
  }
  v[n] = total;
}

void mask_places(const bool* mask, int64_t n, int64_t chunk, const int64_t* starts,
                 const MaskShape& shape, int64_t* out, int64_t row, int64_t col) {
  const int ndim = shape.ndim;
  const int64_t* sizes = shape.sizes;
  each_chunk(n, chunk, starts, [=](int64_t begin, int64_t, int64_t first, int64_t last) {
    if (ndim == 1) {
      for (int64_t i = begin; first < last; i++) {
        out[first * row] = i;
        first += mask[i];
      }
      return;
    }
    // Row by row: the coordinates before the last one are the same for all of it.
    int64_t cols = sizes[ndim - 1], i = begin;
    while (first < last) {
      int64_t lead[kMaxIterDims], rest = i / cols, j = i - rest * cols;
      for (int d = ndim - 2; d >= 0; d--) {
        lead[d] = d ? rest % sizes[d] : rest;
        rest = d ? rest / sizes[d] : 0;
      }
      for (; j < cols && first < last; j++, i++) {
        for (int d = 0; d < ndim - 1; d++) out[first * row + d * col] = lead[d];
        out[first * row + (ndim - 1) * col] = j;
        first += mask[i];
      }
    }
  });
}

#define MT_BY_SIZE_(itemsize, ...) \
  switch (itemsize) {              \
    case 1: {                      \
      using T = uint8_t;           \
      __VA_ARGS__;                 \
      break;                       \
    }                              \
    case 2: {                      \
      using T = uint16_t;          \
      __VA_ARGS__;                 \
      break;                       \
    }                              \
    case 4: {                      \
      using T = uint32_t;          \
      __VA_ARGS__;                 \
      break;                       \
    }                              \
    default: {                     \
      using T = uint64_t;          \
      __VA_ARGS__;                 \
    }                              \
  }

void masked_select(int64_t itemsize, const void* x, const bool* mask, int64_t n, int64_t chunk,
                   const int64_t* starts, void* y) {
  MT_BY_SIZE_(itemsize,
              select_typed(static_cast<const T*>(x), mask, n, chunk, starts, static_cast<T*>(y)))
}

void masked_scatter(int64_t itemsize, void* y, const bool* mask, int64_t n, int64_t chunk,
                    const int64_t* starts, const void* src) {
  MT_BY_SIZE_(itemsize,
              scatter_typed(static_cast<T*>(y), mask, n, chunk, starts, static_cast<const T*>(src)))
}

}  // namespace mt::cpu::MT_ISA
