// Sorting rows by keys whose unsigned order is the order of the elements, with the place in the row
// carried along; stable.
//
// Rows of up to 1024 elements: a bitonic network on (key, place) in shared memory, as many rows a
// block as fit into 1024 slots. Rows of one tile: a block sorts by 8 bits a pass in registers and
// shared memory. Both read a row once and write it once. Longer rows: one kernel counts the digits
// of all passes; then one kernel per pass ("onesweep", Adinets and Merrill 2022): a tile ranks its
// elements, learns from the tiles before it how many of each digit precede (decoupled look-back),
// brings its elements in order in shared memory and writes runs of equal digits. A pass whose digit
// is the same in all elements is left out: small integers in int64 take few. Bytes per element: one
// read for the counts, one read and one write of key and place per pass; the first pass reads x and
// the last one writes the results.
#include "ops/sort.h"

#include "cuda/kernels/sort_rows.cuh"

namespace mt::cuda {
namespace {

// --- short rows

constexpr int kSlots = 1024;
constexpr int kShortThreads = 256;

// A row has `size` slots, a power of two.
template <class S>
__global__ void __launch_bounds__(kShortThreads) sort_short_kernel(const SortRows<S> r, int size) {
  MT_SHARED(SortKey<S>, keys, kSlots);
  MT_SHARED(uint32_t, places, kSlots);
  const int n = int(r.n), block_rows = kSlots / size;
  for (int64_t first = int64_t(blockIdx.x) * block_rows; first < r.rows;
       first += int64_t(gridDim.x) * block_rows) {
    for (int s = threadIdx.x; s < kSlots; s += kShortThreads) {
      const int64_t row = first + s / size;
      const int i = s & (size - 1);
      keys[s] = row < r.rows && i < n ? r.key(row, i) : ~SortKey<S>(0);
      places[s] = uint32_t(i);
    }
    __syncthreads();
    for (int width = 2; width <= size; width *= 2) {
      for (int step = width / 2; step > 0; step /= 2) {
        for (int t = threadIdx.x; t < kSlots / 2; t += kShortThreads) {
          const int a = 2 * t - (t & (step - 1)), b = a + step;
          const SortKey<S> ka = keys[a], kb = keys[b];
          const uint32_t pa = places[a], pb = places[b];
          const bool a_larger = ka > kb || (ka == kb && pa > pb);
          if (a_larger == ((a & (size - 1) & width) == 0)) {
            keys[a] = kb;
            keys[b] = ka;
            places[a] = pb;
            places[b] = pa;
          }
        }
        __syncthreads();
      }
    }
    for (int s = threadIdx.x; s < kSlots; s += kShortThreads) {
      const int64_t row = first + s / size;
      const int i = s & (size - 1);
      const uint32_t place = places[s];
      if (row < r.rows && i < n) r.put(row, i, place);
    }
    __syncthreads();
  }
}

// --- rows of one tile

template <class S, int R>
__global__ void __launch_bounds__(kDigits, 3) sort_tile_kernel(const SortRows<S> r, int bits) {
  using K = SortKey<S>;
  MT_SHARED(K, moved, R * kDigits);
  const Shared<uint32_t> moved_places = shared_cast<uint32_t>(moved);
  for (int64_t row = blockIdx.x; row < r.rows; row += gridDim.x) {
    K keys[R];
    TilePlaces<R> places;
#pragma unroll
    for (int j = 0; j < R; j++) {
      const int i = tile_place<R>(j);
      places.set(j, uint32_t(i));
      keys[j] = i < r.n ? r.key(row, i) : ~K(0);  // last of the last digit
    }
    // Digits that all elements share need no pass.
    const K any = r.key(row, 0);
    K differs = 0;
#pragma unroll
    for (int j = 0; j < R; j++)
      if (tile_place<R>(j) < r.n) differs |= keys[j] ^ any;
    differs = block_reduce(differs, K(0), [](K a, K b) { return K(a | b); });
    for (int shift = 0; shift < bits; shift += 8) {
      if ((differs >> shift & (kDigits - 1)) == 0) continue;
      TilePlaces<R> to;
      uint32_t count;
      uint64_t unused;
      rank_tile<R>(keys, shift, 0, to, &count, &unused);
#pragma unroll
      for (int j = 0; j < R; j++) moved[to.get(j)] = keys[j];
      __syncthreads();
#pragma unroll
      for (int j = 0; j < R; j++) {
        const K key = moved[tile_place<R>(j)];
        keys[j] = key;
      }
      __syncthreads();
#pragma unroll
      for (int j = 0; j < R; j++) moved_places[to.get(j)] = uint32_t(places.get(j));
      __syncthreads();
#pragma unroll
      for (int j = 0; j < R; j++) {
        const uint32_t place = moved_places[tile_place<R>(j)];
        places.set(j, place);
      }
      __syncthreads();
    }
#pragma unroll
    for (int j = 0; j < R; j++) moved_places[tile_place<R>(j)] = uint32_t(places.get(j));
    __syncthreads();
    for (int i = threadIdx.x; i < r.n; i += kDigits) {
      const uint32_t place = moved_places[i];
      r.put(row, i, place);
    }
    __syncthreads();
  }
}

// --- long rows

// counts[row][pass][digit]
template <class S>
__global__ void __launch_bounds__(kDigits)
    count_digits_kernel(const SortRows<S> r, uint32_t* counts, int passes) {
  MT_SHARED(uint32_t, count, 8 * kDigits);
  for (int64_t row = blockIdx.y; row < r.rows; row += gridDim.y) {
    for (int p = 0; p < passes; p++) count[p * kDigits + threadIdx.x] = 0;
    __syncthreads();
    constexpr int kEach = 4;  // loads under way
    const int64_t step = int64_t(gridDim.x) * kDigits * kEach;
    for (int64_t begin = int64_t(blockIdx.x) * kDigits * kEach; begin < r.n; begin += step) {
      SortKey<S> keys[kEach];
#pragma unroll
      for (int e = 0; e < kEach; e++) {
        const int64_t i = begin + e * kDigits + threadIdx.x;
        keys[e] = i < r.n ? r.key(row, i) : SortKey<S>(0);
      }
#pragma unroll
      for (int e = 0; e < kEach; e++) {
        const bool inside = begin + e * kDigits + threadIdx.x < r.n;
        for (int p = 0; p < passes; p++)
          count_digit(count + p * kDigits, int(keys[e] >> 8 * p) & (kDigits - 1), inside);
      }
    }
    __syncthreads();
    for (int p = 0; p < passes; p++) {
      const uint32_t c = count[p * kDigits + threadIdx.x];
      if (c) atomicAdd(&counts[(row * passes + p) * kDigits + threadIdx.x], c);
    }
    __syncthreads();
  }
}

// Sets the bit of each pass in which some row has more than one digit.
__global__ void __launch_bounds__(kDigits)
    needed_kernel(const uint32_t* counts, uint32_t* needed, int64_t rows, int64_t n, int passes) {
  const int pass = blockIdx.x;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    const bool all = counts[(row * passes + pass) * kDigits + threadIdx.x] == n;
    if (__syncthreads_or(int(all))) continue;
    if (threadIdx.x == 0) atomicOr(needed, 1u << pass);
    return;
  }
}

// What a tile lets the others know of a digit, in one word, so that no order of memory matters: the
// pass that it belongs to, whether `count` is that of the tile or of all tiles up to it, the count.
constexpr uint64_t kUpToHere = uint64_t(1) << 32;
__device__ __forceinline__ uint64_t status_word(int pass, uint64_t kind, uint32_t count) {
  return uint64_t(pass + 1) << 40 | kind | count;
}

template <class K>
struct Pass {
  int number, passes;
  int64_t tiles;           // per row
  const uint32_t* counts;  // count_digits_kernel
  uint64_t* status;        // [row, tile][digit]
  uint32_t* next_tile;     // [pass]
  const uint32_t* needed;  // needed_kernel
  K* keys;                 // two of [row, n], which passes write in turns
  uint32_t* places;
};

template <class S>
__global__ void __launch_bounds__(kDigits, 3)
    pass_kernel(const SortRows<S> r, const Pass<SortKey<S>> pass) {
  using K = SortKey<S>;
  constexpr int R = kTileItems<K>;
  MT_SHARED(K, moved, kTile<K>);
  MT_SHARED(uint32_t, base, kDigits);  // place in the row less the place in the tile
  MT_SHARED(uint32_t, ticket, 1);
  const int t = int(threadIdx.x), shift = 8 * pass.number;
  const uint32_t all_needed = *pass.needed, needed = all_needed ? all_needed : 1u;
  if (!(needed >> pass.number & 1)) return;
  // The first one reads x, the last one writes the results.
  const int before_it = __popc(needed & ((1u << pass.number) - 1));
  const int64_t total = r.rows * r.n, from = before_it % 2 ? 0 : total, to = total - from;
  const bool last = needed >> pass.number == 1;
  const K* from_keys = before_it ? pass.keys + from : nullptr;
  const uint32_t* from_places = pass.places + from;
  K* to_keys = last ? nullptr : pass.keys + to;
  uint32_t* to_places = pass.places + to;
  // Tiles are handed out in order: those before this one are running or done, and never wait for
  // it.
  if (t == 0) ticket[0] = atomicAdd(&pass.next_tile[pass.number], 1u);
  __syncthreads();
  const uint32_t id = ticket[0];
  const int64_t row = id / pass.tiles, tile = id - row * pass.tiles;
  const int64_t begin = tile * kTile<K>, start = row * r.n;
  const int valid = r.n - begin < kTile<K> ? int(r.n - begin) : kTile<K>;

  K keys[R];
#pragma unroll
  for (int j = 0; j < R; j++) {
    const int i = tile_place<R>(j);
    keys[j] = ~K(0);  // outside of the row: last of the last digit
    if (i < valid) keys[j] = from_keys ? from_keys[start + begin + i] : r.key(row, begin + i);
  }
  const uint32_t in_row = pass.counts[(row * pass.passes + pass.number) * kDigits + t];
  TilePlaces<R> place;
  uint32_t count;
  uint64_t row_before;
  const uint32_t first = rank_tile<R>(keys, shift, in_row, place, &count, &row_before);
  if (t == kDigits - 1) count -= uint32_t(kTile<K> - valid);

  // Thread t: how many of digit t the tiles before hold.
  volatile uint64_t* status = pass.status + (row * pass.tiles * kDigits + t);
  uint32_t before = 0;
  if (tile > 0) {
    status[tile * kDigits] = status_word(pass.number, 0, count);
    constexpr int kAhead = 4;  // words under way
    const uint64_t tag = status_word(pass.number, 0, 0) >> 40;
    bool done = false;
    for (int64_t other = tile - 1; !done; other -= kAhead) {
      uint64_t words[kAhead];
#pragma unroll
      for (int k = 0; k < kAhead; k++) words[k] = status[(other > k ? other - k : 0) * kDigits];
#pragma unroll
      for (int k = 0; k < kAhead; k++) {
        if (done) continue;  // at the latest at the row's first tile
        while (words[k] >> 40 != tag) {
          MT_SPIN();
          words[k] = status[(other - k) * kDigits];
        }
        before += uint32_t(words[k]);
        done = words[k] & kUpToHere;
      }
    }
  }
  status[tile * kDigits] = status_word(pass.number, kUpToHere, before + count);
  base[t] = uint32_t(row_before) + before - first;
#pragma unroll
  for (int j = 0; j < R; j++) moved[place.get(j)] = keys[j];
  __syncthreads();

  const auto destination = [&](int i, K key) {
    const uint32_t b = base[int(key >> shift) & (kDigits - 1)];
    return b + uint32_t(i);
  };
#pragma unroll
  for (int j = 0; j < R; j++) {
    const int i = t + j * kDigits;
    const K key = moved[i];
    keys[j] = key;
    if (to_keys && i < valid) to_keys[start + destination(i, key)] = key;
  }
  __syncthreads();
  const Shared<uint32_t> moved_places = shared_cast<uint32_t>(moved);
#pragma unroll
  for (int j = 0; j < R; j++) {
    const int i = tile_place<R>(j);
    if (i >= valid) continue;
    moved_places[place.get(j)] = from_keys ? from_places[start + begin + i] : uint32_t(begin + i);
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < R; j++) {
    const int i = t + j * kDigits;
    if (i >= valid) continue;
    const uint32_t p = moved_places[i], at = destination(i, keys[j]);
    if (to_keys) to_places[start + at] = p;
    else r.put(row, at, keys[j], p);
  }
}

template <class S>
void long_rows(const SortRows<S>& r, int passes) {
  using K = SortKey<S>;
  const int64_t total = r.rows * r.n, tiles = ceil_div(r.n, kTile<K>), blocks = r.rows * tiles;
  MT_CHECK(blocks <= kMaxGrid, "sort(): ", total, " elements are too many for the GPU's kernels");
  const size_t status_bytes = size_t(blocks * kDigits) * sizeof(uint64_t);
  const size_t counts = size_t(r.rows) * size_t(passes) * kDigits;
  const size_t zeroed = status_bytes + (counts + 9) * sizeof(uint32_t);
  Scratch work(zeroed);
  MT_CUDA_CHECK(cudaMemsetAsync(work.as<void>(), 0, zeroed, stream()));
  uint32_t* const count = reinterpret_cast<uint32_t*>(work.as<char>() + status_bytes);
  uint32_t *const next_tile = count + counts, *const needed = next_tile + 8;
  const dim3 count_grid{grid_for(r.n, 8 * kDigits, ceil_div(1024, r.rows)),
                        grid_for(r.rows, 1, 65535)};
  MT_LAUNCH((count_digits_kernel<S>), count_grid, kDigits, 0, stream(), r, count, passes);
  MT_LAUNCH(needed_kernel, dim3(unsigned(passes), grid_for(r.rows, 1, 1024)), kDigits, 0, stream(),
            count, needed, r.rows, r.n, passes);
  const size_t elements = passes > 1 ? 2 * size_t(total) : 0;
  Scratch keys(elements * sizeof(K)), places(elements * sizeof(uint32_t));
  for (int p = 0; p < passes; p++)
    MT_LAUNCH((pass_kernel<S>), unsigned(blocks), kDigits, 0, stream(), r,
              Pass<K>{p, passes, tiles, count, work.as<uint64_t>(), next_tile, needed, keys.as<K>(),
                      places.as<uint32_t>()});
}

template <class S>
void sort_typed(const SortRows<S>& r, int bits) {
  constexpr int64_t tile = kTile<SortKey<S>>;
  if (r.n <= kSlots) {
    int size = 2;
    while (size < r.n) size *= 2;
    MT_LAUNCH((sort_short_kernel<S>), grid_for(r.rows, kSlots / size, 1 << 20), kShortThreads, 0,
              stream(), r, size);
    return;
  }
  if (bits > SortKeys<S>::kBits) bits = SortKeys<S>::kBits;
  if (r.n > tile) return long_rows(r, int(ceil_div(bits, 8)));
  const unsigned grid = grid_for(r.rows, 1, 1 << 20);
  constexpr int items = kTileItems<SortKey<S>>;
  if (items > 8 && r.n <= 8 * kDigits)
    MT_LAUNCH((sort_tile_kernel<S, 8>), grid, kDigits, 0, stream(), r, bits);
  else MT_LAUNCH((sort_tile_kernel<S, items>), grid, kDigits, 0, stream(), r, bits);
}

}  // namespace

void sort_rows(DType dtype, bool descending, const void* x, int64_t rows, int64_t n,
               const Sorted& to, int bits) {
  if (rows == 0 || n == 0) return;
  const int64_t k = to.k < n ? to.k : n;
  const auto run = [&](auto kind) {
    using S = decltype(kind);
    sort_typed(SortRows<S>{static_cast<const S*>(x), rows, n, descending, to.order,
                           static_cast<S*>(to.values), to.indices, to.map, k},
               bits);
  };
  MT_SWITCH_INT(dtype, run(scalar_t{}))
  MT_SWITCH_FLOAT_HALF(dtype, run(scalar_t{}))
}

void sort_forward(DType dtype, bool descending, const void* x, void* values, int64_t* indices,
                  int64_t rows, int64_t n, void*) {
  Sorted to;
  to.values = values;
  to.indices = indices;
  sort_rows(dtype, descending, x, rows, n, to);
}

}  // namespace mt::cuda
