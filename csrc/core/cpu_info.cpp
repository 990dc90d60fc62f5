#include "core/cpu_info.h"

#include <unistd.h>

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace mt {
namespace {

// sysconf answers 0 or -1 where the kernel or the C library does not know.
size_t cache(int name, size_t otherwise, size_t least, size_t most) {
  long bytes = name >= 0 ? sysconf(name) : -1;
  size_t size = bytes > 0 ? size_t(bytes) : otherwise;
  return size < least ? least : size > most ? most : size;
}

#if defined(_SC_LEVEL1_DCACHE_SIZE)
const size_t kL1 = cache(_SC_LEVEL1_DCACHE_SIZE, 32 << 10, 16 << 10, 256 << 10);
const size_t kL2 = cache(_SC_LEVEL2_CACHE_SIZE, 512 << 10, 128 << 10, 16 << 20);
const size_t kL3 = cache(_SC_LEVEL3_CACHE_SIZE, 8 << 20, kL2, 64 << 20);
#else
const size_t kL1 = cache(-1, 32 << 10, 16 << 10, 256 << 10);
const size_t kL2 = cache(-1, 512 << 10, 128 << 10, 16 << 20);
const size_t kL3 = cache(-1, 8 << 20, kL2, 64 << 20);
#endif

DotInstructions read_dot_instructions() {
  DotInstructions has;
  const char* wanted = std::getenv("MINITORCH_DOT");
  if (wanted && std::strcmp(wanted, "0") == 0) return has;
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return has;
  has.avx512_vnni = c >> 11 & 1;
  const unsigned leaves = a;
  if (leaves < 1 || !__get_cpuid_count(7, 1, &a, &b, &c, &d)) return has;
  has.avx_vnni = a >> 4 & 1;
  has.avx512_bf16 = a >> 5 & 1;
#endif
  return has;
}

}  // namespace

const DotInstructions& dot_instructions() {
  static const DotInstructions has = read_dot_instructions();
  return has;
}

size_t l1_bytes() { return kL1; }
size_t l2_bytes() { return kL2; }
size_t l3_bytes() { return kL3; }

}  // namespace mt
