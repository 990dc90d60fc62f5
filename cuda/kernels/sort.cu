// Sorting rows by keys whose unsigned order is the order of the elements, with the place in the row
// carried along.
//
// Short rows: one block sorts a row in shared memory by a bitonic network on (key, place), which is
// stable because places differ. Long rows: least significant digit first, 8 bits a pass; a pass
// counts the digits of each tile, turns the counts into first places (digit by digit, tile by tile)
// and moves each element to its place. Within a tile, elements of equal digits keep their order:
// warps count themselves by votes. Bytes of a pass: keys read twice, keys and places moved once.
#include "cuda/kernels/sort.cuh"

#include "kernels/sort_keys.h"
#include "ops/sort.h"

namespace mt::cuda {
namespace {

template <class S>
using Key = typename fn::Keys<S>::Key;

// --- short rows

constexpr int kShortRow = 1024;
constexpr int kShortThreads = 256;

template <class S>
__global__ void __launch_bounds__(kShortThreads)
    sort_short_kernel(bool descending, const S* x, uint32_t* order, int64_t rows, int n, int size) {
  MT_SHARED(Key<S>, keys, kShortRow);
  MT_SHARED(uint32_t, places, kShortRow);
  for (int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    for (int i = threadIdx.x; i < size; i += kShortThreads) {
      Key<S> key = ~Key<S>(0);
      if (i < n) {
        key = fn::Keys<S>::of(x[row * n + i]);
        if (descending) key = ~key;
      }
      keys[i] = key;
      places[i] = uint32_t(i);
    }
    __syncthreads();
    for (int width = 2; width <= size; width *= 2) {
      for (int step = width / 2; step > 0; step /= 2) {
        for (int t = threadIdx.x; t < size / 2; t += kShortThreads) {
          const int a = 2 * t - (t & (step - 1)), b = a + step;
          const Key<S> ka = keys[a], kb = keys[b];
          const uint32_t pa = places[a], pb = places[b];
          const bool a_larger = ka > kb || (ka == kb && pa > pb);
          if (a_larger == ((a & width) == 0)) {
            keys[a] = kb;
            keys[b] = ka;
            places[a] = pb;
            places[b] = pa;
          }
        }
        __syncthreads();
      }
    }
    for (int i = threadIdx.x; i < n; i += kShortThreads) {
      const uint32_t place = places[i];
      order[row * n + i] = place;
    }
    __syncthreads();
  }
}

// --- long rows

constexpr int kDigits = 256;  // also the threads of a block: one per digit
constexpr int kWarps = kDigits / 32;
constexpr int kRounds = 16;
constexpr int kTile = kDigits * kRounds;

template <class S>
__global__ void __launch_bounds__(kDigits)
    make_keys_kernel(bool descending, const S* x, Key<S>* keys, uint32_t* places, int64_t rows,
                     int64_t n) {
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    for (int64_t i = thread_index(); i < n; i += thread_count()) {
      const Key<S> key = fn::Keys<S>::of(x[row * n + i]);
      keys[row * n + i] = descending ? Key<S>(~key) : key;
      places[row * n + i] = uint32_t(i);
    }
  }
}

// counts[row][digit][tile]
template <class K>
__global__ void __launch_bounds__(kDigits)
    count_digits_kernel(const K* keys, uint32_t* counts, int64_t n, int64_t tiles, int shift) {
  MT_SHARED(uint32_t, count, kDigits);
  count[threadIdx.x] = 0;
  __syncthreads();
  const int64_t row = blockIdx.y, begin = int64_t(blockIdx.x) * kTile;
  for (int r = 0; r < kRounds; r++) {
    const int64_t i = begin + r * kDigits + threadIdx.x;
    if (i < n) atomicAdd(&count[int(keys[row * n + i] >> shift) & (kDigits - 1)], 1u);
  }
  __syncthreads();
  const uint32_t c = count[threadIdx.x];
  counts[(row * kDigits + threadIdx.x) * tiles + blockIdx.x] = c;
}

// The counts of a row become sums of those before: one block per row walks over them.
__global__ void __launch_bounds__(kDigits) first_places_kernel(uint32_t* counts, int64_t tiles) {
  MT_SHARED(uint32_t, warp_sums, kWarps);
  uint32_t* row = counts + int64_t(blockIdx.x) * kDigits * tiles;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint32_t before = 0;
  for (int64_t begin = 0; begin < kDigits * tiles; begin += kDigits) {
    const uint32_t own = row[begin + threadIdx.x];
    uint32_t sum = own;
    for (int d = 1; d < 32; d *= 2) {
      const uint32_t other = __shfl_up_sync(0xffffffffu, sum, d);
      if (lane >= d) sum += other;
    }
    if (lane == 31) warp_sums[warp] = sum;
    __syncthreads();
    uint32_t warps_before = 0, all = 0;
    for (int w = 0; w < kWarps; w++) {
      const uint32_t s = warp_sums[w];
      if (w < warp) warps_before += s;
      all += s;
    }
    row[begin + threadIdx.x] = before + warps_before + sum - own;
    before += all;
    __syncthreads();
  }
}

template <class K>
__global__ void __launch_bounds__(kDigits)
    move_kernel(const K* keys, const uint32_t* places, K* to_keys, uint32_t* to_places,
                const uint32_t* first, int64_t n, int64_t tiles, int shift) {
  MT_SHARED(uint32_t, next, kDigits);                 // place of the tile's next such digit
  MT_SHARED(uint32_t, warp_counts, kWarps* kDigits);  // of this round
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const int64_t row = blockIdx.y, begin = int64_t(blockIdx.x) * kTile;
  next[threadIdx.x] = first[(row * kDigits + threadIdx.x) * tiles + blockIdx.x];
  for (int r = 0; r < kRounds && begin + r * kDigits < n; r++) {
    for (int w = 0; w < kWarps; w++) warp_counts[w * kDigits + threadIdx.x] = 0;
    __syncthreads();
    const int64_t i = begin + r * kDigits + threadIdx.x;
    const bool inside = i < n;
    const K key = inside ? keys[row * n + i] : K(0);
    const int digit = int(key >> shift) & (kDigits - 1);
    // Lanes with the same digit; those outside of the row match nobody inside.
    uint32_t same = __ballot_sync(0xffffffffu, inside);
    if (!inside) same = ~same;
    for (int bit = 0; bit < 8; bit++) {
      const bool set = digit >> bit & 1;
      const uint32_t ones = __ballot_sync(0xffffffffu, set);
      same &= set ? ones : ~ones;
    }
    const int rank = __popc(same & ((1u << lane) - 1));
    if (inside && rank == 0) warp_counts[warp * kDigits + digit] = uint32_t(__popc(same));
    __syncthreads();
    // One thread per digit: where each warp's elements of it begin.
    uint32_t place = next[threadIdx.x];
    for (int w = 0; w < kWarps; w++) {
      const uint32_t count = warp_counts[w * kDigits + threadIdx.x];
      warp_counts[w * kDigits + threadIdx.x] = place;
      place += count;
    }
    next[threadIdx.x] = place;
    __syncthreads();
    if (inside) {
      const uint32_t start = warp_counts[warp * kDigits + digit];
      to_keys[row * n + start + rank] = key;
      to_places[row * n + start + rank] = places[row * n + i];
    }
    __syncthreads();
  }
}

template <class S>
void long_rows(bool descending, const S* x, uint32_t* order, int64_t rows, int64_t n) {
  using K = Key<S>;
  const int64_t total = rows * n, tiles = ceil_div(n, kTile);
  Scratch keys(2 * size_t(total) * sizeof(K)), places(size_t(total) * sizeof(uint32_t)),
      counts(size_t(rows * kDigits * tiles) * sizeof(uint32_t));
  K *from = keys.as<K>(), *to = from + total;
  // An even number of passes: the places end where they start.
  uint32_t *from_places = order, *to_places = places.as<uint32_t>();
  const dim3 key_grid{grid_for(n, kDigits, 1024), grid_for(rows, 1, 65535)};
  MT_LAUNCH((make_keys_kernel<S>), key_grid, kDigits, 0, stream(), descending, x, from, from_places,
            rows, n);
  for (int shift = 0; shift < int(sizeof(K)) * 8; shift += 8) {
    for (int64_t r0 = 0; r0 < rows; r0 += 65535) {
      const int64_t part = rows - r0 < 65535 ? rows - r0 : 65535;
      const dim3 grid{unsigned(tiles), unsigned(part)};
      uint32_t* first = counts.as<uint32_t>() + r0 * kDigits * tiles;
      MT_LAUNCH((count_digits_kernel<K>), grid, kDigits, 0, stream(), from + r0 * n, first, n,
                tiles, shift);
      MT_LAUNCH(first_places_kernel, unsigned(part), kDigits, 0, stream(), first, tiles);
      MT_LAUNCH((move_kernel<K>), grid, kDigits, 0, stream(), from + r0 * n, from_places + r0 * n,
                to + r0 * n, to_places + r0 * n, first, n, tiles, shift);
    }
    std::swap(from, to);
    std::swap(from_places, to_places);
  }
}

template <class S>
void order_of(bool descending, const S* x, uint32_t* order, int64_t rows, int64_t n) {
  if (n > kShortRow) return long_rows(descending, x, order, rows, n);
  int size = 2;
  while (size < n) size *= 2;
  MT_LAUNCH((sort_short_kernel<S>), grid_for(rows, 1, 1 << 20), kShortThreads, 0, stream(),
            descending, x, order, rows, int(n), size);
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    take_kernel(const T* x, const uint32_t* order, T* values, int64_t* indices, int64_t rows,
                int64_t n, int64_t k) {
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    for (int64_t i = thread_index(); i < k; i += thread_count()) {
      const uint32_t place = order[row * n + i];
      if (values) values[row * k + i] = x[row * n + place];
      indices[row * k + i] = place;
    }
  }
}

}  // namespace

void sort_order(DType dtype, bool descending, const void* x, uint32_t* order, int64_t rows,
                int64_t n) {
  if (rows == 0 || n == 0) return;
  MT_SWITCH_INT(dtype, order_of(descending, static_cast<const scalar_t*>(x), order, rows, n))
  MT_SWITCH_FLOAT_HALF(dtype, order_of(descending, static_cast<const scalar_t*>(x), order, rows, n))
}

void take_sorted(DType dtype, const void* x, const uint32_t* order, void* values, int64_t* indices,
                 int64_t rows, int64_t n, int64_t k) {
  const auto take = [&](auto bits) {
    using T = decltype(bits);
    const dim3 grid{grid_for(k, kThreads, 1024), grid_for(rows, 1, 65535)};
    MT_LAUNCH((take_kernel<T>), grid, kThreads, 0, stream(), static_cast<const T*>(x), order,
              static_cast<T*>(values), indices, rows, n, k);
  };
  switch (itemsize(dtype)) {
    case 1:
      return take(uint8_t{});
    case 2:
      return take(uint16_t{});
    case 4:
      return take(uint32_t{});
    default:
      return take(uint64_t{});
  }
}

void sort_forward(DType dtype, bool descending, const void* x, void* values, int64_t* indices,
                  int64_t rows, int64_t n, void*) {
  Scratch order(size_t(rows * n) * sizeof(uint32_t));
  sort_order(dtype, descending, x, order.as<uint32_t>(), rows, n);
  take_sorted(dtype, x, order.as<uint32_t>(), values, indices, rows, n, n);
}

}  // namespace mt::cuda
