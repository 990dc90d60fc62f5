#include "ops/conv.h"

#include <atomic>

#include "ops/conv_layout.h"

namespace mt {
namespace {

const char* op_name(int nd, bool transposed) {
  static const char* names[2][3] = {{"conv1d", "conv2d", "conv3d"},
                                    {"conv_transpose1d", "conv_transpose2d", "conv_transpose3d"}};
  return names[transposed][nd - 1];
}

// An int for all spatial dims, or one per dim.
Dims spatial(py::handle value, int nd, const char* op, const char* argument) {
  Dims dims = FromPython<Dims>::get(value.ptr());
  if (dims.n == 1 && nd > 1) dims = Dims{dims[0], dims[0], dims[0]}, dims.n = nd;
  MT_CHECK(dims.n == nd, op, "(): expected ", argument, " to be an int or ", nd, " ints, but got ",
           dims);
  return dims;
}

// Geometry of a convolution from the arguments of a call. `in` and `out` are set by the callers.
ConvParams geometry(const Tensor& w, py::handle stride, py::handle padding, py::handle dilation,
                    int64_t groups, int nd, const char* op) {
  MT_CHECK(w.dim() == nd + 2, op, "(): expected weight to have ", nd + 2,
           " dimensions, but got weight of size ", w.sizes());
  MT_CHECK(groups > 0, op, "(): expected groups to be positive, but got ", groups);
  ConvParams p;
  p.groups = groups;
  p.o = w.size(0);
  p.c = w.size(1) * groups;
  MT_CHECK(p.o >= groups, "Given groups=", groups, ", expected weight to be at least ", groups,
           " at dimension 0, but got weight of size ", w.sizes(), " instead");
  MT_CHECK(p.o % groups == 0, "Given groups=", groups, ", expected weight to be divisible by ",
           groups, " at dimension 0, but got weight of size ", w.sizes(), " instead");
  for (int d = 0; d < 3; d++)
    p.in[d] = p.out[d] = p.kernel[d] = p.stride[d] = p.dilation[d] = 1, p.padding[d] = 0;
  const Dims s = spatial(stride, nd, op, "stride"), l = spatial(dilation, nd, op, "dilation");
  const bool named = PyUnicode_Check(padding.ptr());
  Dims before;
  bool same = false;
  if (named) {
    const std::string name = PyUnicode_AsUTF8(padding.ptr());
    MT_CHECK(name == "same" || name == "valid", op, "(): Invalid padding string: '", name,
             "', expected 'same' or 'valid'");
    same = name == "same";
    for (int i = 0; i < nd; i++) before.push(same ? l[i] * (w.size(2 + i) - 1) / 2 : 0);
  } else {
    before = spatial(padding, nd, op, "padding");
  }
  for (int i = 0; i < nd; i++) {
    const int d = 3 - nd + i;
    p.kernel[d] = w.size(2 + i);
    p.stride[d] = s[i], p.padding[d] = before[i], p.dilation[d] = l[i];
    MT_CHECK(p.kernel[d] > 0 && p.c > 0, op, "(): weight of size ", w.sizes(), " has no elements");
    MT_CHECK(s[i] > 0, op, "(): non-positive stride is not supported, got ", s);
    MT_CHECK(before[i] >= 0, op, "(): negative padding is not supported, got ", before);
    MT_CHECK(l[i] > 0, op, "(): dilation should be greater than zero, got ", l);
    MT_CHECK(!same || s[i] == 1, op,
             "(): padding='same' is not supported for strided convolutions");
  }
  return p;
}

// Sizes of a tensor with leading batch and channels; an unbatched one is a batch of 1.
void set_sizes(int64_t* sizes, const Dims& shape, int nd) {
  for (int i = 0; i < nd; i++) sizes[3 - nd + i] = shape[shape.n - nd + i];
}
Dims result_sizes(const Dims& like, int64_t channels, const int64_t* sizes, int nd) {
  Dims r;
  if (like.n == nd + 2) r.push(like[0]);
  r.push(channels);
  for (int i = 0; i < nd; i++) r.push(sizes[3 - nd + i]);
  return r;
}
int64_t batch_of(const Dims& shape, int nd) { return shape.n == nd + 2 ? shape[0] : 1; }

void check_input(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias, int nd,
                 int64_t channels, int64_t features, int64_t groups, const char* op,
                 bool transposed) {
  MT_CHECK(x.dim() == nd + 1 || x.dim() == nd + 2, "Expected ", nd + 1, "D (unbatched) or ", nd + 2,
           "D (batched) input to ", op, ", but got input of size: ", x.sizes());
  const int64_t got = x.size(x.dim() - nd - 1);
  MT_CHECK(got == channels, "Given ", transposed ? "transposed=1, " : "", "groups=", groups,
           ", weight of size ", w.sizes(), ", expected input", x.sizes(), " to have ", channels,
           " channels, but got ", got, " channels instead");
  MT_CHECK(!bias || (bias->dim() == 1 && bias->size(0) == features), "Given weight of size ",
           w.sizes(), ", expected bias to be 1-dimensional with ", features,
           " elements, but got bias of size ", bias ? bias->sizes() : Dims{}, " instead");
  MT_CHECK(x.dtype() == w.dtype(), op, "(): Input type (", x.dtype(), ") and weight type (",
           w.dtype(), ") should be the same");
  MT_CHECK(!bias || bias->dtype() == x.dtype(), op, "(): Input type (", x.dtype(),
           ") and bias type (", bias ? bias->dtype() : x.dtype(), ") should be the same");
  MT_CHECK_KIND(ErrorKind::NotImplemented, x.dtype() != DType::Bool, op,
                "(): not implemented for 'Bool'");
}

// 16-bit floats are computed in float32 on a CPU, integers in float64.
DType compute_type(DType t, Device device) {
  if (!is_floating(t) || t == DType::Float64) return DType::Float64;
  return device.is_cpu() ? DType::Float32 : t;
}
std::atomic<bool> tf32_allowed{true};
bool allow_tf32() { return tf32_allowed.load(std::memory_order_relaxed); }
void set_allow_tf32(bool allow) { tf32_allowed = allow; }

// For tests: the kernel of all convolutions on tensor cores; see ConvPath.
std::atomic<int> tensor_core_path{0};
void set_path(int64_t path) { tensor_core_path = int(path); }

// How a GPU computes it: `x` is an input whose layout the result follows.
void choose_layout(ConvParams& p, const Tensor& x, int nd) {
  p.tf32 = allow_tf32();
  p.path = ConvPath(tensor_core_path.load(std::memory_order_relaxed));
  const bool batched = x.dim() == nd + 2 && is_floating(x.dtype());
  p.last = p.dy_last =
      !x.device().is_cpu() && batched && channels_last(x) && conv_takes_last(x.dtype(), p);
}

// Number of multiplications, for the decision to release the GIL.
int64_t work_of(const ConvParams& p) {
  return p.batch * p.o * p.out_size() * (p.c / p.groups) * p.taps();
}

Tensor run_forward(const ConvParams& p, const Dims& sizes, const Tensor& x, const Tensor& w,
                   const std::optional<Tensor>& bias) {
  const DType t = compute_type(x.dtype(), x.device());
  const Tensor xc = images(x, t, p.last), wc = contiguous(to_dtype(w, t));
  const Tensor bc = bias ? contiguous(to_dtype(*bias, t)) : Tensor();
  Tensor y = empty_images(sizes, t, x.device(), p.last);
  if (y.numel())
    MT_DISPATCH(x.device(), work_of(p), conv_forward, t, p, xc.data(), wc.data(),
                bias ? bc.data() : nullptr, y.data());
  return finished(y, x.dtype(), p.last);
}

Tensor run_backward_input(const ConvParams& p, const Dims& sizes, const Tensor& dy, const Tensor& w,
                          const std::optional<Tensor>& bias) {
  const DType t = compute_type(w.dtype(), w.device());
  const Tensor gc = images(dy, t, p.dy_last), wc = contiguous(to_dtype(w, t));
  const Tensor bc = bias ? contiguous(to_dtype(*bias, t)) : Tensor();
  Tensor dx = empty_images(sizes, t, w.device(), p.last);
  if (dx.numel())
    MT_DISPATCH(w.device(), work_of(p), conv_backward_input, t, p, gc.data(), wc.data(),
                bias ? bc.data() : nullptr, dx.data());
  return finished(dx, w.dtype(), p.last);
}

Tensor run_backward_weight(const ConvParams& p, const Dims& sizes, const Tensor& dy,
                           const Tensor& x) {
  const DType t = compute_type(x.dtype(), x.device());
  const Tensor gc = images(dy, t, p.dy_last), xc = images(x, t, p.last);
  Tensor dw = empty(sizes, t, x.device());
  if (!gc.numel()) {
    copy_into(dw, scalar_tensor(Scalar::of(int64_t(0)), t, dw.device()));
  } else {
    MT_DISPATCH(x.device(), work_of(p), conv_backward_weight, t, p, gc.data(), xc.data(),
                dw.data());
  }
  return to_dtype(dw, x.dtype());
}

// --- on a CPU: depthwise convolutions of channels_last batches, whose results are as well

bool last_form(const ConvParams& p, const Tensor& x) {
  return x.device().is_cpu() && x.dim() == 4 && is_floating(x.dtype()) && p.o == p.c &&
         channels_last(x) && depthwise_size(p);
}
Tensor run_last_forward(const ConvParams& p, const Tensor& x, const Tensor& w,
                        const std::optional<Tensor>& bias) {
  const DType t = compute_type(x.dtype(), x.device());
  const Tensor xc = moved_last(x, t), wc = contiguous(to_dtype(w, t)),
               bc = bias ? contiguous(to_dtype(*bias, t)) : Tensor();
  Tensor y = empty({p.batch, p.out[1], p.out[2], p.o}, t, x.device());
  if (y.numel())
    MT_DISPATCH_CPU(x.device(), work_of(p), conv_last_forward, t, p, xc.data(), wc.data(),
                    bias ? bc.data() : nullptr, y.data());
  return moved_back(y, x.dtype());
}

using Gradients = std::tuple<Tensor, Tensor, Tensor>;

Gradients run_last_backward(const ConvParams& p, const Tensor& dy, const Tensor& x, const Tensor& w,
                            bool need_x, bool need_w, bool need_bias) {
  const DType t = compute_type(x.dtype(), x.device());
  const Tensor g = moved_last(dy, t);
  Tensor dx, dw, db;
  if (need_x) {
    const Tensor wc = contiguous(to_dtype(w, t));
    dx = empty({p.batch, p.in[1], p.in[2], p.c}, t, x.device());
    MT_DISPATCH_CPU(x.device(), work_of(p), conv_last_backward_input, t, p, g.data(), wc.data(),
                    dx.data());
    dx = moved_back(dx, x.dtype());
  }
  if (need_w) {
    const Tensor xc = moved_last(x, t);
    dw = empty(w.sizes(), t, x.device());
    MT_DISPATCH_CPU(x.device(), work_of(p), conv_last_backward_weight, t, p, g.data(), xc.data(),
                    dw.data());
    dw = to_dtype(dw, w.dtype());
  }
  if (need_bias) {
    db = empty({p.c}, t, x.device());
    MT_DISPATCH_CPU(x.device(), g.numel(), conv_last_backward_bias, t, g.data(), g.numel() / p.c,
                    p.c, db.data());
    db = to_dtype(db, w.dtype());
  }
  return {dx, dw, db};
}

// dy [b, c, ...] contiguous or (last) with its channels innermost.
Tensor run_backward_bias(const Tensor& dy, int nd, DType result, bool last) {
  const DType t = compute_type(result, dy.device());
  const Tensor gc = images(dy, t, last);
  const int64_t c = dy.size(dy.dim() - nd - 1), n = c ? dy.numel() / c : 0;
  const int64_t batch = last ? n : batch_of(dy.sizes(), nd);
  Tensor db = empty({c}, t, dy.device());
  if (c)
    MT_DISPATCH(dy.device(), dy.numel(), conv_backward_bias, t, gc.data(), batch, c,
                n / (batch ? batch : 1), db.data());
  return to_dtype(db, result);
}

Tensor conv(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias, py::handle stride,
            py::handle padding, py::handle dilation, int64_t groups, int nd) {
  const char* op = op_name(nd, false);
  ConvParams p = geometry(w, stride, padding, dilation, groups, nd, op);
  check_input(x, w, bias, nd, p.c, p.o, groups, op, false);
  p.batch = batch_of(x.sizes(), nd);
  set_sizes(p.in, x.sizes(), nd);
  const bool same = PyUnicode_Check(padding.ptr()) && PyUnicode_AsUTF8(padding.ptr())[0] == 's';
  for (int d = 3 - nd; d < 3; d++) {
    const int64_t reach = p.dilation[d] * (p.kernel[d] - 1) + 1;
    const int64_t padded = same ? p.in[d] + reach - 1 : p.in[d] + 2 * p.padding[d];
    if (MT_UNLIKELY(padded < reach)) {
      Dims sizes, kernel;
      for (int i = 3 - nd; i < 3; i++) {
        sizes.push(p.in[i] + 2 * p.padding[i]);
        kernel.push(p.dilation[i] * (p.kernel[i] - 1) + 1);
      }
      fail(ErrorKind::Runtime, "Calculated padded input size per channel: ", sizes,
           ". Kernel size: ", kernel, ". Kernel size can't be greater than actual input size (", op,
           ", input ", x.sizes(), ", weight ", w.sizes(), ")");
    }
    p.out[d] = (padded - reach) / p.stride[d] + 1;
  }
  if (last_form(p, x)) return run_last_forward(p, x, w, bias);
  choose_layout(p, x, nd);
  return run_forward(p, result_sizes(x.sizes(), p.o, p.out, nd), x, w, bias);
}

// A convolution from the shapes of both sides: what the gradients need.
ConvParams between(const Dims& in, const Dims& out, const Tensor& w, py::handle stride,
                   py::handle padding, py::handle dilation, int64_t groups, int nd) {
  const char* op = op_name(nd, false);
  ConvParams p = geometry(w, stride, padding, dilation, groups, nd, op);
  MT_CHECK(in.n == out.n && (in.n == nd + 1 || in.n == nd + 2) && in[in.n - nd - 1] == p.c &&
               out[in.n - nd - 1] == p.o && batch_of(in, nd) == batch_of(out, nd),
           op, "(): gradient of shape ", out, " does not fit input ", in, " and weight ",
           w.sizes());
  p.batch = batch_of(in, nd);
  set_sizes(p.in, in, nd);
  set_sizes(p.out, out, nd);
  return p;
}

Tensor conv_input(const Tensor& dy, const Tensor& w, const Dims& x_sizes, py::handle stride,
                  py::handle padding, py::handle dilation, int64_t groups, int nd) {
  ConvParams p = between(x_sizes, dy.sizes(), w, stride, padding, dilation, groups, nd);
  choose_layout(p, dy, nd);
  return run_backward_input(p, x_sizes, dy, w, std::nullopt);
}

Tensor conv_weight(const Tensor& dy, const Tensor& x, const Tensor& w, py::handle stride,
                   py::handle padding, py::handle dilation, int64_t groups, int nd) {
  ConvParams p = between(x.sizes(), dy.sizes(), w, stride, padding, dilation, groups, nd);
  choose_layout(p, x, nd);
  return run_backward_weight(p, w.sizes(), dy, x);
}

// y of known sizes, where padding after the last element differs from that before.
Tensor conv_sized(const Tensor& x, const Tensor& w, const Dims& y_sizes, py::handle stride,
                  py::handle padding, py::handle dilation, int64_t groups, int nd) {
  ConvParams p = between(x.sizes(), y_sizes, w, stride, padding, dilation, groups, nd);
  choose_layout(p, x, nd);
  return run_forward(p, y_sizes, x, w, std::nullopt);
}

Gradients conv_backward(const Tensor& dy, const Tensor& x, const Tensor& w, bool need_x,
                        bool need_w, bool need_bias, py::handle stride, py::handle padding,
                        py::handle dilation, int64_t groups, int nd) {
  ConvParams p = between(x.sizes(), dy.sizes(), w, stride, padding, dilation, groups, nd);
  if (last_form(p, x)) return run_last_backward(p, dy, x, w, need_x, need_w, need_bias);
  choose_layout(p, x, nd);
  // Both gradients want dy in whole chunks of its channels on tensor cores: moved once for both.
  if (!p.last && need_x && need_w && !x.device().is_cpu() && dy.dim() == nd + 2 &&
      conv_on_tensor_cores(x.dtype(), p) && !conv_is_product(p) && p.o / p.groups % 8 == 0)
    p.dy_last = true;
  Tensor dx, dw, db;
  const Tensor g = in_layout(dy, p.dy_last);
  if (need_x) dx = run_backward_input(p, x.sizes(), g, w, std::nullopt);
  if (need_w) dw = run_backward_weight(p, w.sizes(), g, x);
  if (need_bias) db = run_backward_bias(g, nd, w.dtype(), p.dy_last);
  return {dx, dw, db};
}

// The gradient of a convolution from y (its input) to x (its output).
Tensor conv_transpose(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
                      py::handle stride, py::handle padding, py::handle output_padding,
                      int64_t groups, py::handle dilation, int nd) {
  const char* op = op_name(nd, true);
  ConvParams p = geometry(w, stride, padding, dilation, groups, nd, op);
  check_input(x, w, bias, nd, p.o, p.c, groups, op, true);
  const Dims extra = spatial(output_padding, nd, op, "output_padding");
  p.batch = batch_of(x.sizes(), nd);
  set_sizes(p.out, x.sizes(), nd);
  for (int i = 0; i < nd; i++) {
    const int d = 3 - nd + i;
    MT_CHECK(extra[i] >= 0, op, "(): negative output_padding is not supported, got ", extra);
    MT_CHECK(extra[i] < p.stride[d] || extra[i] < p.dilation[d], op,
             "(): output padding must be smaller than either stride or dilation, but got "
             "output_padding ",
             extra, ", stride ", p.stride[d], ", dilation ", p.dilation[d]);
    p.in[d] = (p.out[d] - 1) * p.stride[d] - 2 * p.padding[d] + p.dilation[d] * (p.kernel[d] - 1) +
              extra[i] + 1;
    MT_CHECK(p.in[d] > 0, op, "(): Given input size per channel: ", Dims(p.out + 3 - nd, nd),
             ". Calculated output size per channel: ", Dims(p.in + 3 - nd, nd),
             ". Output size is too small");
  }
  choose_layout(p, x, nd);
  return run_backward_input(p, result_sizes(x.sizes(), p.c, p.in, nd), x, w, bias);
}

Gradients conv_transpose_backward(const Tensor& dy, const Tensor& x, const Tensor& w, bool need_x,
                                  bool need_w, bool need_bias, py::handle stride,
                                  py::handle padding, py::handle dilation, int64_t groups, int nd) {
  ConvParams p = between(dy.sizes(), x.sizes(), w, stride, padding, dilation, groups, nd);
  choose_layout(p, x, nd);
  Tensor dx, dw, db;
  const Tensor g = in_layout(dy, p.last);
  if (need_x) dx = run_forward(p, x.sizes(), g, w, std::nullopt);
  if (need_w) dw = run_backward_weight(p, w.sizes(), x, g);
  if (need_bias) db = run_backward_bias(g, nd, w.dtype(), p.last);
  return {dx, dw, db};
}

}  // namespace

MT_BIND(conv) {
  def_op<&conv>(m, "conv");
  def_op<&conv_sized>(m, "conv_sized");
  def_op<&conv_input>(m, "conv_input");
  def_op<&conv_weight>(m, "conv_weight");
  def_op<&conv_transpose>(m, "conv_transpose");
  def_plain<&allow_tf32>(m, "conv_allow_tf32");
  def_plain<&set_allow_tf32>(m, "conv_set_allow_tf32");
  def_plain<&set_path>(m, "conv_set_path");
  def_raw<&conv_backward>(m, "conv_backward");
  def_raw<&conv_transpose_backward>(m, "conv_transpose_backward");
}

}  // namespace mt
