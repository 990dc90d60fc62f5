// Least significant digit radix sort of (key, index) pairs, 8 bits a pass; digits that all keys
// share are skipped. Keys of up to 32 bits are packed with their index into one 64-bit number.
// Short rows are sorted by insertion. A long row is cut into chunks by size, which count and
// scatter side by side: every chunk knows where its elements of each digit go, so the order is
// stable and needs no merging. Reads and writes 8 (16) bytes per element and pass.
#include "ops/sort.h"

#include "kernels/sort_keys.h"

namespace mt::cpu::MT_ISA {
namespace {

constexpr int64_t kDigits = 256;
constexpr int64_t kShortRow = 64;
constexpr int64_t kMaxChunks = 16;
constexpr int64_t kChunk = 1 << 16;

struct Pair {
  uint64_t key, index;
};

template <class Key>
struct Element;
template <>
struct Element<uint32_t> {
  using type = uint64_t;
  static MT_INLINE type make(uint32_t key, int64_t i) { return uint64_t(key) << 32 | uint32_t(i); }
  static MT_INLINE uint32_t key(type e) { return uint32_t(e >> 32); }
  static MT_INLINE int64_t index(type e) { return uint32_t(e); }
};
template <>
struct Element<uint64_t> {
  using type = Pair;
  static MT_INLINE type make(uint64_t key, int64_t i) { return {key, uint64_t(i)}; }
  static MT_INLINE uint64_t key(type e) { return e.key; }
  static MT_INLINE int64_t index(type e) { return int64_t(e.index); }
};

template <class S>
struct RowSort {
  using K = Keys<S>;
  using Key = typename K::Key;
  using El = Element<Key>;
  using E = typename El::type;
  static constexpr int kPasses = sizeof(Key);

  const S* x;
  S* values;
  int64_t* indices;
  int64_t n;
  Key flip;  // all ones for a descending order

  MT_INLINE E element(int64_t i) const { return El::make(K::of(x[i]) ^ flip, i); }
  static MT_INLINE int digit(E e, int pass) { return int(El::key(e) >> (8 * pass)) & 255; }

  // Whether a key cannot give its element back.
  bool has_negative_zero(int64_t begin, int64_t end) const {
    bool found = false;
    for (int64_t i = begin; i < end; i++) found |= K::is_negative_zero(x[i]);
    return found;
  }

  MT_INLINE void write(const E* sorted, int64_t begin, int64_t end, bool by_key) const {
    for (int64_t i = begin; i < end; i++) indices[i] = El::index(sorted[i]);
    if (!values) return;
    if (by_key)
      for (int64_t i = begin; i < end; i++) values[i] = K::value(El::key(sorted[i]) ^ flip);
    else
      for (int64_t i = begin; i < end; i++) values[i] = x[indices[i]];
  }

  void by_insertion(E* a) const {
    for (int64_t i = 0; i < n; i++) {
      const E e = element(i);
      const Key key = El::key(e);
      int64_t j = i;
      for (; j > 0 && El::key(a[j - 1]) > key; j--) a[j] = a[j - 1];
      a[j] = e;
    }
    write(a, 0, n, false);
  }

  void by_radix(E* from, E* to) const {
    uint32_t counts[kPasses][kDigits] = {};
    for (int64_t i = 0; i < n; i++) {
      const E e = from[i] = element(i);
      for (int p = 0; p < kPasses; p++) counts[p][digit(e, p)]++;
    }
    for (int p = 0; p < kPasses; p++) {
      uint32_t* count = counts[p];
      if (count[digit(from[0], p)] == uint32_t(n)) continue;
      uint32_t sum = 0;
      for (int64_t d = 0; d < kDigits; d++) {
        const uint32_t c = count[d];
        count[d] = sum;
        sum += c;
      }
      for (int64_t i = 0; i < n; i++) to[count[digit(from[i], p)]++] = from[i];
      E* other = from;
      from = to;
      to = other;
    }
    write(from, 0, n, !has_negative_zero(0, n));
  }

  void in_chunks(E* from, E* to) const {
    int64_t chunk = ceil_div(n, kMaxChunks);
    if (chunk < kChunk) chunk = kChunk;
    const int64_t chunks = ceil_div(n, chunk);
    uint32_t counts[kMaxChunks][kPasses][kDigits] = {};
    uint8_t negative_zero[kMaxChunks] = {};
    auto each_chunk = [&](auto&& f) {
      parallel_for(chunks, 1, [&](int64_t c0, int64_t c1) {
        for (int64_t c = c0; c < c1; c++) f(c, c * chunk, c + 1 == chunks ? n : (c + 1) * chunk);
      });
    };
    each_chunk([&](int64_t c, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const E e = element(i);
        for (int p = 0; p < kPasses; p++) counts[c][p][digit(e, p)]++;
      }
      negative_zero[c] = has_negative_zero(begin, end);
    });
    bool first = true;
    const E any = element(0);
    for (int p = 0; p < kPasses; p++) {
      uint32_t same = 0;
      for (int64_t c = 0; c < chunks; c++) same += counts[c][p][digit(any, p)];
      if (same == uint32_t(n)) continue;
      uint32_t places[kMaxChunks][kDigits] = {};
      if (first)
        for (int64_t c = 0; c < chunks; c++)
          __builtin_memcpy(places[c], counts[c][p], sizeof places[c]);
      else
        each_chunk([&](int64_t c, int64_t begin, int64_t end) {
          uint32_t count[kDigits] = {};
          for (int64_t i = begin; i < end; i++) count[digit(from[i], p)]++;
          __builtin_memcpy(places[c], count, sizeof count);
        });
      uint32_t sum = 0;
      for (int64_t d = 0; d < kDigits; d++)
        for (int64_t c = 0; c < chunks; c++) {
          const uint32_t k = places[c][d];
          places[c][d] = sum;
          sum += k;
        }
      each_chunk([&](int64_t c, int64_t begin, int64_t end) {
        uint32_t place[kDigits];
        __builtin_memcpy(place, places[c], sizeof place);
        if (first)
          for (int64_t i = begin; i < end; i++) {
            const E e = element(i);
            to[place[digit(e, p)]++] = e;
          }
        else
          for (int64_t i = begin; i < end; i++) to[place[digit(from[i], p)]++] = from[i];
      });
      first = false;
      E* other = from;
      from = to;
      to = other;
    }
    bool by_key = true;
    for (int64_t c = 0; c < chunks; c++) by_key = by_key && !negative_zero[c];
    each_chunk([&](int64_t, int64_t begin, int64_t end) {
      if (first)
        for (int64_t i = begin; i < end; i++) from[i] = element(i);
      write(from, begin, end, by_key);
    });
  }
};

template <class S>
void sort_typed(bool descending, const void* x, void* values, int64_t* indices, int64_t rows,
                int64_t n, void* work) {
  using Key = typename Keys<S>::Key;
  using E = typename Element<Key>::type;
  auto row = [&](int64_t r) {
    return RowSort<S>{static_cast<const S*>(x) + r * n,
                      values ? static_cast<S*>(values) + r * n : nullptr, indices + r * n, n,
                      descending ? ~Key(0) : Key(0)};
  };
  if (n > kSortInPlace) {
    E* a = static_cast<E*>(work);
    for (int64_t r = 0; r < rows; r++) {
      if (n > kChunk) row(r).in_chunks(a, a + n);
      else row(r).by_radix(a, a + n);
    }
    return;
  }
  parallel_for(rows, ceil_div(kGrain / 8, n + 16), [&](int64_t begin, int64_t end) {
    E a[kSortInPlace], b[kSortInPlace];
    for (int64_t r = begin; r < end; r++) {
      if (n <= kShortRow) row(r).by_insertion(a);
      else row(r).by_radix(a, b);
    }
  });
}

}  // namespace

void sort_forward(DType dtype, bool descending, const void* x, void* values, int64_t* indices,
                  int64_t rows, int64_t n, void* work) {
  MT_SWITCH_INT(dtype, return sort_typed<scalar_t>(descending, x, values, indices, rows, n, work))
  MT_SWITCH_FLOAT_HALF(dtype,
                       return sort_typed<scalar_t>(descending, x, values, indices, rows, n, work))
}

}  // namespace mt::cpu::MT_ISA
