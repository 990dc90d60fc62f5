#include "ops/binary.h"

#include "ops/dispatch.h"
#include "ops/iterators.h"

namespace mt {
namespace {

enum class Domain { Numeric, Float, Bits, Int };

// A number in the type that a kernel computes in.
union Value {
  float f;
  double d;
  int64_t i;
};

// An integer as a smaller dtype would hold it.
int64_t wrapped(int64_t v, DType dtype) {
  switch (dtype) {
    case DType::Bool:
      return v != 0;
    case DType::UInt8:
      return uint8_t(v);
    case DType::Int8:
      return int8_t(v);
    case DType::Int16:
      return int16_t(v);
    case DType::Int32:
      return int32_t(v);
    default:
      return v;
  }
}

Value value_of(const Scalar& s, DType dtype) {
  Value v;
  if (dtype == DType::Float64) v.d = s.d;
  else if (is_floating(dtype)) v.f = float(s.d);
  else v.i = wrapped(s.kind == Scalar::Float ? int64_t(s.d) : s.i, dtype);
  return v;
}

// The operands x and y of a kernel that computes in `compute`; the kernel converts them.
struct Pair {
  const Tensor *x, *y;  // null where the operand is a number
  Tensor x_narrowed, y_narrowed;
  Value x_value, y_value;
  DType compute;
  Dims shape;
  Device device;

  Pair(const Operand& a, const Operand& b, DType dtype, const char* name)
      : x(a.tensor), y(b.tensor), compute(compute_dtype(dtype)) {
    MT_CHECK_TYPE(x || y, name, "(): expected at least one Tensor, got two numbers");
    if (!x) x_value = value_of(a.scalar, dtype);
    if (!y) y_value = value_of(b.scalar, dtype);
    narrow(x, x_narrowed, dtype);
    narrow(y, y_narrowed, dtype);
    if (x && y) {
      shape = x->same_shape(*y) ? x->sizes() : broadcast_shapes(x->sizes(), y->sizes(), name);
    } else {
      shape = x ? x->sizes() : y->sizes();
    }
    device = x ? x->device() : y->device();
  }

  // A 0-dim integer wraps to the smaller dtype that the other operand decides.
  static void narrow(const Tensor*& t, Tensor& narrowed, DType dtype) {
    if (MT_LIKELY(!t || t->dim() || t->dtype() == dtype || is_floating(dtype))) return;
    narrowed = to_dtype(*t, dtype);
    t = &narrowed;
  }

  // The result, in the order of dims of an operand that is not in row-major order.
  Tensor make(DType dtype) const {
    const Tensor* first = x && x->sizes() == shape ? x : y && y->sizes() == shape ? y : nullptr;
    bool rows = (!x || x->is_contiguous()) && (!y || y->is_contiguous());
    return rows || !first ? empty(shape, dtype, device) : empty_like_layout(*first, dtype);
  }

  OperandTypes types(const Tensor& z) const {
    return {{z.dtype(), x ? x->dtype() : compute, y ? y->dtype() : compute},
            uint8_t((x ? 0 : 2) | (y ? 0 : 4))};
  }

  // {z, x, y}; a number is an operand of stride 0.
  ElementIter iter(const Tensor& z) {
    auto flat = [&](const Tensor* t) {
      return !t || (t->is_contiguous() && t->numel() == z.numel());
    };
    if (MT_LIKELY(flat(x) && flat(y) && z.is_contiguous()))
      return flat_iter(z.numel(), {z.data(), x ? x->data() : &x_value, y ? y->data() : &y_value},
                       {int64_t(itemsize(z.dtype())), x ? int64_t(itemsize(x->dtype())) : 0,
                        y ? int64_t(itemsize(y->dtype())) : 0});
    if (x && y) return make_iter(shape, {&z, x, y});
    ElementIter it = make_iter(shape, {&z, x ? x : y});
    it.nargs = 3;
    int tensor = x ? 1 : 2, number = x ? 2 : 1;
    for (int d = 0; d < it.ndim; d++) {
      it.strides[d][tensor] = it.strides[d][1];
      it.strides[d][number] = 0;
    }
    it.data[tensor] = it.data[1];
    it.data[number] = reinterpret_cast<char*>(x ? &y_value : &x_value);
    return it;
  }
};

bool has_zero(const Operand& b, DType dtype);

bool is_bool(const Operand& a) {
  return a.tensor ? a.tensor->dtype() == DType::Bool : a.scalar.kind == Scalar::Bool;
}

// PyTorch's rule of which operands may be numbers.
void check_tensors(BinaryOp op, const Operand& a, const Operand& b, const char* name) {
  switch (op) {
    case BinaryOp::maximum:
    case BinaryOp::minimum:
    case BinaryOp::fmax:
    case BinaryOp::fmin:
    case BinaryOp::heaviside:
    case BinaryOp::atan2:
    case BinaryOp::hypot:
    case BinaryOp::nextafter:
    case BinaryOp::logaddexp:
    case BinaryOp::logaddexp2:
    case BinaryOp::gcd:
    case BinaryOp::lcm:
      MT_CHECK_TYPE(b.tensor, name,
                    "(): argument 'other' (position 2) must be Tensor, not a number");
      [[fallthrough]];
    case BinaryOp::fmod:
    case BinaryOp::copysign:
      MT_CHECK_TYPE(a.tensor, name,
                    "(): argument 'input' (position 1) must be Tensor, not a number");
      break;
    default:
      break;
  }
}

DType compute_type(BinaryOp op, Domain domain, const Operand& a, const Operand& b,
                   const char* name) {
  DType dtype = result_type(a, b);
  if (domain == Domain::Float) dtype = to_floating(dtype);
  if (domain == Domain::Bits || domain == Domain::Int)
    MT_CHECK_KIND(ErrorKind::NotImplemented, !is_floating(dtype), name, "(): not defined for ",
                  dtype, " tensors, expected integers", domain == Domain::Bits ? " or bool" : "");
  if (op == BinaryOp::sub)
    MT_CHECK(
        !is_bool(a) && !is_bool(b),
        "sub(): Subtraction, the `-` operator, with a bool tensor is not supported. Use the `^` or "
        "`logical_xor()` operator, or `~` to invert a mask.");
  if (dtype == DType::Bool) {
    bool allowed = domain == Domain::Bits || op == BinaryOp::add || op == BinaryOp::add_scaled ||
                   op == BinaryOp::mul || op == BinaryOp::maximum || op == BinaryOp::minimum ||
                   op == BinaryOp::fmax || op == BinaryOp::fmin ||
                   (op == BinaryOp::pow && !(a.tensor && b.tensor));
    MT_CHECK_KIND(ErrorKind::NotImplemented, allowed, name, "(): not defined for bool tensors");
  }
  bool divides = op == BinaryOp::floor_divide || op == BinaryOp::trunc_divide ||
                 op == BinaryOp::remainder || op == BinaryOp::fmod;
  if (divides && !is_floating(dtype)) MT_CHECK(!has_zero(b, dtype), name, "(): ZeroDivisionError");
  if (op == BinaryOp::pow && !b.tensor && !is_floating(dtype))
    MT_CHECK(b.scalar.i >= 0, "pow(): Integers to negative integer powers are not allowed.");
  return dtype;
}

// A tensor on a GPU is not looked at, which would wait for it; there the quotient by zero is 0 and
// the remainder the dividend.
bool has_zero(const Operand& b, DType dtype) {
  if (!b.tensor) return b.scalar.i == 0;
  if (!b.tensor->device().is_cpu()) return false;
  Tensor y = contiguous(to_dtype(*b.tensor, dtype));
  bool zero = false;
  MT_SWITCH_INT(dtype, {
    const scalar_t* p = y.data<scalar_t>();
    for (int64_t i = 0; i < y.numel(); i++) zero = zero || p[i] == 0;
  })
  return zero;
}

Tensor forward(BinaryOp op, Domain domain, const char* name, const Operand& a, const Operand& b,
               Number alpha) {
  DType dtype = compute_type(op, domain, a, b, name);
  Pair p(a, b, dtype, name);
  Tensor z = p.make(dtype);
  MT_DISPATCH(p.device, z.numel(), binary_forward, op, p.compute, p.types(z), p.iter(z), alpha);
  return z;
}

// z is written in place: its shape must be the broadcast shape, its dtype takes the result.
void forward_(BinaryOp op, Domain domain, const char* name, const Tensor& z, const Operand& b,
              Number alpha) {
  Operand a{&z, {}};
  DType dtype = compute_type(op, domain, a, b, name);
  check_can_cast(dtype, z.dtype(), name);
  check_no_overlap(z, name);
  if (b.tensor) {
    Dims shape = broadcast_shapes(z.sizes(), b.tensor->sizes(), name);
    MT_CHECK(shape == z.sizes(), name, "_(): output with shape ", z.sizes(),
             " doesn't match the broadcast shape ", shape);
  }
  if (b.tensor && partly_overlaps(z, *b.tensor)) {
    copy_into(z, forward(op, domain, name, a, b, alpha));
  } else {
    Pair p(a, b, dtype, name);
    MT_DISPATCH(p.device, z.numel(), binary_forward, op, p.compute, p.types(z), p.iter(z), alpha);
  }
  z.bump_version();
}

// Writes the result into z where z fits it as it is; false, and nothing done, where it does not.
bool forward_out(BinaryOp op, Domain domain, const char* name, const Tensor& z, const Operand& a,
                 const Operand& b) {
  DType dtype = compute_type(op, domain, a, b, name);
  if (z.dtype() != dtype) return false;
  Pair p(a, b, dtype, name);
  if (p.device != z.device() || p.shape != z.sizes()) return false;
  if ((a.tensor && partly_overlaps(z, *a.tensor)) || (b.tensor && partly_overlaps(z, *b.tensor)))
    return false;
  check_no_overlap(z, name);
  MT_DISPATCH(p.device, z.numel(), binary_forward, op, p.compute, p.types(z), p.iter(z), Number{});
  z.bump_version();
  return true;
}

Tensor compare(CompareOp op, const char* name, const Operand& a, const Operand& b) {
  DType dtype = result_type(a, b);
  bool logical = op >= CompareOp::logical_and;
  if (!logical && a.tensor && !b.tensor && !is_floating(a.tensor->dtype()) &&
      b.scalar.kind == Scalar::Float)
    dtype = DType::Float32;
  if (logical && a.tensor && b.tensor) {
    if (a.tensor->dtype() == DType::Bool && b.tensor->dtype() == DType::Bool) {
      BinaryOp bits = op == CompareOp::logical_and  ? BinaryOp::bitwise_and
                      : op == CompareOp::logical_or ? BinaryOp::bitwise_or
                                                    : BinaryOp::bitwise_xor;
      return forward(bits, Domain::Bits, name, a, b, {});
    }
    // Truth must survive the conversion: the wider type, also beside a 0-dim tensor.
    dtype = promote(a.tensor->dtype(), b.tensor->dtype());
  }
  Pair p(a, b, dtype, name);
  Tensor z = p.make(DType::Bool);
  MT_DISPATCH(p.device, z.numel(), compare_forward, op, p.compute, p.types(z), p.iter(z));
  return z;
}

template <BinaryOp op, Domain domain>
struct Named {
  static inline const char* name = "";
  static Tensor run(const Operand& a, const Operand& b) {
    check_tensors(op, a, b, name);
    return forward(op, domain, name, a, b, {});
  }
  static void run_(const Tensor& z, const Operand& b) { forward_(op, domain, name, z, b, {}); }
  static bool run_out(const Tensor& z, const Operand& a, const Operand& b) {
    check_tensors(op, a, b, name);
    return forward_out(op, domain, name, z, a, b);
  }
};
template <CompareOp op>
struct NamedCompare {
  static inline const char* name = "";
  static Tensor run(const Tensor& a, const Operand& b) {
    MT_CHECK_TYPE(b.tensor || op < CompareOp::logical_and, name,
                  "(): argument 'other' (position 2) must be Tensor, not a number");
    return compare(op, name, {&a, {}}, b);
  }
  static void run_(const Tensor& z, const Operand& b) {
    if (b.tensor)
      MT_CHECK(broadcast_shapes(z.sizes(), b.tensor->sizes(), name) == z.sizes(), name,
               "_(): output with shape ", z.sizes(), " doesn't match the broadcast shape");
    copy_into(z, compare(op, name, {&z, {}}, b));
    z.bump_version();
  }
};

// x + alpha * y, as add and sub take it.
Tensor add_scaled(const Operand& a, const Operand& b, const Scalar& alpha) {
  MT_CHECK(
      alpha.kind != Scalar::Float || is_floating(result_type(a, b)),
      "add(): For integral input tensors, argument alpha must not be a floating point number.");
  return forward(BinaryOp::add_scaled, Domain::Numeric, "add", a, b, {alpha.d, alpha.i});
}
void add_scaled_(const Tensor& z, const Operand& b, const Scalar& alpha) {
  MT_CHECK(
      alpha.kind != Scalar::Float || is_floating(result_type({&z, {}}, b)),
      "add_(): For integral input tensors, argument alpha must not be a floating point number.");
  forward_(BinaryOp::add_scaled, Domain::Numeric, "add", z, b, {alpha.d, alpha.i});
}

// One-sided clamps: extrema whose bound may be a number.
Tensor clamp_min(const Tensor& x, const Operand& bound) {
  return forward(BinaryOp::maximum, Domain::Numeric, "clamp_min", {&x, {}}, bound, {});
}
Tensor clamp_max(const Tensor& x, const Operand& bound) {
  return forward(BinaryOp::minimum, Domain::Numeric, "clamp_max", {&x, {}}, bound, {});
}

DType result_type_of(const Operand& a, const Operand& b) { return result_type(a, b); }
DType promote_types(DType a, DType b) { return promote(a, b); }

}  // namespace

MT_BIND(binary) {
#define MT_DEF_(op, domain)                                          \
  Named<BinaryOp::op, Domain::domain>::name = #op;                   \
  def_op<&Named<BinaryOp::op, Domain::domain>::run>(m, #op);         \
  def_plain<&Named<BinaryOp::op, Domain::domain>::run_>(m, #op "_"); \
  def_plain<&Named<BinaryOp::op, Domain::domain>::run_out>(m, #op "_out");
#define MT_DEF_NUMERIC_(op, ...) MT_DEF_(op, Numeric)
#define MT_DEF_FLOAT_(op, ...) MT_DEF_(op, Float)
#define MT_DEF_BITS_(op, ...) MT_DEF_(op, Bits)
#define MT_DEF_INT_(op, ...) MT_DEF_(op, Int)
#define MT_DEF_COMPARE_(op, ...)                        \
  NamedCompare<CompareOp::op>::name = #op;              \
  def_plain<&NamedCompare<CompareOp::op>::run>(m, #op); \
  def_plain<&NamedCompare<CompareOp::op>::run_>(m, #op "_");
  MT_BINARY_NUMERIC_OPS(MT_DEF_NUMERIC_)
  MT_BINARY_NUMERIC_PLAIN_OPS(MT_DEF_NUMERIC_)
  MT_BINARY_FLOAT_OPS(MT_DEF_FLOAT_)
  MT_BINARY_FLOAT_PLAIN_OPS(MT_DEF_FLOAT_)
  MT_BINARY_BIT_OPS(MT_DEF_BITS_)
  MT_BINARY_INT_OPS(MT_DEF_INT_)
  MT_COMPARE_OPS(MT_DEF_COMPARE_)
  def_op<&add_scaled>(m, "add_scaled");
  def_plain<&add_scaled_>(m, "add_scaled_");
  def_op<&clamp_min>(m, "clamp_min");
  def_op<&clamp_max>(m, "clamp_max");
  def_plain<&result_type_of>(m, "result_type");
  def_plain<&promote_types>(m, "promote_types");
}

}  // namespace mt
