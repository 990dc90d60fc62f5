#include "ops/pool.h"

#include "ops/dispatch.h"
#include "ops/layout.h"

namespace mt {
namespace {

// Names of a family for 1, 2 and 3 dims.
using Names = const char* const[3];
constexpr Names kMaxPool = {"max_pool1d", "max_pool2d", "max_pool3d"};
constexpr Names kAvgPool = {"avg_pool1d", "avg_pool2d", "avg_pool3d"};
constexpr Names kAdaptiveAvg = {"adaptive_avg_pool1d", "adaptive_avg_pool2d",
                                "adaptive_avg_pool3d"};
constexpr Names kAdaptiveMax = {"adaptive_max_pool1d", "adaptive_max_pool2d",
                                "adaptive_max_pool3d"};

// An int or one per dim; None and () mean `fallback`.
Dims spatial(py::handle value, int nd, const Dims* fallback, const char* op, const char* argument) {
  if (fallback && (value.is_none() || (PySequence_Check(value.ptr()) && py::len(value) == 0)))
    return *fallback;
  Dims dims = FromPython<Dims>::get(value.ptr());
  if (dims.n == 1 && nd > 1) dims = Dims{dims[0], dims[0], dims[0]}, dims.n = nd;
  MT_CHECK(dims.n == nd, op, "(): ", argument, " must either be a single int, or a tuple of ", nd,
           " ints, but got ", dims);
  return dims;
}

int64_t lead_of(const Tensor& x, int nd) {
  int64_t planes = 1;
  for (int i = 0; i < x.dim() - nd; i++) planes *= x.size(i);
  return planes;
}

// The channels of images that lie channels_last in memory, and 0 of others.
int64_t last_channels(const Tensor& x, int nd) {
  const bool last = nd == 2 && x.dim() == 4 && channels_last(x);
  return last && x.size(2) * x.size(3) < INT32_MAX ? x.size(1) : 0;
}

Dims last_strides(const Dims& sizes) {
  const int64_t c = sizes[1], row = c * sizes[3];
  return {row * sizes[2], 1, row, c};
}

// Contiguous, or channels_last.
Tensor empty_in_order(const Dims& sizes, DType dtype, Device device, int64_t channels) {
  const Tensor y = empty(sizes, dtype, device);
  return channels ? as_strided(y, sizes, last_strides(sizes), 0) : y;
}
Tensor in_order(const Tensor& x, int64_t channels) {
  if (!channels) return contiguous(x);
  if (last_channels(x, 2)) return x;
  const Tensor y = empty_in_order(x.sizes(), x.dtype(), x.device(), channels);
  copy_into(y, x);
  return y;
}

PoolParams blank(const Tensor& x, int nd) {
  PoolParams p = {};
  p.planes = lead_of(x, nd);
  p.channels = last_channels(x, nd);
  for (int d = 0; d < 3; d++) p.in[d] = p.kernel[d] = p.out[d] = p.stride[d] = p.dilation[d] = 1;
  for (int i = 0; i < nd; i++) p.in[3 - nd + i] = x.size(x.dim() - nd + i);
  return p;
}

void check_input(const Tensor& x, int nd, const char* op) {
  bool filled = x.dim() == nd + 1 || x.dim() == nd + 2;
  for (int i = x.dim() == nd + 2 ? 1 : 0; i < x.dim(); i++) filled = filled && x.size(i) > 0;
  MT_CHECK(filled, op, "(): Expected ", nd + 1, "D or ", nd + 2,
           "D (batch mode) tensor with optional 0 dim batch size for input, but got: ", x.sizes());
  MT_CHECK_KIND(ErrorKind::NotImplemented, x.dtype() != DType::Bool, op,
                "(): not implemented for 'Bool'");
}

Dims result_sizes(const Tensor& x, const PoolParams& p, int nd) {
  Dims sizes = x.sizes();
  for (int i = 0; i < nd; i++) sizes[x.dim() - nd + i] = p.out[3 - nd + i];
  return sizes;
}

PoolParams window_params(const Tensor& x, py::handle kernel, py::handle stride, py::handle padding,
                         py::handle dilation, bool ceil_mode, int nd, const char* op) {
  check_input(x, nd, op);
  PoolParams p = blank(x, nd);
  const Dims k = spatial(kernel, nd, nullptr, op, "kernel_size");
  const Dims s = spatial(stride, nd, &k, op, "stride");
  const Dims a = spatial(padding, nd, nullptr, op, "padding");
  const Dims l = spatial(dilation, nd, nullptr, op, "dilation");
  for (int i = 0; i < nd; i++) {
    const int d = 3 - nd + i;
    MT_CHECK(k[i] > 0, op, "(): kernel_size should be greater than zero, but got ", k);
    MT_CHECK(s[i] > 0, op, "(): stride should be greater than zero, but got ", s);
    MT_CHECK(l[i] > 0, op, "(): dilation should be greater than zero, but got ", l);
    MT_CHECK(a[i] >= 0, op, "(): pad must be non-negative, but got pad: ", a);
    const int64_t reach = l[i] * (k[i] - 1) + 1;
    MT_CHECK(a[i] <= reach / 2, op,
             "(): pad should be at most half of effective kernel size, but got pad=", a[i],
             ", kernel_size=", k[i], " and dilation=", l[i]);
    const int64_t room = p.in[d] + 2 * a[i] - reach + (ceil_mode ? s[i] - 1 : 0);
    p.out[d] = room < 0 ? 0 : room / s[i] + 1;
    // The last window must start inside of the input or its leading padding.
    if (ceil_mode && (p.out[d] - 1) * s[i] >= p.in[d] + a[i]) p.out[d]--;
    p.kernel[d] = k[i], p.stride[d] = s[i], p.padding[d] = a[i], p.dilation[d] = l[i];
  }
  for (int d = 3 - nd; d < 3; d++)
    MT_CHECK(p.out[d] > 0, op, "(): Given input size: ", x.sizes(),
             ", calculated output size: ", Dims(p.out + 3 - nd, nd),
             ". Output size is too small (kernel_size ", k, ")");
  return p;
}

// What the kernels read: CUDA's take the 16-bit floats, too.
DType float_type(DType t, Device device) {
  return t == DType::Float64 || !device.is_cpu() ? t : DType::Float32;
}
DType max_type(DType t, Device device) {
  return is_floating(t) ? float_type(t, device) : DType::Int64;
}
DType avg_type(DType t, Device device) {
  return is_floating(t) ? float_type(t, device) : DType::Float64;
}
Tensor operand(const Tensor& x, DType compute, const PoolParams& p) {
  return in_order(to_dtype_in_layout(x, compute), p.channels);
}

void check_gradient(const Tensor& dy, const PoolParams& p, const Tensor& like, int nd,
                    const char* op) {
  MT_CHECK(dy.sizes() == result_sizes(like, p, nd), op, "(): gradient of shape ", dy.sizes(),
           " does not fit input ", like.sizes());
}

std::tuple<Tensor, Tensor> max_pool(const Tensor& x, py::handle kernel, py::handle stride,
                                    py::handle padding, py::handle dilation, bool ceil_mode,
                                    bool return_indices, int nd) {
  const PoolParams p =
      window_params(x, kernel, stride, padding, dilation, ceil_mode, nd, kMaxPool[nd - 1]);
  const PoolIndex kind = return_indices                              ? PoolIndex::place
                         : !(x.requires_grad() && grad_mode.enabled) ? PoolIndex::none
                         : p.taps() <= kNoTap                        ? PoolIndex::tap
                                                                     : PoolIndex::place;
  const DType t = max_type(x.dtype(), x.device());
  const Tensor xc = operand(x, t, p);
  const Dims sizes = result_sizes(x, p, nd);
  Tensor y = empty_in_order(sizes, t, x.device(), p.channels), index;
  if (kind != PoolIndex::none)
    index = empty_in_order(sizes, kind == PoolIndex::tap ? DType::UInt8 : DType::Int64, x.device(),
                           p.channels);
  if (y.numel())
    MT_DISPATCH(x.device(), x.numel(), max_pool_forward, t, p, xc.data(), y.data(), kind,
                index ? index.data() : nullptr);
  return {to_dtype_in_layout(y, x.dtype()), index};
}

// `like` has the input's sizes.
Tensor max_pool_backward(const Tensor& dy, const Tensor& index, const Tensor& like,
                         py::handle kernel, py::handle stride, py::handle padding,
                         py::handle dilation, bool ceil_mode, int nd) {
  const char* op = kMaxPool[nd - 1];
  const PoolParams p = window_params(like, kernel, stride, padding, dilation, ceil_mode, nd, op);
  check_gradient(dy, p, like, nd, op);
  const DType t = avg_type(dy.dtype(), dy.device());
  const Tensor g = operand(dy, t, p), at = in_order(index, p.channels);
  Tensor dx = empty_in_order(like.sizes(), t, dy.device(), p.channels);
  if (dx.numel())
    MT_DISPATCH(dy.device(), dx.numel(), max_pool_backward, t, p, g.data(),
                at.dtype() == DType::UInt8 ? PoolIndex::tap : PoolIndex::place, at.data(),
                dx.data());
  return to_dtype_in_layout(dx, dy.dtype());
}

// The remembered index as places in the plane, int64.
Tensor max_pool_indices(const Tensor& index, const Tensor& like, py::handle kernel,
                        py::handle stride, py::handle padding, py::handle dilation, bool ceil_mode,
                        int nd) {
  if (index.dtype() == DType::Int64) return index;
  const PoolParams p =
      window_params(like, kernel, stride, padding, dilation, ceil_mode, nd, kMaxPool[nd - 1]);
  const Tensor taps = contiguous(index);
  Tensor places = empty(index.sizes(), DType::Int64, index.device());
  if (places.numel())
    MT_DISPATCH(index.device(), index.numel(), max_pool_places, p, taps.data<uint8_t>(),
                places.data<int64_t>());
  return places;
}

PoolParams avg_params(const Tensor& x, py::handle kernel, py::handle stride, py::handle padding,
                      bool ceil_mode, bool count_padding, py::handle divisor, int nd) {
  const char* op = kAvgPool[nd - 1];
  PoolParams p = window_params(x, kernel, stride, padding, py::int_(1), ceil_mode, nd, op);
  p.count_padding = count_padding;
  if (!divisor.is_none()) {
    p.divisor = int_from_python(divisor.ptr());
    MT_CHECK(p.divisor != 0, op, "(): divisor_override must not be zero");
  }
  return p;
}

Tensor avg_pool(const Tensor& x, py::handle kernel, py::handle stride, py::handle padding,
                bool ceil_mode, bool count_padding, py::handle divisor, int nd) {
  const PoolParams p =
      avg_params(x, kernel, stride, padding, ceil_mode, count_padding, divisor, nd);
  const DType t = avg_type(x.dtype(), x.device());
  const Tensor xc = operand(x, t, p);
  Tensor y = empty_in_order(result_sizes(x, p, nd), t, x.device(), p.channels);
  if (y.numel()) MT_DISPATCH(x.device(), x.numel(), avg_pool_forward, t, p, xc.data(), y.data());
  return to_dtype_in_layout(y, x.dtype());
}

Tensor avg_pool_backward(const Tensor& dy, const Dims& sizes, py::handle kernel, py::handle stride,
                         py::handle padding, bool ceil_mode, bool count_padding, py::handle divisor,
                         int nd) {
  const DType t = avg_type(dy.dtype(), dy.device());
  Tensor dx = empty_in_order(sizes, t, dy.device(), last_channels(dy, nd));
  const PoolParams p =
      avg_params(dx, kernel, stride, padding, ceil_mode, count_padding, divisor, nd);
  check_gradient(dy, p, dx, nd, kAvgPool[nd - 1]);
  const Tensor g = operand(dy, t, p);
  if (dx.numel())
    MT_DISPATCH(dy.device(), dx.numel(), avg_pool_backward, t, p, g.data(), dx.data());
  return to_dtype_in_layout(dx, dy.dtype());
}

// An int or one per dim; None keeps the input's size.
PoolParams adaptive_params(const Tensor& x, py::handle output, int nd, const char* op) {
  check_input(x, nd, op);
  PoolParams p = blank(x, nd);
  const bool sequence = PySequence_Check(output.ptr());
  MT_CHECK(!sequence || int(py::len(output)) == nd || py::len(output) == 1, op,
           "(): expected output_size of ", nd, " ints");
  for (int i = 0; i < nd; i++) {
    const int d = 3 - nd + i;
    py::object item = !sequence ? py::reinterpret_borrow<py::object>(output)
                                : py::object(output[py::int_(py::len(output) == 1 ? 0 : i)]);
    p.out[d] = item.is_none() ? p.in[d] : int_from_python(item.ptr());
    MT_CHECK(p.out[d] >= 0, op,
             "(): elements of output_size must be greater than or equal to 0, but got ", p.out[d]);
  }
  return p;
}

// Windows side by side are those of a plain average.
bool as_plain_windows(PoolParams& p) {
  if (p.out_size() <= 1) return false;
  for (int d = 0; d < 3; d++)
    if (p.in[d] % p.out[d] != 0) return false;
  for (int d = 0; d < 3; d++) p.kernel[d] = p.stride[d] = p.in[d] / p.out[d];
  return true;
}

Tensor adaptive_avg_pool(const Tensor& x, py::handle output, int nd) {
  PoolParams p = adaptive_params(x, output, nd, kAdaptiveAvg[nd - 1]);
  const DType t = avg_type(x.dtype(), x.device());
  const Tensor xc = operand(x, t, p);
  Tensor y = empty_in_order(result_sizes(x, p, nd), t, x.device(), p.channels);
  if (!y.numel()) return to_dtype_in_layout(y, x.dtype());
  if (as_plain_windows(p)) {
    MT_DISPATCH(x.device(), x.numel(), avg_pool_forward, t, p, xc.data(), y.data());
  } else {
    MT_DISPATCH(x.device(), x.numel(), adaptive_avg_pool_forward, t, p, xc.data(), y.data());
  }
  return to_dtype_in_layout(y, x.dtype());
}

// `last`: the input was channels_last, which a dy of one element per plane does not say.
Tensor adaptive_avg_pool_backward(const Tensor& dy, const Dims& sizes, bool last, py::handle output,
                                  int nd) {
  const char* op = kAdaptiveAvg[nd - 1];
  const DType t = avg_type(dy.dtype(), dy.device());
  Tensor dx = empty_in_order(sizes, t, dy.device(), last && nd == 2 && sizes.n == 4 ? sizes[1] : 0);
  PoolParams p = adaptive_params(dx, output, nd, op);
  check_gradient(dy, p, dx, nd, op);
  const Tensor g = operand(dy, t, p);
  if (!dy.numel()) {
    if (dx.numel()) copy_into(dx, scalar_tensor(Scalar::of(int64_t(0)), t, dx.device()));
  } else if (as_plain_windows(p)) {
    MT_DISPATCH(dy.device(), dx.numel(), avg_pool_backward, t, p, g.data(), dx.data());
  } else {
    MT_DISPATCH(dy.device(), dx.numel(), adaptive_avg_pool_backward, t, p, g.data(), dx.data());
  }
  return to_dtype_in_layout(dx, dy.dtype());
}

std::tuple<Tensor, Tensor> adaptive_max_pool(const Tensor& x, py::handle output, int nd) {
  const PoolParams p = adaptive_params(x, output, nd, kAdaptiveMax[nd - 1]);
  const DType t = avg_type(x.dtype(), x.device());
  const Tensor xc = operand(x, t, p);
  const Dims sizes = result_sizes(x, p, nd);
  Tensor y = empty_in_order(sizes, t, x.device(), p.channels);
  Tensor index = empty_in_order(sizes, DType::Int64, x.device(), p.channels);
  if (y.numel())
    MT_DISPATCH(x.device(), x.numel(), adaptive_max_pool_forward, t, p, xc.data(), y.data(),
                index.data<int64_t>());
  return {to_dtype_in_layout(y, x.dtype()), index};
}

// dx of an input of the given sizes from places in its planes: any kind of maximum.
Tensor max_places_backward(const Tensor& dy, const Tensor& index, const Dims& sizes, int nd) {
  const DType t = avg_type(dy.dtype(), dy.device());
  Tensor dx = empty_in_order(sizes, t, dy.device(), last_channels(index, nd));
  PoolParams p = blank(dx, nd);
  const Tensor g = operand(dy, t, p), at = in_order(index, p.channels);
  for (int i = 0; i < nd; i++) p.out[3 - nd + i] = dy.size(dy.dim() - nd + i);
  if (dx.numel())
    MT_DISPATCH(dy.device(), dx.numel(), max_pool_backward, t, p, g.data(), PoolIndex::place,
                at.data(), dx.data());
  return to_dtype_in_layout(dx, dy.dtype());
}

}  // namespace

MT_BIND(pool) {
  def_op<&max_pool>(m, "max_pool");
  def_raw<&max_pool_backward>(m, "max_pool_backward");
  def_plain<&max_pool_indices>(m, "max_pool_indices");
  def_op<&avg_pool>(m, "avg_pool");
  def_op<&avg_pool_backward>(m, "avg_pool_backward");
  def_op<&adaptive_avg_pool>(m, "adaptive_avg_pool");
  def_op<&adaptive_avg_pool_backward>(m, "adaptive_avg_pool_backward");
  def_op<&adaptive_max_pool>(m, "adaptive_max_pool");
  def_raw<&max_places_backward>(m, "max_places_backward");
}

}  // namespace mt
