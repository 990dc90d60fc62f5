#include "ops/matmul.h"

#include <algorithm>

#include "ops/dispatch.h"

namespace mt {
namespace {

void check_operands(const Tensor& a, const Tensor& b, const char* op) {
  MT_CHECK(a.dtype() == b.dtype(), op,
           "(): expected m1 and m2 to have the same dtype, but got: ", a.dtype(),
           " != ", b.dtype());
  MT_CHECK_KIND(ErrorKind::NotImplemented, a.dtype() != DType::Bool, op,
                "(): not implemented for 'Bool'");
}

// The batch dims of a product, of size 1 or evenly spaced in all operands merged into neighbours.
struct Batch {
  Dims sizes, a, b, c;

  void push(int64_t size, int64_t sa, int64_t sb, int64_t sc) {
    sizes.push(size), a.push(sa), b.push(sb), c.push(sc);
  }
  void erase(int i) { sizes.erase(i), a.erase(i), b.erase(i), c.erase(i); }

  Batch(const Dims& all, const Dims& sa, const Dims& sb, const Dims& sc) {
    for (int i = 0; i < all.n; i++) {
      const int64_t size = all[i];
      if (size == 1) continue;
      const int top = sizes.n - 1;
      if (top >= 0 && a[top] == sa[i] * size && b[top] == sb[i] * size && c[top] == sc[i] * size) {
        sizes[top] *= size, a[top] = sa[i], b[top] = sb[i], c[top] = sc[i];
      } else {
        push(size, sa[i], sb[i], sc[i]);
      }
    }
  }
};

}  // namespace

void gemm_stacks(DType dtype, Device device, const Dims& sizes, int64_t m, int64_t n, int64_t k,
                 MatrixStack a, MatrixStack b, MatrixStack c, const GemmEpilogue& epilogue) {
  if (m == 0 || n == 0 || sizes.product() == 0) return;
  bool per_row = epilogue.bias_per_row;
  if (c.col != 1 && n > 1) {  // C^T = B^T @ A^T
    MT_CHECK(c.row == 1 || m == 1, "gemm: neither rows nor columns of the result are contiguous");
    std::swap(a, b);
    std::swap(a.row, a.col);
    std::swap(b.row, b.col);
    std::swap(c.row, c.col);
    std::swap(m, n);
    per_row = !per_row;
  }
  Batch batch(sizes, a.batch, b.batch, c.batch);
  for (int i = batch.sizes.n - 1; i >= 0; i--) {
    const int64_t size = batch.sizes[i], sa = batch.a[i], sb = batch.b[i], sc = batch.c[i];
    if (sc == 0 && (k == 1 || (sa == k * a.col && sb == k * b.row))) {
      // A sum over matrices that lie one behind the other is a longer sum.
      if (k == 1) a.col = sa, b.row = sb;
      k *= size;
      batch.erase(i);
    } else if (sc != 0 && sb == 0 && !(epilogue.bias && per_row) &&
               (m == 1 || (sa == m * a.row && sc == m * c.row))) {
      // A stack times one matrix is a taller matrix.
      if (m == 1) a.row = sa, c.row = sc;
      m *= size;
      batch.erase(i);
    }
  }
  GemmArgs args{.dtype = dtype, .m = m, .n = n, .k = k};
  args.a_row = a.row, args.a_col = a.col;
  args.b_row = b.row, args.b_col = b.col;
  args.c_row = c.row;
  args.alpha = epilogue.alpha;
  args.bias = epilogue.bias;
  args.bias_per_row = per_row;
  args.activation = epilogue.activation;
  // The innermost dim that C has is the kernel's batch, the others are loops here.
  for (int i = batch.sizes.n - 1; i >= 0; i--) {
    if (batch.c[i] == 0) continue;
    args.batch = batch.sizes[i];
    args.a_batch = batch.a[i], args.b_batch = batch.b[i], args.c_batch = batch.c[i];
    batch.erase(i);
    break;
  }
  const int64_t size = int64_t(itemsize(dtype)), loops = batch.sizes.product();
  const int64_t work = loops * args.batch * std::max({m * n, m * k, n * k});
  const auto run = [&](auto kernel) {
    int64_t index[kMaxDims] = {};
    for (int64_t step = 0; step < loops; step++) {
      int64_t at_a = 0, at_b = 0, at_c = 0;
      bool fresh = true;  // the first visit of this part of C
      for (int i = 0; i < batch.sizes.n; i++) {
        at_a += index[i] * batch.a[i], at_b += index[i] * batch.b[i], at_c += index[i] * batch.c[i];
        fresh = fresh && (batch.c[i] != 0 || index[i] == 0);
      }
      args.a = static_cast<char*>(a.data) + at_a * size;
      args.b = static_cast<char*>(b.data) + at_b * size;
      args.c = static_cast<char*>(c.data) + at_c * size;
      args.beta = fresh ? epilogue.beta : 1;
      kernel(args);
      for (int i = batch.sizes.n - 1; i >= 0 && ++index[i] == batch.sizes[i]; i--) index[i] = 0;
    }
  };
  ReleaseGil no_gil(work);
  if (device.is_cpu()) return run([](const GemmArgs& g) { cpu::gemm(g); });
#if defined(MT_WITH_CUDA)
  const cuda::DeviceGuard guard(device.index);
  run([](const GemmArgs& g) { cuda::gemm(g); });
  cuda::check_launch("gemm", device.index);
#endif
}

namespace {

// The last two dims of x as matrices over `ndim` batch dims, of which x may lack some or have
// them with size 1 (stride 0). Vectors count as one row, or as one column.
MatrixStack stack_of(const Tensor& x, int ndim, bool vector_is_column = false) {
  MatrixStack s{x.data(), {}, 0, 0};
  if (x.dim() == 1) {
    const int64_t step = x.stride(0);
    s.row = vector_is_column ? step : x.size(0) * step;
    s.col = vector_is_column ? 1 : step;
  } else {
    s.row = x.stride(-2), s.col = x.stride(-1);
  }
  const int own = std::max(0, x.dim() - 2);
  for (int i = 0; i < ndim; i++) {
    const int d = i - (ndim - own);
    s.batch.push(d < 0 || x.size(d) == 1 ? 0 : x.stride(d));
  }
  return s;
}

MatrixStack flipped(MatrixStack s) {
  std::swap(s.row, s.col);
  return s;
}

Dims batch_sizes(const Dims& x) { return Dims(x.v, std::max(0, x.n - 2)); }

struct Shape {
  Dims batch, result;
  int64_t m, n, k;
};

Shape matmul_shape(const Dims& a, const Dims& b, const char* op) {
  MT_CHECK(a.n > 0 && b.n > 0, op, "(): both arguments need to be at least 1D, but they are ", a.n,
           "D and ", b.n, "D");
  Shape s;
  s.m = a.n == 1 ? 1 : a[a.n - 2];
  s.k = a[a.n - 1];
  s.n = b.n == 1 ? 1 : b[b.n - 1];
  const int64_t kb = b.n == 1 ? b[0] : b[b.n - 2];
  if (s.k != kb) {
    MT_CHECK(a.n != 1 || b.n != 1, op, "(): inconsistent tensor size, expected tensor [", s.k,
             "] and src [", kb, "] to have the same number of elements");
    fail(ErrorKind::Runtime, op, "(): mat1 and mat2 shapes cannot be multiplied (", s.m, "x", s.k,
         " and ", kb, "x", s.n, "): got ", a, " and ", b);
  }
  s.batch = broadcast_shapes(batch_sizes(a), batch_sizes(b), op);
  s.result = s.batch;
  if (a.n > 1) s.result.push(s.m);
  if (b.n > 1) s.result.push(s.n);
  return s;
}

// Strides of a contiguous result of that shape, as matrices.
MatrixStack result_stack(const Tensor& y, const Shape& s) {
  MatrixStack c{y.data(), contiguous_strides(s.batch), s.n, 1};
  for (int i = 0; i < c.batch.n; i++) c.batch[i] *= s.m * s.n;
  return c;
}

Tensor multiply(const Tensor& a, const Tensor& b, const char* op) {
  const Shape s = matmul_shape(a.sizes(), b.sizes(), op);
  check_operands(a, b, op);
  Tensor y = empty(s.result, a.dtype(), a.device());
  gemm_stacks(a.dtype(), a.device(), s.batch, s.m, s.n, s.k, stack_of(a, s.batch.n),
              stack_of(b, s.batch.n, true), result_stack(y, s));
  return y;
}

// dy as matrices of m x n over the batch dims.
MatrixStack grad_stack(const Tensor& dy, const Shape& s, bool a_vector, bool b_vector) {
  MT_CHECK(dy.sizes() == s.result, "matmul(): gradient of shape ", dy.sizes(), ", expected ",
           s.result);
  MatrixStack g{dy.data(), {}, 0, 1};
  if (!b_vector) g.col = dy.stride(-1);
  if (!a_vector) g.row = dy.stride(b_vector ? -1 : -2);
  for (int i = 0; i < s.batch.n; i++) g.batch.push(dy.stride(i));
  return g;
}

// A gradient to sum into: zero where there is nothing to sum.
Tensor gradient(const Dims& sizes, const Tensor& like, const Dims& batch, int64_t terms) {
  Tensor g = empty(sizes, like.dtype(), like.device());
  if (terms == 0 || batch.product() == 0)
    copy_into(g, scalar_tensor(Scalar::of(int64_t(0)), g.dtype(), g.device()));
  return g;
}

// da = dy @ b^T, summed over the batch dims that a lacks.
Tensor matmul_grad_a(const Tensor& dy, const Tensor& b, const Dims& a_sizes) {
  const Shape s = matmul_shape(a_sizes, b.sizes(), "matmul");
  check_operands(dy, b, "matmul");
  const MatrixStack g = grad_stack(dy, s, a_sizes.n == 1, b.dim() == 1);
  Tensor da = gradient(a_sizes, dy, s.batch, s.n);
  if (s.n)
    gemm_stacks(dy.dtype(), dy.device(), s.batch, s.m, s.k, s.n, g,
                flipped(stack_of(b, s.batch.n, true)), stack_of(da, s.batch.n));
  return da;
}

// db = a^T @ dy, summed over the batch dims that b lacks.
Tensor matmul_grad_b(const Tensor& dy, const Tensor& a, const Dims& b_sizes) {
  const Shape s = matmul_shape(a.sizes(), b_sizes, "matmul");
  check_operands(dy, a, "matmul");
  const MatrixStack g = grad_stack(dy, s, a.dim() == 1, b_sizes.n == 1);
  Tensor db = gradient(b_sizes, dy, s.batch, s.m);
  if (s.m)
    gemm_stacks(dy.dtype(), dy.device(), s.batch, s.k, s.n, s.m, flipped(stack_of(a, s.batch.n)), g,
                stack_of(db, s.batch.n, true));
  return db;
}

Tensor mm(const Tensor& a, const Tensor& b) {
  MT_CHECK(a.dim() == 2 && b.dim() == 2, "mm(): expected 2D tensors, but got shapes ", a.sizes(),
           " and ", b.sizes());
  return multiply(a, b, "mm");
}
Tensor bmm(const Tensor& a, const Tensor& b) {
  MT_CHECK(a.dim() == 3 && b.dim() == 3, "bmm(): batch1 and batch2 must be 3D tensors, got shapes ",
           a.sizes(), " and ", b.sizes());
  MT_CHECK(a.size(0) == b.size(0) && a.size(2) == b.size(1),
           "bmm(): Expected size for first two dimensions of batch2 tensor to be: [", a.size(0),
           ", ", a.size(2), "] but got: [", b.size(0), ", ", b.size(1), "].");
  return multiply(a, b, "bmm");
}
Tensor mv(const Tensor& a, const Tensor& x) {
  MT_CHECK(a.dim() == 2 && x.dim() == 1, "mv(): expected a matrix and a vector, got shapes ",
           a.sizes(), " and ", x.sizes());
  return multiply(a, x, "mv");
}
Tensor dot(const Tensor& a, const Tensor& b) {
  MT_CHECK(a.dim() == 1 && b.dim() == 1, "dot(): 1D tensors expected, but got ", a.dim(), "D and ",
           b.dim(), "D tensors");
  return multiply(a, b, "dot");
}

// As PyTorch: products of stacks truncate the numbers of integers, the others refuse fractions.
void check_scalars(const Tensor& x, const Scalar& beta, const Scalar& alpha, const char* op) {
  if (x.dim() == 3) return;
  const bool real = beta.kind == Scalar::Float || alpha.kind == Scalar::Float;
  MT_CHECK(is_floating(x.dtype()) || !real, op,
           "(): for integral input tensors, beta and alpha must not be floating point numbers");
}

// beta * c + alpha * a @ b in place; shapes are checked. A c without batch dims sums over a's.
void accumulate(const Tensor& c, const Tensor& a, const Tensor& b, double alpha, double beta,
                const char* op) {
  check_operands(a, b, op);
  MT_CHECK(c.dtype() == a.dtype(), op, "(): expected input of dtype ", a.dtype(), ", got ",
           c.dtype());
  check_no_overlap(c, op);
  const bool rows = c.stride(-1) == 1 || c.size(-1) <= 1;
  const bool columns = c.dim() > 1 && (c.stride(-2) == 1 || c.size(-2) <= 1);
  if (!(rows || columns) || c->storage == a->storage || c->storage == b->storage) {
    Tensor t = empty_like(c);  // contiguous
    if (beta != 0) copy_into(t, c);
    accumulate(t, a, b, alpha, beta, op);
    copy_into(c, t);
    return;
  }
  const bool b_vector = b.dim() == 1;
  const Dims batch = batch_sizes(a.sizes());
  GemmEpilogue epilogue{.alpha = alpha, .beta = beta};
  gemm_stacks(c.dtype(), c.device(), batch, a.size(-2), b_vector ? 1 : b.size(-1), a.size(-1),
              stack_of(a, batch.n), stack_of(b, batch.n, true), stack_of(c, batch.n, b_vector),
              epilogue);
  if (batch.product() == 0 && c.numel()) {  // nothing to add
    GemmArgs scale{.dtype = c.dtype(), .m = 1, .n = 1, .k = 0};
    scale.beta = beta;
    MT_CHECK(c.is_contiguous(), op, "(): an empty batch needs a contiguous result");
    for (int64_t i = 0; i < c.numel(); i++) {
      scale.c = c.data<char>() + i * int64_t(itemsize(c.dtype()));
      MT_DISPATCH(c.device(), 1, gemm, scale);
    }
  }
}

enum class Family { addmm, addmv, baddbmm, addbmm };
constexpr const char* kFamilyNames[] = {"addmm", "addmv", "baddbmm", "addbmm"};

Dims added_shape(Family family, const Tensor& a, const Tensor& b) {
  const char* op = kFamilyNames[int(family)];
  const int rank = family == Family::baddbmm || family == Family::addbmm ? 3 : 2;
  MT_CHECK(a.dim() == rank && b.dim() == (family == Family::addmv ? 1 : rank), op,
           "(): expected tensors of ", rank, " and ", family == Family::addmv ? 1 : rank,
           " dims to multiply, got shapes ", a.sizes(), " and ", b.sizes());
  MT_CHECK(rank == 2 || a.size(0) == b.size(0), op,
           "(): batch1 and batch2 must have the same number of batches, got ", a.size(0), " and ",
           b.size(0));
  Shape s = matmul_shape(a.sizes(), b.sizes(), op);
  if (family == Family::addbmm) s.result.erase(0);
  return s.result;
}

template <Family family>
Tensor added(const Tensor& input, const Tensor& a, const Tensor& b, const Scalar& beta,
             const Scalar& alpha) {
  const char* op = kFamilyNames[int(family)];
  const Dims shape = added_shape(family, a, b);
  check_scalars(a, beta, alpha, op);
  check_operands(a, b, op);
  MT_CHECK(input.dtype() == a.dtype(), op, "(): expected input of dtype ", a.dtype(), ", got ",
           input.dtype());
  const Tensor wide = expand_to(input, shape, op);
  Tensor y = empty(shape, a.dtype(), a.device());
  if (family == Family::addmm && beta.d == 1 && wide.stride(0) == 0 && wide.stride(1) == 1) {
    GemmEpilogue epilogue{.alpha = alpha.d, .bias = wide.data()};
    gemm_stacks(y.dtype(), y.device(), {}, shape[0], shape[1], a.size(1), stack_of(a, 0),
                stack_of(b, 0), stack_of(y, 0), epilogue);
    return y;
  }
  if (beta.d != 0) copy_into(y, wide);
  accumulate(y, a, b, alpha.d, beta.d, op);
  return y;
}

template <Family family>
void added_(const Tensor& self, const Tensor& a, const Tensor& b, const Scalar& beta,
            const Scalar& alpha) {
  const char* op = kFamilyNames[int(family)];
  const Dims shape = added_shape(family, a, b);
  check_scalars(a, beta, alpha, op);
  MT_CHECK(self.sizes() == shape, op, "_(): the input tensor has shape ", self.sizes(),
           ", but the product has shape ", shape);
  accumulate(self, a, b, alpha.d, beta.d, op);
  self.bump_version();
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) { return multiply(a, b, "matmul"); }

void gemm_into(const Tensor& c, const Tensor& a, const Tensor& b, double alpha, double beta) {
  accumulate(c, a, b, alpha, beta, "gemm");
}

namespace {

// int8 matrices, the product in int32.
Tensor int_mm(const Tensor& a, const Tensor& b) {
  MT_CHECK(a.dim() == 2 && b.dim() == 2, "_int_mm(): expected 2D tensors, but got shapes ",
           a.sizes(), " and ", b.sizes());
  MT_CHECK(a.dtype() == DType::Int8 && b.dtype() == DType::Int8,
           "_int_mm(): expected tensors of int8, but got ", a.dtype(), " and ", b.dtype());
  const Shape s = matmul_shape(a.sizes(), b.sizes(), "_int_mm");
  Tensor y = empty(s.result, DType::Int32, a.device());
  if (y.numel() == 0) return y;
  GemmArgs args{.dtype = DType::Int8, .m = s.m, .n = s.n, .k = s.k};
  args.a = a.data(), args.a_row = a.stride(0), args.a_col = a.stride(1);
  args.b = b.data(), args.b_row = b.stride(0), args.b_col = b.stride(1);
  args.c = y.data(), args.c_row = s.n;
  MT_DISPATCH(a.device(), s.m * s.n + s.k * (s.m + s.n), gemm_int8, args);
  return y;
}

}  // namespace

MT_BIND(matmul) {
  def_op<&matmul>(m, "matmul");
  def_op<&mm>(m, "mm");
  def_op<&int_mm>(m, "_int_mm");
  def_op<&bmm>(m, "bmm");
  def_op<&mv>(m, "mv");
  def_op<&dot>(m, "dot");
  def_raw<&matmul_grad_a>(m, "matmul_grad_a");
  def_raw<&matmul_grad_b>(m, "matmul_grad_b");
  def_op<&added<Family::addmm>>(m, "addmm");
  def_op<&added<Family::addmv>>(m, "addmv");
  def_op<&added<Family::baddbmm>>(m, "baddbmm");
  def_op<&added<Family::addbmm>>(m, "addbmm");
  def_plain<&added_<Family::addmm>>(m, "addmm_");
  def_plain<&added_<Family::addmv>>(m, "addmv_");
  def_plain<&added_<Family::baddbmm>>(m, "baddbmm_");
  def_plain<&added_<Family::addbmm>>(m, "addbmm_");
}

}  // namespace mt
