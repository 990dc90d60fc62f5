// Repetition of whole tensors and of single slices.
#include "ops/repeat.h"

#include "ops/extremum.h"
#include "ops/reduce_dims.h"
#include "ops/scan.h"

namespace mt {
namespace {

Tensor repeat(const Tensor& x, const Dims& times) {
  int lead = times.n - x.dim();
  MT_CHECK(lead >= 0, "repeat(): Number of dimensions of repeat dims (", times.n,
           ") can not be smaller than number of dimensions of tensor (", x.dim(), ")");
  Dims sizes;
  for (int i = 0; i < times.n; i++) {
    MT_CHECK(times[i] >= 0, "repeat(): trying to create tensor with negative dimension: ", times);
    sizes.push(times[i] * (i < lead ? 1 : x.size(i - lead)));
  }
  Tensor y = empty(sizes, x.dtype(), x.device());
  if (y.numel() == 0) return y;
  // One pass: (times, size) per dim on both sides, without the dims that say nothing.
  Dims shape, to, from;
  for (int i = 0; i < times.n; i++) {
    int64_t n = i < lead ? 1 : x.size(i - lead);
    if (times[i] > 1) {
      shape.push(times[i]);
      to.push(y.stride(i) * n);
      from.push(0);
    }
    if (n > 1) {
      shape.push(n);
      to.push(y.stride(i));
      from.push(x.stride(i - lead));
    }
  }
  copy_into(as_strided(y, shape, to, 0), as_strided(x, shape, from, x->offset));
  return y;
}

// repeats[0] times 0, repeats[1] times 1 ...; `total` is the sum where the caller knows it, or -1.
Tensor places_of(const Tensor& repeats, int64_t total) {
  MT_CHECK(repeats.dim() == 1,
           "repeat_interleave(): repeats must be 0-dim or 1-dim tensor, got shape ",
           repeats.sizes());
  MT_CHECK(is_integral(repeats.dtype()),
           "repeat_interleave(): repeats has to be of an integer dtype, got ", repeats.dtype());
  const Tensor times = contiguous(to_dtype(repeats, DType::Int64));
  const Device device = times.device();
  const int64_t n = times.numel();
  if (n == 0) {
    MT_CHECK(total <= 0, "repeat_interleave(): output_size ", total,
             " is not the sum of repeats, 0");
    return empty({0}, DType::Int64, device);
  }
  // Where each begins, the sum, and the smallest of them.
  const Tensor starts = empty({n + 2}, DType::Int64, device);
  copy_into(as_strided(starts, {1}, {1}, 0),
            scalar_tensor(Scalar::of(int64_t(0)), DType::Int64, {}));
  MT_DISPATCH(device, n, scan, ScanOp::sum, false, DType::Int64, times.data(),
              starts.data<int64_t>() + 1, 1, n, 1);
  int64_t sum = total;
  // Who says what the sum is spares a GPU the wait for it, and the check with it.
  if (device.is_cpu() || total < 0) {
    const Reduction r = plan_reduction(times, 1, as_strided(starts, {}, {}, n + 1));
    MT_DISPATCH(device, n, extremum, false, DType::Int64, r.kept, r.reduced);
    const Tensor last = to_device(as_strided(starts, {2}, {1}, n), {});
    const int64_t least = last.data<int64_t>()[1];
    sum = last.data<int64_t>()[0];
    MT_CHECK(least >= 0, "repeat_interleave(): repeats can not be negative, got ", least);
    MT_CHECK(total < 0 || total == sum, "repeat_interleave(): output_size ", total,
             " is not the sum of repeats, ", sum);
  }
  Tensor y = empty({sum}, DType::Int64, device);
  MT_DISPATCH(device, sum, repeat_places, starts.data<int64_t>(), n, sum, y.data<int64_t>());
  return y;
}

}  // namespace

MT_BIND(repeat) {
  def_op<&repeat>(m, "repeat");
  def_plain<&places_of>(m, "repeat_places");
}

}  // namespace mt
