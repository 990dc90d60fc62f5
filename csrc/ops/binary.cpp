#include "ops/binary.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

enum class Domain { Numeric, Float, Bits, Int };

// A number in the representation of a dtype.
struct Element {
  alignas(8) unsigned char bytes[8];
};

Element element_of(const Scalar& s, DType dtype) {
  Element e{};
  void* p = e.bytes;
  switch (dtype) {
    case DType::Bool: *static_cast<bool*>(p) = s.kind == Scalar::Float ? s.d != 0 : s.i != 0; break;
    case DType::UInt8: *static_cast<uint8_t*>(p) = uint8_t(s.i); break;
    case DType::Int8: *static_cast<int8_t*>(p) = int8_t(s.i); break;
    case DType::Int16: *static_cast<int16_t*>(p) = int16_t(s.i); break;
    case DType::Int32: *static_cast<int32_t*>(p) = int32_t(s.i); break;
    case DType::Int64: *static_cast<int64_t*>(p) = s.i; break;
    case DType::Float16: *static_cast<float16*>(p) = to_float16(float(s.d)); break;
    case DType::BFloat16: *static_cast<bfloat16*>(p) = to_bfloat16(float(s.d)); break;
    case DType::Float32: *static_cast<float*>(p) = float(s.d); break;
    case DType::Float64: *static_cast<double*>(p) = s.d; break;
  }
  return e;
}

struct Prepared {
  Tensor x, y;  // converted to the compute dtype; empty where the operand is a number
  Element x_value, y_value;
  Dims shape;
  Device device;
};

Prepared prepare(const Operand& a, const Operand& b, DType dtype, const char* name) {
  Prepared p;
  if (a.tensor) p.x = to_dtype(*a.tensor, dtype);
  else p.x_value = element_of(a.scalar, dtype);
  if (b.tensor) p.y = to_dtype(*b.tensor, dtype);
  else p.y_value = element_of(b.scalar, dtype);
  if (a.tensor && b.tensor) {
    check_same_device(*a.tensor, *b.tensor, name);
    p.shape = p.x.same_shape(p.y) ? p.x.sizes() : broadcast_shapes(p.x.sizes(), p.y.sizes(), name);
  } else {
    p.shape = a.tensor ? p.x.sizes() : b.tensor ? p.y.sizes() : Dims{};
  }
  p.device = a.tensor ? p.x.device() : b.tensor ? p.y.device() : Device{};
  return p;
}

// {z, x, y} with numbers as operands of stride 0.
ElementIter iter3(const Tensor& z, Prepared& p, DType dtype) {
  int64_t size = int64_t(itemsize(dtype)), out = int64_t(itemsize(z.dtype()));
  bool x_flat = !p.x || (p.x.is_contiguous() && p.x.numel() == z.numel());
  bool y_flat = !p.y || (p.y.is_contiguous() && p.y.numel() == z.numel());
  if (MT_LIKELY(x_flat && y_flat && z.is_contiguous()))
    return flat_iter(z.numel(),
                     {z.data(), p.x ? p.x.data() : p.x_value.bytes, p.y ? p.y.data() : p.y_value.bytes},
                     {out, p.x ? size : 0, p.y ? size : 0});
  if (p.x && p.y) return make_iter(p.shape, {&z, &p.x, &p.y});
  ElementIter it = make_iter(p.shape, {&z, p.x ? &p.x : &p.y});
  it.nargs = 3;
  for (int d = 0; d < it.ndim; d++) {
    int64_t tensor = it.strides[d][1];
    it.strides[d][1] = p.x ? tensor : 0;
    it.strides[d][2] = p.x ? 0 : tensor;
  }
  char* data = it.data[1];
  it.data[1] = p.x ? data : reinterpret_cast<char*>(p.x_value.bytes);
  it.data[2] = p.x ? reinterpret_cast<char*>(p.y_value.bytes) : data;
  return it;
}

bool has_zero(const Operand& b, DType dtype);

DType compute_type(BinaryOp op, Domain domain, const Operand& a, const Operand& b, const char* name) {
  DType dtype = result_type(a, b);
  if (domain == Domain::Float) dtype = to_floating(dtype);
  if (domain == Domain::Bits || domain == Domain::Int)
    MT_CHECK_KIND(ErrorKind::Runtime, !is_floating(dtype), name, "(): not defined for ", dtype,
                  " tensors, expected integers", domain == Domain::Bits ? " or bool" : "");
  if (dtype == DType::Bool) {
    MT_CHECK(op != BinaryOp::sub,
             "sub(): Subtraction, the `-` operator, with two bool tensors is not supported. Use the "
             "`^` or `logical_xor()` operator instead.");
    bool allowed = domain == Domain::Bits || op == BinaryOp::add || op == BinaryOp::add_scaled ||
                   op == BinaryOp::mul || op == BinaryOp::maximum || op == BinaryOp::minimum ||
                   op == BinaryOp::fmax || op == BinaryOp::fmin;
    MT_CHECK(allowed, name, "(): not defined for bool tensors");
  }
  bool divides = op == BinaryOp::floor_divide || op == BinaryOp::trunc_divide ||
                 op == BinaryOp::remainder || op == BinaryOp::fmod;
  if (divides && !is_floating(dtype)) MT_CHECK(!has_zero(b, dtype), name, "(): ZeroDivisionError");
  if (op == BinaryOp::pow && !b.tensor && !is_floating(dtype))
    MT_CHECK(b.scalar.i >= 0, "pow(): Integers to negative integer powers are not allowed.");
  return dtype;
}

bool has_zero(const Operand& b, DType dtype) {
  if (!b.tensor) return b.scalar.i == 0;
  Tensor y = contiguous(to_dtype(*b.tensor, dtype));
  bool zero = false;
  MT_SWITCH_INT(dtype, {
    const scalar_t* p = y.data<scalar_t>();
    for (int64_t i = 0; i < y.numel(); i++) zero = zero || p[i] == 0;
  })
  return zero;
}

Tensor forward(BinaryOp op, Domain domain, const char* name, const Operand& a, const Operand& b,
               double alpha) {
  DType dtype = compute_type(op, domain, a, b, name);
  Prepared p = prepare(a, b, dtype, name);
  Tensor z = empty(p.shape, dtype, p.device);
  MT_DISPATCH_CPU(p.device, z.numel(), binary_forward, op, dtype, iter3(z, p, dtype), alpha);
  return z;
}

// z is written in place: its shape must be the broadcast shape, its dtype takes the result.
void forward_(BinaryOp op, Domain domain, const char* name, const Tensor& z, const Operand& b,
              double alpha) {
  Operand a{&z, {}};
  DType dtype = compute_type(op, domain, a, b, name);
  check_can_cast(dtype, z.dtype(), name);
  check_no_overlap(z, name);
  if (b.tensor) {
    Dims shape = broadcast_shapes(z.sizes(), b.tensor->sizes(), name);
    MT_CHECK(shape == z.sizes(), name, "_(): output with shape ", z.sizes(),
             " doesn't match the broadcast shape ", shape);
  }
  if (dtype != z.dtype() || (b.tensor && partly_overlaps(z, *b.tensor))) {
    copy_into(z, forward(op, domain, name, a, b, alpha));
  } else {
    Prepared p = prepare(a, b, dtype, name);
    MT_DISPATCH_CPU(p.device, z.numel(), binary_forward, op, dtype, iter3(z, p, dtype), alpha);
  }
  z.bump_version();
}

Tensor compare(CompareOp op, const char* name, const Operand& a, const Operand& b) {
  DType dtype = result_type(a, b);
  bool logical = op >= CompareOp::logical_and;
  if (!logical && a.tensor && !b.tensor && !is_floating(a.tensor->dtype()) && b.scalar.kind == Scalar::Float)
    dtype = DType::Float32;
  if (logical && a.tensor && b.tensor && a.tensor->dtype() != b.tensor->dtype()) {
    // Truth does not survive every conversion (0.5 to int), so each side is tested in its own type.
    Operand zero{nullptr, Scalar::of(int64_t(0))};
    Tensor x = compare(CompareOp::ne, name, a, zero), y = compare(CompareOp::ne, name, b, zero);
    return compare(op, name, {&x, {}}, {&y, {}});
  }
  Prepared p = prepare(a, b, dtype, name);
  Tensor z = empty(p.shape, DType::Bool, p.device);
  MT_DISPATCH_CPU(p.device, z.numel(), compare_forward, op, dtype, iter3(z, p, dtype));
  return z;
}

template <BinaryOp op, Domain domain> struct Named {
  static inline const char* name = "";
  static Tensor run(const Operand& a, const Operand& b) { return forward(op, domain, name, a, b, 1); }
  static void run_(const Tensor& z, const Operand& b) { forward_(op, domain, name, z, b, 1); }
};
template <CompareOp op> struct NamedCompare {
  static inline const char* name = "";
  static Tensor run(const Operand& a, const Operand& b) { return compare(op, name, a, b); }
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
  MT_CHECK(alpha.kind != Scalar::Float || is_floating(result_type(a, b)),
           "add(): For integral input tensors, argument alpha must not be a floating point number.");
  return forward(BinaryOp::add_scaled, Domain::Numeric, "add", a, b, alpha.d);
}
void add_scaled_(const Tensor& z, const Operand& b, const Scalar& alpha) {
  MT_CHECK(alpha.kind != Scalar::Float || is_floating(result_type({&z, {}}, b)),
           "add_(): For integral input tensors, argument alpha must not be a floating point number.");
  forward_(BinaryOp::add_scaled, Domain::Numeric, "add", z, b, alpha.d);
}

DType result_type_of(const Operand& a, const Operand& b) { return result_type(a, b); }
DType promote_types(DType a, DType b) { return promote(a, b); }

}  // namespace

MT_BIND(binary) {
#define MT_DEF_(op, domain)                                            \
  Named<BinaryOp::op, Domain::domain>::name = #op;                     \
  def_op<&Named<BinaryOp::op, Domain::domain>::run>(m, #op);           \
  def_plain<&Named<BinaryOp::op, Domain::domain>::run_>(m, #op "_");
#define MT_DEF_NUMERIC_(op, ...) MT_DEF_(op, Numeric)
#define MT_DEF_FLOAT_(op, ...) MT_DEF_(op, Float)
#define MT_DEF_BITS_(op, ...) MT_DEF_(op, Bits)
#define MT_DEF_INT_(op, ...) MT_DEF_(op, Int)
#define MT_DEF_COMPARE_(op, ...)                          \
  NamedCompare<CompareOp::op>::name = #op;                \
  def_plain<&NamedCompare<CompareOp::op>::run>(m, #op);   \
  def_plain<&NamedCompare<CompareOp::op>::run_>(m, #op "_");
  MT_BINARY_NUMERIC_OPS(MT_DEF_NUMERIC_)
  MT_BINARY_FLOAT_OPS(MT_DEF_FLOAT_)
  MT_BINARY_BIT_OPS(MT_DEF_BITS_)
  MT_BINARY_INT_OPS(MT_DEF_INT_)
  MT_COMPARE_OPS(MT_DEF_COMPARE_)
  def_op<&add_scaled>(m, "add_scaled");
  def_plain<&add_scaled_>(m, "add_scaled_");
  def_plain<&result_type_of>(m, "result_type");
  def_plain<&promote_types>(m, "promote_types");
}

}  // namespace mt
