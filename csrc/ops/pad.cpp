#include "ops/pad.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

struct Plan : PadPlan {
  Dims sizes;  // of y
  std::vector<int64_t> places[kMaxPadDims];
};

PadMode mode_of(const std::string& name) {
  return name == "reflect"     ? PadMode::reflect
         : name == "replicate" ? PadMode::replicate
         : name == "circular"  ? PadMode::circular
                               : PadMode::constant;
}

void check_dim(const std::string& mode, int64_t before, int64_t after, int64_t n, const Tensor& x,
               int d) {
  MT_CHECK(before + after + n >= 0, "pad(): the input size ", n, ", plus negative padding ", before,
           " and ", after, " resulted in a negative output size, for dimension ", d, " of shape ",
           x.sizes());
  if (mode == "reflect")
    MT_CHECK(before < n && after < n,
             "pad(): Padding size should be less than the corresponding input ",
             "dimension, but got: padding (", before, ", ", after, ") at dimension ", d,
             " of input ", x.sizes());
  if (mode == "circular")
    MT_CHECK(before <= n + std::min<int64_t>(after, 0) && after <= n + std::min<int64_t>(before, 0),
             "pad(): Padding value causes wrapping around more than once: (", before, ", ", after,
             ") at dimension ", d, " of input ", x.sizes());
  if (mode == "replicate")
    MT_CHECK(n > 0 || (before <= 0 && after <= 0), "pad(): cannot replicate an empty dimension ", d,
             " of input ", x.sizes());
}

// `pad` holds (before, after) of the last dim, then of the one before it ...
void make_plan(const Tensor& x, const std::vector<int64_t>& pad, const std::string& mode, Plan& p) {
  MT_CHECK(pad.size() % 2 == 0, "pad(): Padding length must be divisible by 2, got ", pad.size());
  MT_CHECK(pad.size() <= 2 * size_t(x.dim()),
           "pad(): Padding length should be less than or equal to two ",
           "times the input dimension but got padding length ", pad.size(),
           " and input of dimension ", x.dim());
  int padded = int(pad.size() / 2), outer = x.dim() - padded;
  p.sizes = x.sizes();
  int64_t lead = 1;
  for (int d = 0; d < outer; d++) lead *= x.size(d);
  p.mode = mode_of(mode);
  p.dim[0] = {lead, lead, 0, 0, lead};
  p.map[0] = nullptr;
  p.ndim = 1;
  for (int d = outer; d < x.dim(); d++) {
    int64_t before = pad[size_t(2 * (x.dim() - 1 - d))],
            after = pad[size_t(2 * (x.dim() - 1 - d) + 1)];
    int64_t n = x.size(d), size = n + before + after;
    check_dim(mode, before, after, n, x, d);
    p.sizes[d] = size;
    int k = p.ndim++;
    p.dim[k] = {n, size, before, std::max<int64_t>(-before, 0), n + std::min<int64_t>(after, 0)};
    p.map[k] = nullptr;
    p.first = std::min(std::max<int64_t>(before, 0), size);
    p.last = std::max(std::min(before + n, size), p.first);
    if ((before == 0 && after == 0) || !x.device().is_cpu()) continue;
    p.places[k].resize(size_t(size));
    for (int64_t i = 0; i < size; i++) p.places[k][size_t(i)] = pad_place(p.mode, p.dim[k], i);
    p.map[k] = p.places[k].data();
  }
}

Tensor pad(const Tensor& given, const std::vector<int64_t>& pad, const std::string& mode,
           const Scalar& value) {
  Plan p;
  make_plan(given, pad, mode, p);
  Tensor y = empty(p.sizes, given.dtype(), given.device());
  if (y.numel() == 0) return y;
  Tensor x = contiguous(given), v = scalar_tensor(value, x.dtype(), {});
  MT_DISPATCH(x.device(), y.numel(), pad_forward, int64_t(itemsize(x.dtype())), x.data(), y.data(),
              p, v.data());
  return y;
}

// The gradient of pad, for an input of shape `sizes`.
Tensor pad_grad(const Tensor& given, const Dims& sizes, const std::vector<int64_t>& pad,
                const std::string& mode) {
  DType dtype = given.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  Tensor dy = contiguous(to_dtype(given, dtype));
  Tensor dx = empty(sizes, dtype, dy.device());
  copy_into(dx, scalar_tensor(Scalar::of(int64_t(0)), dtype, dy.device()));
  Plan p;
  make_plan(dx, pad, mode, p);
  if (dy.numel() && dx.numel())
    MT_DISPATCH(dy.device(), dy.numel(), pad_backward, dtype, dy.data(), dx.data(), p);
  return to_dtype(dx, given.dtype());
}

}  // namespace

MT_BIND(pad) {
  def_op<&pad>(m, "pad");
  def_op<&pad_grad>(m, "pad_grad");
}

}  // namespace mt
