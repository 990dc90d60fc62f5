// y is written front to back, which the memory likes better than one pass per part.
#include "ops/join.h"

#include "core/parallel.h"

namespace mt::cpu::MT_ISA {

void join_rows(const void* const* parts, const int64_t* bytes, int64_t count, int64_t rows,
               void* y) {
  int64_t width = 0;
  for (int64_t k = 0; k < count; k++) width += bytes[k];
  parallel_for(rows, ceil_div(kGrain * 4, width > 0 ? width : 1), [=](int64_t begin, int64_t end) {
    char* to = static_cast<char*>(y) + begin * width;
    for (int64_t r = begin; r < end; r++) {
      for (int64_t k = 0; k < count; k++) {
        __builtin_memcpy(to, static_cast<const char*>(parts[k]) + r * bytes[k], size_t(bytes[k]));
        to += bytes[k];
      }
    }
  });
}

}  // namespace mt::cpu::MT_ISA
