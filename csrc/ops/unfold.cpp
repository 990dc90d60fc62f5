#include "ops/unfold.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

Dims two(py::handle value, const char* op, const char* argument) {
  Dims d = FromPython<Dims>::get(value.ptr());
  if (d.n == 1) d = Dims{d[0], d[0]};
  MT_CHECK(d.n == 2, op, "(): expected ", argument, " to be an int or 2 ints, but got ", d);
  return d;
}

// Geometry of blocks over an image of the given height and width.
ConvParams blocks(const Dims& image, py::handle kernel, py::handle dilation, py::handle padding,
                  py::handle stride, const char* op) {
  const Dims k = two(kernel, op, "kernel_size"), l = two(dilation, op, "dilation");
  const Dims a = two(padding, op, "padding"), s = two(stride, op, "stride");
  ConvParams p = {};
  p.groups = 1;
  p.in[0] = p.kernel[0] = p.out[0] = p.stride[0] = p.dilation[0] = 1;
  Dims counts;
  for (int i = 0; i < 2; i++) {
    MT_CHECK(k[i] > 0, op, "(): kernel size should be greater than zero, but got kernel_size ", k);
    MT_CHECK(l[i] > 0, op, "(): dilation should be greater than zero, but got dilation ", l);
    MT_CHECK(a[i] >= 0, op, "(): padding should be non-negative, but got padding ", a);
    MT_CHECK(s[i] > 0, op, "(): stride should be greater than zero, but got stride ", s);
    p.in[1 + i] = image[i], p.kernel[1 + i] = k[i], p.stride[1 + i] = s[i];
    p.padding[1 + i] = a[i], p.dilation[1 + i] = l[i];
    const int64_t room = image[i] + 2 * a[i] - l[i] * (k[i] - 1) - 1;
    p.out[1 + i] = room < 0 ? 0 : room / s[i] + 1;
    counts.push(p.out[1 + i]);
  }
  MT_CHECK(counts[0] > 0 && counts[1] > 0, op, "(): Given spatial size ", image, ", kernel_size ",
           k, ", dilation ", l, ", padding ", a, ", stride ", s,
           ", calculated shape of the array of sliding blocks as ", counts,
           ", but its components must be at least one.");
  return p;
}

DType compute_type(DType t) {
  return !is_floating(t) || t == DType::Float64 ? DType::Float64 : DType::Float32;
}

Tensor unfold_blocks(const Tensor& x, py::handle kernel, py::handle dilation, py::handle padding,
                     py::handle stride) {
  MT_CHECK((x.dim() == 3 || x.dim() == 4) && x.size(-1) && x.size(-2) && x.size(-3),
           "unfold(): Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other "
           "non-zero dimensions for input, but got: ",
           x.sizes());
  ConvParams p = blocks({x.size(-2), x.size(-1)}, kernel, dilation, padding, stride, "unfold");
  p.batch = x.dim() == 4 ? x.size(0) : 1;
  p.c = x.size(-3);
  const DType t = compute_type(x.dtype());
  const Tensor xc = contiguous(to_dtype(x, t));
  Dims sizes{p.c * p.taps(), p.out_size()};
  if (x.dim() == 4) sizes.insert(0, p.batch);
  Tensor y = empty(sizes, t, x.device());
  if (y.numel()) MT_DISPATCH(x.device(), y.numel(), unfold_forward, t, p, xc.data(), y.data());
  return to_dtype(y, x.dtype());
}

Tensor fold_blocks(const Tensor& columns, py::handle output, py::handle kernel, py::handle dilation,
                   py::handle padding, py::handle stride) {
  MT_CHECK((columns.dim() == 2 || columns.dim() == 3) && columns.size(-1) && columns.size(-2),
           "fold(): Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
           "non-zero dimensions for input, but got: ",
           columns.sizes());
  const Dims image = two(output, "fold", "output_size");
  ConvParams p = blocks(image, kernel, dilation, padding, stride, "fold");
  p.batch = columns.dim() == 3 ? columns.size(0) : 1;
  MT_CHECK(columns.size(-2) % p.taps() == 0,
           "fold(): Expected size of input's dimension 1 to be "
           "divisible by the product of kernel_size, but got input.size(1)=",
           columns.size(-2), " and kernel_size=", Dims(p.kernel + 1, 2));
  MT_CHECK(
      columns.size(-1) == p.out_size(), "fold(): Given output_size=", image,
      ", kernel_size=", Dims(p.kernel + 1, 2), ", dilation=", Dims(p.dilation + 1, 2),
      ", padding=", Dims(p.padding + 1, 2), ", stride=", Dims(p.stride + 1, 2),
      ", expected size of input's dimension 2 to match the calculated number of sliding blocks ",
      p.out[1], " * ", p.out[2], " = ", p.out_size(), ", but got input.size(2)=", columns.size(-1));
  p.c = columns.size(-2) / p.taps();
  const DType t = compute_type(columns.dtype());
  const Tensor from = contiguous(to_dtype(columns, t));
  Dims sizes{p.c, image[0], image[1]};
  if (columns.dim() == 3) sizes.insert(0, p.batch);
  Tensor x = empty(sizes, t, columns.device());
  if (x.numel())
    MT_DISPATCH(columns.device(), columns.numel(), fold_forward, t, p, from.data(), x.data());
  return to_dtype(x, columns.dtype());
}

}  // namespace

MT_BIND(unfold) {
  def_op<&unfold_blocks>(m, "unfold_blocks");
  def_op<&fold_blocks>(m, "fold_blocks");
}

}  // namespace mt
