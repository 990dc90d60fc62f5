// Least significant digit radix sort of (key, index) pairs, 8 bits a pass; digits that all keys
// share are skipped. Keys of up to 32 bits are packed with their index into one 64-bit number.
// Short rows are sorted by insertion. A long row is cut into chunks by size, which count and
// scatter side by side: every chunk knows where its elements of each digit go, so the order is
// stable and needs no merging. Reads and writes 8 (16) bytes per element and pass.
#include "ops/sort.h"

#include "kernels/sort_keys.h"

namespace mt::cpu::MT_ISA {
namespace {

using fn::Keys;

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

// int64 elements of one row that span less than 2^32, as 32-bit distances from the smallest.
struct NarrowKeys {
  using Key = uint32_t;
  int64_t low;
  MT_INLINE Key of(int64_t v) const { return Key(uint64_t(v) - uint64_t(low)); }
  MT_INLINE int64_t value(Key k) const { return int64_t(uint64_t(low) + k); }
  static MT_INLINE bool is_negative_zero(int64_t) { return false; }
};

template <class S, class K = Keys<S>>
struct RowSort {
  using Key = typename K::Key;
  using El = Element<Key>;
  using E = typename El::type;
  static constexpr int kPasses = sizeof(Key);

  const S* x;
  S* values;
  int64_t* indices;
  int64_t n;
  Key flip;  // all ones for a descending order
  K keys = {};

  MT_INLINE E element(int64_t i) const { return El::make(keys.of(x[i]) ^ flip, i); }
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
      for (int64_t i = begin; i < end; i++) values[i] = keys.value(El::key(sorted[i]) ^ flip);
    else
      for (int64_t i = begin; i < end; i++) values[i] = x[indices[i]];
  }

  // Each element's place is the number of elements before it: n^2 comparisons without a branch.
  void by_rank(uint64_t* a, uint64_t* sorted) const {
    const int64_t padded = (n + 15) / 16 * 16;
    for (int64_t i = 0; i < n; i++) a[i] = element(i);
    for (int64_t i = n; i < padded; i++) a[i] = ~0ull;
    for (int64_t i = 0; i < n; i++) {
      const uint64_t e = a[i];
      uint64_t before = 0;
      for (int64_t j = 0; j < padded; j += 16)
        for (int64_t k = 0; k < 16; k++) before += a[j + k] < e;
      sorted[before] = e;
    }
    write(sorted, 0, n, false);
  }

  void by_insertion(Pair* a) const {
    for (int64_t i = 0; i < n; i++) {
      const Pair e = element(i);
      int64_t j = i;
      for (; j > 0 && a[j - 1].key > e.key; j--) a[j] = a[j - 1];
      a[j] = e;
    }
    write(a, 0, n, false);
  }

  void in_one_piece(E* a, E* b) const {
    if (n > kShortRow) return by_radix(a, b);
    if constexpr (sizeof(E) == 8) by_rank(a, b);
    else by_insertion(a);
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

template <class T>
struct ElementOf;
template <class S, class K>
struct ElementOf<const RowSort<S, K>&> {
  using type = typename RowSort<S, K>::E;
};
template <class T>
using SorterElement = typename ElementOf<T>::type;

// f(sorter) for one row; int64 rows of a narrow range get the narrow keys.
template <class S, class F>
MT_INLINE void with_row(bool descending, const void* x, void* values, int64_t* indices, int64_t n,
                        int64_t r, const F& f) {
  const S* from = static_cast<const S*>(x) + r * n;
  S* to = values ? static_cast<S*>(values) + r * n : nullptr;
  if constexpr (__is_same(S, int64_t)) {
    int64_t low = from[0], high = from[0];
    for (int64_t i = 0; i < n; i++) low = from[i] < low ? from[i] : low;
    for (int64_t i = 0; i < n; i++) high = from[i] > high ? from[i] : high;
    if (uint64_t(high) - uint64_t(low) < 1ull << 32) {
      f(RowSort<S, NarrowKeys>{from, to, indices + r * n, n, descending ? ~0u : 0u, {low}});
      return;
    }
  }
  using Key = typename Keys<S>::Key;
  f(RowSort<S>{from, to, indices + r * n, n, descending ? ~Key(0) : Key(0)});
}

template <class S>
void sort_typed(bool descending, const void* x, void* values, int64_t* indices, int64_t rows,
                int64_t n, void* work) {
  using E = typename Element<typename Keys<S>::Key>::type;
  if (n > kSortInPlace) {
    for (int64_t r = 0; r < rows; r++)
      with_row<S>(descending, x, values, indices, n, r, [&](const auto& sorter) {
        auto* a = static_cast<SorterElement<decltype(sorter)>*>(work);
        if (n > kChunk) sorter.in_chunks(a, a + n);
        else sorter.by_radix(a, a + n);
      });
    return;
  }
  parallel_for(rows, ceil_div(kGrain / 8, n + 16), [&](int64_t begin, int64_t end) {
    E a[kSortInPlace], b[kSortInPlace];
    for (int64_t r = begin; r < end; r++)
      with_row<S>(descending, x, values, indices, n, r, [&](const auto& sorter) {
        using Used = SorterElement<decltype(sorter)>;
        sorter.in_one_piece(reinterpret_cast<Used*>(a), reinterpret_cast<Used*>(b));
      });
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
