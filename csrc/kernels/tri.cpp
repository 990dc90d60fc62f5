// Row by row: one copy and one fill with zeros. Bytes: a read of the triangle, a write of
// everything.
#include "ops/tri.h"

#include "core/parallel.h"

namespace mt::cpu::MT_ISA {

void tri(int64_t itemsize, const void* x, void* y, int64_t batch, int64_t rows, int64_t cols,
         int64_t k, bool upper) {
  const char* from = static_cast<const char*>(x);
  char* to = static_cast<char*>(y);
  int64_t bytes = cols * itemsize;
  parallel_for(
      batch * rows, ceil_div(kGrain, cols > 0 ? cols : 1), [=](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++) {
          // The first column that belongs to the upper part, or the first that does not to the
          // lower.
          int64_t cut = r % rows + k + (upper ? 0 : 1);
          cut = (cut < 0 ? 0 : cut > cols ? cols : cut) * itemsize;
          int64_t kept = upper ? cut : 0, length = upper ? bytes - cut : cut;
          if (from != to)
            __builtin_memcpy(to + r * bytes + kept, from + r * bytes + kept, size_t(length));
          __builtin_memset(to + r * bytes + (upper ? 0 : cut), 0, size_t(bytes - length));
        }
      });
}

}  // namespace mt::cpu::MT_ISA
