#include "ops/search.h"

#include <cmath>

#include "ops/extremum.h"
#include "ops/reduce_dims.h"

namespace mt {
namespace {

DType stored_as(DType t) { return t == DType::Bool ? DType::UInt8 : t; }

Tensor zeros(const Dims& shape, DType dtype, Device device) {
  Tensor y = empty(shape, dtype, device);
  copy_into(y, scalar_tensor(Scalar::of(int64_t(0)), dtype, {}));
  return y;
}

// The smallest and the largest element (NaN where there is one) on the host. Waits for a GPU.
Tensor range_of(const Tensor& x) {
  Tensor both = empty({2}, x.dtype(), x.device());
  for (int largest : {0, 1}) {
    const Reduction r =
        plan_reduction(x, (1u << x.dim()) - 1, as_strided(both, {}, {}, int64_t(largest)));
    MT_DISPATCH(x.device(), x.numel(), extremum, largest == 1, x.dtype(), r.kept, r.reduced);
  }
  return to_device(both, {});
}

Tensor search(const Tensor& boundaries, const Tensor& values, bool right, bool out_int32,
              const std::optional<Tensor>& sorter) {
  MT_CHECK(boundaries.dim() > 0,
           "searchsorted(): boundaries tensor should have positive dimension");
  bool shared = boundaries.dim() == 1;
  if (!shared) {
    bool fits = boundaries.dim() == values.dim();
    for (int i = 0; fits && i + 1 < values.dim(); i++) fits = boundaries.size(i) == values.size(i);
    MT_CHECK(
        fits,
        "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of "
        "boundaries tensor and input value tensor must match, but we got boundaries tensor ",
        boundaries.sizes(), " and input value tensor ", values.sizes());
  }
  MT_CHECK(boundaries.dtype() == values.dtype(),
           "searchsorted(): boundary tensor and input value tensor "
           "should have same dtype, but got boundary tensor's dtype ",
           scalar_type_name(boundaries.dtype()), " and input value tensor's dtype ",
           scalar_type_name(values.dtype()));
  Tensor order;
  if (sorter) {
    MT_CHECK(sorter->sizes() == boundaries.sizes(),
             "searchsorted(): boundary and sorter must have the same "
             "size, but got boundary tensor ",
             boundaries.sizes(), " and got sorter tensor ", sorter->sizes());
    MT_CHECK(sorter->dtype() == DType::Int64,
             "searchsorted(): sorter must be a tensor of long dtype but "
             "got dtype ",
             scalar_type_name(sorter->dtype()));
    order = contiguous(*sorter);
    const int64_t n = boundaries.size(-1);
    if (order.numel() > 0) {
      const Tensor range = range_of(order);
      MT_CHECK(range.data<int64_t>()[0] >= 0 && range.data<int64_t>()[1] < n,
               "searchsorted(): sorter index out of range");
    }
  }
  Tensor b = contiguous(boundaries), x = contiguous(values);
  Tensor y = empty(x.sizes(), DType::Int64, x.device());
  int64_t m = x.dim() ? x.size(-1) : 1, rows = m ? x.numel() / m : 0;
  if (shared) rows = 1, m = x.numel();
  if (x.numel() > 0)
    MT_DISPATCH(x.device(), 16 * x.numel(), searchsorted, stored_as(x.dtype()), b.data(),
                order ? order.data<int64_t>() : nullptr, x.data(), y.data<int64_t>(), rows,
                b.size(-1), m, shared, right);
  return out_int32 ? to_dtype(y, DType::Int32) : y;
}

Tensor bin_count(const Tensor& input, const std::optional<Tensor>& weights, int64_t minlength) {
  MT_CHECK(!is_floating(input.dtype()) && input.dtype() != DType::Bool,
           "bincount(): only supports integers, got ", input.dtype());
  MT_CHECK(minlength >= 0, "bincount(): minlength should be >= 0");
  if (input.dim() == 1 && input.numel() == 0)
    return zeros({minlength}, DType::Int64, input.device());
  MT_CHECK(input.dim() == 1,
           "bincount(): only supports 1-d non-negative integral inputs, got shape ", input.sizes());
  Tensor x = contiguous(to_dtype(input, DType::Int64));
  const int64_t* p = x.data<int64_t>();
  const Tensor range = range_of(x);
  const int64_t low = range.data<int64_t>()[0], high = range.data<int64_t>()[1];
  MT_CHECK(low >= 0, "bincount(): only supports 1-d non-negative integral inputs, got ", low);
  int64_t bins = std::max(high + 1, minlength);
  Tensor w;
  if (weights) {
    MT_CHECK(weights->dim() == 1 && weights->numel() == x.numel(),
             "bincount(): weights should be 1-d and have the same length as input, got shape ",
             weights->sizes());
    w = contiguous(to_dtype(*weights, DType::Float64));
  }
  Tensor counts = zeros({bins}, w ? DType::Float64 : DType::Int64, x.device());
  MT_DISPATCH(x.device(), x.numel(), bincount, p, w ? w.data<double>() : nullptr, counts.data(),
              x.numel(), bins);
  return w && weights->dtype() == DType::Float32 ? to_dtype(counts, DType::Float32) : counts;
}

// low == high: the range of the elements.
Tensor histogram(const Tensor& input, int64_t bins, double low, double high) {
  MT_CHECK(is_floating(input.dtype()), "histc(): expected a floating point dtype, got ",
           input.dtype());
  MT_CHECK(bins > 0, "histc(): bins must be > 0, but got ", bins);
  DType dtype = itemsize(input.dtype()) == 2 ? DType::Float32 : input.dtype();
  Tensor x = contiguous(to_dtype(input, dtype));
  if (low == high && x.numel() > 0) {
    const Tensor range = to_dtype(range_of(x), DType::Float64);
    low = range.data<double>()[0];
    high = range.data<double>()[1];
  }
  MT_CHECK(std::isfinite(low) && std::isfinite(high), "histc(): range of [", low, ", ", high,
           "] is not finite");
  MT_CHECK(low <= high, "histc(): max must be larger than min, got ", low, " and ", high);
  if (low == high) low -= 1, high += 1;
  Tensor counts = zeros({bins}, DType::Int64, x.device());
  MT_DISPATCH(x.device(), x.numel(), histc, dtype, x.data(), counts.data<int64_t>(), x.numel(),
              bins, low, high);
  return to_dtype(counts, input.dtype());
}

}  // namespace

MT_BIND(search) {
  def_plain<&search>(m, "searchsorted");
  def_plain<&bin_count>(m, "bincount");
  def_plain<&histogram>(m, "histc");
}

}  // namespace mt
