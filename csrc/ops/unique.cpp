// Distinct elements, or distinct slices along a dim: a sort (stable, by rows of slices), and groups
// of equal neighbours in that order.
#include "ops/unique.h"

#include "ops/dispatch.h"
#include "ops/sort.h"

namespace mt {
namespace {

DType stored_as(DType t) { return t == DType::Bool ? DType::UInt8 : t; }

// The order of the slices of x (n, m); x becomes its elements in that order where m is 1.
Tensor order_of(Tensor& x, int64_t n, int64_t m) {
  const Device device = x.device();
  const DType dtype = stored_as(x.dtype());
  Tensor order = empty({n}, DType::Int64, device);
  if (m == 1) {
    MT_CHECK(n < int64_t(1) << 32, "unique(): ", n, " elements are too many");
    Tensor sorted = empty({n}, x.dtype(), device);
    Tensor work = empty({sort_work_bytes(dtype, n)}, DType::UInt8, device);
    MT_DISPATCH(device, 8 * n, sort_forward, dtype, false, x.data(), sorted.data(),
                order.data<int64_t>(), 1, n, work.data());
    x = sorted;
  } else {
    Tensor work = empty({n}, DType::Int64, device);
    MT_DISPATCH(device, 8 * n * m, unique_order, dtype, x.data(), n, m, order.data<int64_t>(),
                work.data<int64_t>());
  }
  return order;
}

// The first index of every distinct slice of x (n, ...), in the order of the result; where each
// slice went; and how many there are of each. On a GPU, waits for the number of results.
std::tuple<Tensor, Tensor, Tensor> unique(const Tensor& input, bool consecutive) {
  Tensor x = contiguous(input);
  const Device device = x.device();
  const int64_t n = x.size(0);
  int64_t m = 1;
  for (int i = 1; i < x.dim(); i++) m *= x.size(i);
  const auto vector = [&](int64_t size) { return empty({size}, DType::Int64, device); };
  if (n == 0) return {vector(0), vector(0), vector(0)};
  const Tensor order = consecutive ? Tensor() : order_of(x, n, m), group = vector(n);
  const int64_t* places = order ? order.data<int64_t>() : nullptr;
  MT_DISPATCH(device, n * m, unique_groups, stored_as(x.dtype()), x.data(),
              m == 1 ? nullptr : places, n, m, group.data<int64_t>());
  const int64_t groups = 1 + *to_device(as_strided(group, {1}, {1}, n - 1), {}).data<int64_t>();
  const Tensor first = vector(groups), inverse = vector(n), counts = vector(groups);
  MT_DISPATCH(device, 2 * n, unique_fill, places, group.data<int64_t>(), n, groups,
              first.data<int64_t>(), inverse.data<int64_t>(), counts.data<int64_t>());
  return {first, inverse, counts};
}

}  // namespace

MT_BIND(unique) { def_plain<&unique>(m, "unique"); }

}  // namespace mt
