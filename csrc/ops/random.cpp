#include "ops/random.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

// Python's generators hold seed and offset; Philox groups of 16 counters start at multiples of 16
// from the offset, so a fill advances it by whole groups.
int64_t whole_groups(int64_t counters) { return (counters + 15) / 16 * 16; }

int64_t fill(Distribution kind, const Tensor& x, int64_t seed, int64_t offset, double a, double b,
             const char* name) {
  check_floating(x, name, "a tensor");
  check_no_overlap(x, name);
  Tensor y = x.is_contiguous() ? x : empty_like(x);
  int64_t n = x.numel();
  MT_DISPATCH_CPU(x.device(), n * 8, random_fill, kind, x.dtype(), y.data(), n, uint64_t(seed),
                  uint64_t(offset), a, b);
  if (!x.is_contiguous()) copy_into(x, y);
  x.bump_version();
  return whole_groups(random_counters(x.dtype(), n));
}

template <Distribution kind> struct Named {
  static inline const char* name = "";
  // Fills x and returns how far the offset moves.
  static int64_t run(const Tensor& x, int64_t seed, int64_t offset, double a, double b) {
    return fill(kind, x, seed, offset, a, b, name);
  }
};

// low <= value < high, high exclusive; `whole`: every int64.
int64_t integers(const Tensor& x, int64_t seed, int64_t offset, int64_t low, int64_t high, bool whole) {
  MT_CHECK(whole || low < high, "random_ expects 'from' to be less than 'to', but got from=", low,
           " >= to=", high);
  check_no_overlap(x, "random_");
  Tensor y = x.is_contiguous() ? x : empty_like(x);
  uint64_t range = whole ? 0 : uint64_t(high) - uint64_t(low);
  MT_DISPATCH_CPU(x.device(), x.numel() * 8, random_integers, x.dtype(), y.data(), x.numel(),
                  uint64_t(seed), uint64_t(offset), low, range);
  if (!x.is_contiguous()) copy_into(x, y);
  x.bump_version();
  return whole_groups((x.numel() + 1) / 2);
}

int64_t permutation(const Tensor& y, int64_t seed, int64_t offset) {
  MT_DISPATCH_CPU(y.device(), y.numel(), random_permutation, y.data<int64_t>(), y.numel(), uint64_t(seed),
                  uint64_t(offset));
  return whole_groups((y.numel() + 1) / 2);
}

}  // namespace

MT_BIND(random) {
#define MT_DEF_(kind, ...)                                \
  Named<Distribution::kind>::name = #kind "_";            \
  def_plain<&Named<Distribution::kind>::run>(m, "random_" #kind);
  MT_DISTRIBUTIONS(MT_DEF_)
  MT_DEF_(normal)
  MT_DEF_(log_normal)
  def_plain<&integers>(m, "random_integers");
  def_plain<&permutation>(m, "random_permutation");
}

}  // namespace mt
