// topk: a heap of the best k (key, index) pairs with the worst on top; blocks of the row that hold
// nothing better than that are passed over in vectors. select: the digits of the wanted key are
// found one by one from the top, each by a count over the elements that share the digits before it;
// then the element is looked for. One read of x per digit.
#include "ops/topk.h"

#include "kernels/sort_keys.h"

namespace mt::cpu::MT_ISA {
namespace {

using fn::Keys;

// --- topk

// Restores the heap whose element at i may be larger than its children.
MT_INLINE void sift_down(uint64_t* heap, int64_t n, int64_t i) {
  const uint64_t e = heap[i];
  for (;;) {
    int64_t child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= e) break;
    heap[i] = heap[child];
    i = child;
  }
  heap[i] = e;
}

template <class S>
void topk_row(bool largest, const S* x, S* values, int64_t* indices, int64_t n, int64_t k) {
  using K = Keys<S>;
  constexpr int64_t B = 64;
  const uint32_t flip = largest ? 0u : ~0u;
  // Larger is better; of equal keys the one with the lower index.
  auto element = [](uint32_t key, int64_t i) {
    return uint64_t(key) << 32 | uint32_t(~uint32_t(i));
  };
  uint64_t heap[kMaxTopk];
  for (int64_t i = 0; i < k; i++) heap[i] = element(K::of(x[i]) ^ flip, i);
  for (int64_t i = k / 2 - 1; i >= 0; i--) sift_down(heap, k, i);
  uint32_t key[B];
  for (int64_t i = k; i < n; i += B) {
    const int64_t m = n - i < B ? n - i : B;
    const uint32_t bar = uint32_t(heap[0] >> 32);
    uint32_t better = 0;
#pragma GCC ivdep
    for (int64_t j = 0; j < m; j++) {
      key[j] = K::of(x[i + j]) ^ flip;
      better |= key[j] > bar ? 1u : 0u;
    }
    if (!better) continue;
    for (int64_t j = 0; j < m; j++) {
      if (key[j] <= uint32_t(heap[0] >> 32)) continue;
      heap[0] = element(key[j], i + j);
      sift_down(heap, k, 0);
    }
  }
  for (int64_t m = k - 1; m >= 0; m--) {  // the worst goes last
    const int64_t i = uint32_t(~uint32_t(heap[0]));
    indices[m] = i;
    values[m] = x[i];
    heap[0] = heap[m];
    if (m > 0) sift_down(heap, m, 0);
  }
}

// --- select

constexpr int64_t kMaxChunks = 16;
constexpr int64_t kChunk = 1 << 17;

// The k-th (from 0) smallest key of the row.
template <int bits, class S>
typename Keys<S>::Key kth_key(const S* x, int64_t n, int64_t k) {
  using K = Keys<S>;
  using Key = typename K::Key;
  constexpr int kWidth = sizeof(Key) * 8, kDigits = 1 << bits;
  Key found = 0, mask = 0;
  for (int top = kWidth; top > 0; top -= bits) {
    const int shift = top > bits ? top - bits : 0, digits = top > bits ? kDigits : 1 << top;
    uint32_t counts[kDigits] = {};
    if (n < 2 * kChunk) {
      for (int64_t i = 0; i < n; i++) {
        const Key key = K::of(x[i]);
        counts[(key >> shift) & Key(digits - 1)] += (key & mask) == found;
      }
    } else {
      int64_t chunk = ceil_div(n, kMaxChunks);
      if (chunk < kChunk) chunk = kChunk;
      const int64_t chunks = ceil_div(n, chunk);
      uint32_t parts[kMaxChunks][kDigits];
      parallel_for(chunks, 1, [&](int64_t c0, int64_t c1) {
        for (int64_t c = c0; c < c1; c++) {
          const int64_t end = c + 1 == chunks ? n : (c + 1) * chunk;
          uint32_t* part = parts[c];
          for (int d = 0; d < kDigits; d++) part[d] = 0;
          for (int64_t i = c * chunk; i < end; i++) {
            const Key key = K::of(x[i]);
            part[(key >> shift) & Key(digits - 1)] += (key & mask) == found;
          }
        }
      });
      for (int64_t c = 0; c < chunks; c++)
        for (int d = 0; d < kDigits; d++) counts[d] += parts[c][d];
    }
    int d = 0;
    while (k >= int64_t(counts[d])) k -= counts[d++];
    found |= Key(d) << shift;
    mask |= Key(digits - 1) << shift;
  }
  return found;
}

template <class S>
void select_row(SelectOp op, const S* x, S* value, int64_t* index, int64_t n, int64_t k) {
  using K = Keys<S>;
  int64_t nans = 0;
  if constexpr (__is_same(compute_t<S>, float) || __is_same(S, double))
    if (op != SelectOp::kth)
      for (int64_t i = 0; i < n; i++) nans += load<S>(x[i]) != load<S>(x[i]);
  typename K::Key key;
  if (nans > 0 && (op == SelectOp::median || nans == n)) {
    key = ~typename K::Key(0);
  } else {
    const int64_t at = op == SelectOp::kth ? k - 1 : (n - nans - 1) / 2;
    key = n < 16384 ? kth_key<8>(x, n, at) : kth_key<11>(x, n, at);
  }
  int64_t i = 0;
  while (K::of(x[i]) != key) i++;
  *value = x[i];
  *index = i;
}

template <class S>
void mode_row(const S* sorted, const int64_t* order, S* value, int64_t* index, int64_t n) {
  using K = Keys<S>;
  int64_t best = 0, best_length = 0, start = 0;
  for (int64_t i = 1; i <= n; i++) {
    if (i < n && K::of(sorted[i]) == K::of(sorted[start])) continue;
    if (i - start > best_length) best = i - 1, best_length = i - start;
    start = i;
  }
  *value = sorted[best];
  *index = order[best];
}

}  // namespace

void topk_forward(DType dtype, bool largest, const void* x, void* values, int64_t* indices,
                  int64_t rows, int64_t n, int64_t k) {
  auto run = [&](auto kind) {
    using S = decltype(kind);
    parallel_for(rows, ceil_div(kGrain, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        topk_row(largest, static_cast<const S*>(x) + r * n, static_cast<S*>(values) + r * k,
                 indices + r * k, n, k);
    });
  };
  switch (dtype) {
    case DType::UInt8:
      return run(uint8_t{});
    case DType::Int8:
      return run(int8_t{});
    case DType::Int16:
      return run(int16_t{});
    case DType::Int32:
      return run(int32_t{});
    case DType::Float16:
      return run(float16{});
    case DType::BFloat16:
      return run(bfloat16{});
    case DType::Float32:
      return run(float{});
    default:
      return;
  }
}

void select_forward(SelectOp op, DType dtype, const void* x, void* values, int64_t* indices,
                    int64_t rows, int64_t n, int64_t k) {
  auto run = [&](auto kind) {
    using S = decltype(kind);
    parallel_for(rows, ceil_div(kGrain / 8, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        select_row(op, static_cast<const S*>(x) + r * n, static_cast<S*>(values) + r, indices + r,
                   n, k);
    });
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

void mode_forward(DType dtype, const void* sorted, const int64_t* order, void* values,
                  int64_t* indices, int64_t rows, int64_t n) {
  auto run = [&](auto kind) {
    using S = decltype(kind);
    parallel_for(rows, ceil_div(kGrain, n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++)
        mode_row(static_cast<const S*>(sorted) + r * n, order + r * n, static_cast<S*>(values) + r,
                 indices + r, n);
    });
  };
  MT_SWITCH_INT(dtype, return run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, return run(scalar_t{}))
}

}  // namespace mt::cpu::MT_ISA
