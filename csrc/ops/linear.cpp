// y = x W^T + b over the last dim of x, and its gradient: two products and the bias's sum, which is
// a product with a row of ones.
#include <tuple>
#include <utility>

#include "ops/dispatch.h"
#include "ops/matmul.h"

namespace mt {
namespace {

// The leading dims of x as batch dims of one row each, so that those which lie evenly in memory
// become the rows of one matrix.
MatrixStack rows_of(const Tensor& x) {
  const int last = x.dim() - 1;
  return {x.data(), Dims(x->strides, last), 0, x.stride(last)};
}
MatrixStack same_for_all(void* data, int64_t row, int64_t col, int dims) {
  MatrixStack s{data, {}, row, col};
  for (int i = 0; i < dims; i++) s.batch.push(0);
  return s;
}

struct LinearShape {
  Dims rows, result;
  int64_t in, out;
};

LinearShape linear_shape(const Tensor& x, const Tensor& w) {
  MT_CHECK(x.dim() >= 1, "linear(): input must be at least 1D, got shape ", x.sizes());
  MT_CHECK(w.dim() == 2, "linear(): weight must be 2D, got shape ", w.sizes());
  LinearShape s{Dims(x->sizes, x.dim() - 1), {}, w.size(1), w.size(0)};
  if (x.size(-1) != s.in) {
    int64_t rows = s.rows.product();
    fail(ErrorKind::Runtime, "linear(): mat1 and mat2 shapes cannot be multiplied (", rows, "x",
         x.size(-1), " and ", s.in, "x", s.out, "): input of shape ", x.sizes(),
         " does not end in in_features of weight ", w.sizes());
  }
  s.result = s.rows;
  s.result.push(s.out);
  return s;
}

}  // namespace

Tensor linear_forward(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias,
                      Activation activation) {
  const LinearShape s = linear_shape(x, w);
  MT_CHECK(x.dtype() == w.dtype() && (!bias || bias->dtype() == x.dtype()),
           "linear(): expected input, weight and bias of the same dtype, but got: ", x.dtype(),
           ", ", w.dtype(), bias ? concat(", ", bias->dtype()) : "");
  MT_CHECK_KIND(ErrorKind::NotImplemented, x.dtype() != DType::Bool,
                "linear(): not implemented for 'Bool'");
  Tensor b;
  GemmEpilogue epilogue{.activation = activation};
  if (bias) {
    b = contiguous(
        bias->dim() == 1 && bias->size(0) == s.out ? *bias : expand_to(*bias, {s.out}, "linear"));
    epilogue.bias = b.data();
  }
  Tensor y = empty(s.result, x.dtype(), x.device());
  gemm_stacks(x.dtype(), x.device(), s.rows, 1, s.out, s.in, rows_of(x),
              same_for_all(w.data(), w.stride(1), w.stride(0), s.rows.n), rows_of(y), epilogue);
  return y;
}

namespace {

Tensor linear(const Tensor& x, const Tensor& w, const std::optional<Tensor>& bias) {
  return linear_forward(x, w, bias, Activation::none);
}

Tensor gradient(const Dims& sizes, const Tensor& like, bool zero) {
  Tensor t = empty(sizes, like.dtype(), like.device());
  if (zero) copy_into(t, scalar_tensor(Scalar::of(int64_t(0)), t.dtype(), t.device()));
  return t;
}

// dx = dy W where w is given, dW = dy^T x where x is, db = sum of dy.
std::tuple<Tensor, Tensor, Tensor> linear_backward(const Tensor& dy, const std::optional<Tensor>& x,
                                                   const std::optional<Tensor>& w, bool need_bias) {
  const DType dtype = dy.dtype();
  const Device device = dy.device();
  const int dims = dy.dim() - 1;
  const int64_t out = dy.size(dims);
  const Dims rows(dy->sizes, dims);
  const bool none = rows.product() == 0;
  Tensor dx, dw, db;
  if (w) {
    MT_CHECK(w->dim() == 2 && w->size(0) == out && w->dtype() == dtype,
             "linear(): gradient of shape ", dy.sizes(), " for a weight of shape ", w->sizes());
    Dims dx_sizes = rows;
    dx_sizes.push(w->size(1));
    dx = gradient(dx_sizes, dy, out == 0);
    if (out)
      gemm_stacks(dtype, device, rows, 1, w->size(1), out, rows_of(dy),
                  same_for_all(w->data(), w->stride(0), w->stride(1), dims), rows_of(dx));
  }
  if (x) {  // k = 1, summed over all rows
    MT_CHECK(x->dim() == dims + 1 && Dims((*x)->sizes, dims) == rows && x->dtype() == dtype,
             "linear(): gradient of shape ", dy.sizes(), " for an input of shape ", x->sizes());
    const int64_t in = x->size(dims);
    dw = gradient({out, in}, dy, none);
    MatrixStack g = rows_of(dy);
    std::swap(g.row, g.col);
    gemm_stacks(dtype, device, rows, out, in, 1, g, rows_of(*x),
                same_for_all(dw.data(), in, 1, dims));
  }
  if (need_bias) {
    db = gradient({out}, dy, none);
    Tensor one = scalar_tensor(Scalar::of(1.0), dtype, device);
    gemm_stacks(dtype, device, rows, 1, out, 1, same_for_all(one.data(), 0, 0, dims), rows_of(dy),
                same_for_all(db.data(), out, 1, dims));
  }
  return {dx, dw, db};
}

// act(beta * input + alpha * mat1 @ mat2): bias and activation follow each tile while it is in
// cache.
Tensor addmm_activation(const Tensor& input, const Tensor& mat1, const Tensor& mat2,
                        const Scalar& beta, const Scalar& alpha, bool use_gelu) {
  const char* op = "_addmm_activation";
  MT_CHECK(mat1.dim() == 2 && mat2.dim() == 2 && mat1.size(1) == mat2.size(0), op,
           "(): mat1 and mat2 shapes cannot be multiplied: got ", mat1.sizes(), " and ",
           mat2.sizes());
  MT_CHECK(
      is_floating(mat1.dtype()) && mat1.dtype() == mat2.dtype() && input.dtype() == mat1.dtype(),
      op, "(): expected floating point tensors of one dtype, but got: ", input.dtype(), ", ",
      mat1.dtype(), ", ", mat2.dtype());
  const int64_t m = mat1.size(0), n = mat2.size(1);
  const Tensor wide = expand_to(input, {m, n}, op);
  Tensor y = empty({m, n}, mat1.dtype(), mat1.device());
  GemmEpilogue epilogue{.alpha = alpha.d,
                        .activation = use_gelu ? Activation::gelu : Activation::relu};
  if (beta.d == 1 && wide.stride(0) == 0 && wide.stride(1) == 1) {
    epilogue.bias = wide.data();
  } else if (beta.d != 0) {
    copy_into(y, wide);
    epilogue.beta = beta.d;
  }
  gemm_stacks(y.dtype(), y.device(), {}, m, n, mat1.size(1),
              {mat1.data(), {}, mat1.stride(0), mat1.stride(1)},
              {mat2.data(), {}, mat2.stride(0), mat2.stride(1)}, {y.data(), {}, n, 1}, epilogue);
  return y;
}

}  // namespace

MT_BIND(linear) {
  def_op<&addmm_activation>(m, "_addmm_activation");
  def_op<&linear>(m, "linear");
  def_raw<&linear_backward>(m, "linear_backward");
}

}  // namespace mt
