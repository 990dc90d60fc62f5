// y = rows of parts, side by side. A launch takes up to kParts parts; the grid's y picks the part,
// a thread moves a unit of up to 16 bytes, neighbours in a part's row neighbours in y. One read and
// one write per byte.
#include "ops/join.h"

#include "cuda/core/divide.h"
#include "cuda/core/launch.h"
#include "cuda/core/vec.h"

namespace mt::cuda {
namespace {

constexpr int kParts = 96;

// Sizes in units.
struct Parts {
  int64_t rows, width;
  const void* data[kParts];
  int64_t size[kParts], start[kParts];
};

template <class U>
__global__ void __launch_bounds__(kThreads) join_kernel(const Parts p, U* y) {
  const int part = blockIdx.y;
  const U* from = static_cast<const U*>(p.data[part]);
  const int64_t size = p.size[part], count = size * p.rows;
  U* to = y + p.start[part];
  for (int64_t i = thread_index(); i < count; i += thread_count()) {
    const int64_t row = p.rows == 1           ? 0
                        : count <= 0xffffffff ? uint32_t(i) / uint32_t(size)
                                              : i / size;
    to[row * p.width + (i - row * size)] = from[i];
  }
}

template <class U>
void run(Parts p, int count, void* y) {
  int64_t largest = 0;
  for (int k = 0; k < count; k++) largest = p.size[k] > largest ? p.size[k] : largest;
  const dim3 grid(grid_for(largest * p.rows, kThreads, 1 << 20), unsigned(count));
  MT_LAUNCH((join_kernel<U>), grid, kThreads, 0, stream(), p, static_cast<U*>(y));
}

}  // namespace

void join_rows(const void* const* parts, const int64_t* bytes, int64_t count, int64_t rows,
               void* y) {
  uint64_t bits = reinterpret_cast<uintptr_t>(y) | 16;
  int64_t width = 0;
  for (int64_t k = 0; k < count; k++) {
    bits |= reinterpret_cast<uintptr_t>(parts[k]) | uint64_t(bytes[k]);
    width += bytes[k];
  }
  const int64_t unit = int64_t(bits & -bits);  // what divides all addresses and sizes
  int64_t start = 0;
  for (int64_t first = 0; first < count; first += kParts) {
    Parts p;
    p.rows = rows;
    p.width = width / unit;
    const int n = int(count - first < kParts ? count - first : kParts);
    for (int k = 0; k < n; k++) {
      p.data[k] = parts[first + k];
      p.size[k] = bytes[first + k] / unit;
      p.start[k] = start;
      start += p.size[k];
    }
    if (unit == 16) run<Vec<uint32_t, 4>>(p, n, y);
    else if (unit == 8) run<uint64_t>(p, n, y);
    else if (unit == 4) run<uint32_t>(p, n, y);
    else if (unit == 2) run<uint16_t>(p, n, y);
    else run<uint8_t>(p, n, y);
  }
}

}  // namespace mt::cuda
