#include "ops/ternary.h"

#include "ops/dispatch.h"
#include "ops/iterators.h"

namespace mt {
namespace {

// The dtype of an operation on any number of tensors and numbers: dimensioned tensors decide, over
// 0-dim ones, over numbers; a higher category (bool, integer, float) always counts.
DType result_type_of(std::initializer_list<const Operand*> operands) {
  DType dim_type = DType::Bool, zero_type = DType::Bool;
  bool any_dim = false, any_zero = false;
  Scalar::Kind number = Scalar::Bool;
  bool any_number = false;
  for (const Operand* o : operands) {
    if (!o->tensor) {
      any_number = true;
      if (o->scalar.kind > number) number = o->scalar.kind;
    } else if (o->tensor->dim()) {
      dim_type = any_dim ? promote(dim_type, o->tensor->dtype()) : o->tensor->dtype();
      any_dim = true;
    } else {
      zero_type = any_zero ? promote(zero_type, o->tensor->dtype()) : o->tensor->dtype();
      any_zero = true;
    }
  }
  auto category = [](DType t) { return t == DType::Bool ? 0 : is_floating(t) ? 2 : 1; };
  Scalar s{number, 0, 0};
  DType type = any_zero ? zero_type : any_dim ? dim_type : DType::Bool;
  if (any_number) {
    DType numbers = number == Scalar::Float ? DType::Float32
                    : number == Scalar::Int ? DType::Int64
                                            : DType::Bool;
    if (!any_zero && !any_dim) return numbers;
    if (!any_zero) return promote_scalar(dim_type, s);
    type = promote_scalar(zero_type, s);
  }
  if (!any_dim) return type;
  return category(type) > category(dim_type) ? promote(type, dim_type) : dim_type;
}

union Value {
  float f;
  double d;
  int64_t i;
};

Value value_of(const Scalar& s, DType compute) {
  Value v;
  if (compute == DType::Float32) v.f = float(s.d);
  else if (compute == DType::Float64) v.d = s.d;
  else v.i = s.i;
  return v;
}

// {z, a, b, c}; numbers are operands of stride 0.
struct Quad {
  Value values[3];
  Tensor numbers[3];
  OperandTypes types;
  ElementIter it;

  // types_in[k]: the type in which the kernel takes operand k (for numbers).
  Quad(const Tensor& z, const Operand* const (&in)[3], DType compute) {
    types.t[0] = z.dtype();
    bool flat = z.is_contiguous();
    for (int k = 0; k < 3; k++) {
      const Tensor* t = in[k]->tensor;
      types.t[k + 1] = t ? t->dtype() : compute;
      if (!t) types.numbers |= uint8_t(2 << k);
      if (!t) values[k] = value_of(in[k]->scalar, compute);
      flat = flat && (!t || (t->is_contiguous() && t->numel() == z.numel()));
    }
    if (flat) {
      void* p[3];
      int64_t s[3];
      for (int k = 0; k < 3; k++) {
        const Tensor* t = in[k]->tensor;
        p[k] = t ? t->data() : &values[k];
        s[k] = t ? int64_t(itemsize(t->dtype())) : 0;
      }
      it = flat_iter(z.numel(), {z.data(), p[0], p[1], p[2]},
                     {int64_t(itemsize(z.dtype())), s[0], s[1], s[2]});
      return;
    }
    const Tensor* t[3];
    for (int k = 0; k < 3; k++) {
      if (!in[k]->tensor) {
        numbers[k] = empty({}, compute, {});
        __builtin_memcpy(numbers[k].data(), &values[k], itemsize(compute));
      }
      t[k] = in[k]->tensor ? in[k]->tensor : &numbers[k];
    }
    it = make_iter(z.sizes(), {&z, t[0], t[1], t[2]});
  }
};

Dims shape_of(std::initializer_list<const Operand*> operands, const char* name) {
  Dims shape;
  const Tensor* first = nullptr;
  for (const Operand* o : operands) {
    if (!o->tensor) continue;
    if (first) check_same_device(*first, *o->tensor, name);
    if (!first || !first->same_shape(*o->tensor))
      shape = first ? broadcast_shapes(shape, o->tensor->sizes(), name) : o->tensor->sizes();
    if (!first) first = o->tensor;
  }
  return shape;
}

// The layout of the first tensor of the result's shape.
Tensor result(std::initializer_list<const Operand*> operands, const Dims& shape, DType dtype) {
  for (const Operand* o : operands)
    if (o->tensor && o->tensor->sizes() == shape) return empty_like_layout(*o->tensor, dtype);
  for (const Operand* o : operands)
    if (o->tensor) return empty(shape, dtype, o->tensor->device());
  return empty(shape, dtype, {});
}

DType checked_type(TernaryOp op, const char* name, const Operand& a, const Operand& b,
                   const Operand& c, const Scalar& value) {
  DType dtype = result_type_of({&a, &b, &c});
  if (op == TernaryOp::lerp) {
    MT_CHECK_TYPE(a.tensor && b.tensor, "lerp(): input and end must be Tensors");
    dtype = a.tensor->dtype();  // the weight does not promote
  }
  if (op == TernaryOp::addcdiv || op == TernaryOp::lerp)
    MT_CHECK(is_floating(dtype), name, "(): expected floating point tensors, got ", dtype,
             op == TernaryOp::addcdiv ? ": integer division with addcdiv is not supported" : "");
  if (op == TernaryOp::lerp)
    for (const Operand* o : {&b, &c})
      MT_CHECK(!o->tensor || o->tensor->dtype() == a.tensor->dtype(), "lerp(): expected dtype ",
               a.tensor->dtype(), " for all tensors, got ", o->tensor->dtype());
  MT_CHECK(dtype != DType::Bool, name, "(): not defined for bool tensors");
  MT_CHECK(is_floating(dtype) || value.kind != Scalar::Float, name,
           "(): for integer tensors, argument value must not be a floating point number");
  return dtype;
}

Tensor forward(TernaryOp op, const char* name, const Operand& a, const Operand& b, const Operand& c,
               const Scalar& value) {
  DType dtype = checked_type(op, name, a, b, c, value);
  Tensor z = result({&a, &b, &c}, shape_of({&a, &b, &c}, name), dtype);
  DType compute = compute_dtype(dtype);
  Quad q(z, {&a, &b, &c}, compute);
  MT_DISPATCH(z.device(), z.numel(), ternary_forward, op, compute, q.types, q.it,
              Number{value.d, value.i});
  return z;
}

void forward_(TernaryOp op, const char* name, const Tensor& z, const Operand& b, const Operand& c,
              const Scalar& value) {
  Operand a{&z, {}};
  DType dtype = checked_type(op, name, a, b, c, value);
  check_can_cast(dtype, z.dtype(), name);
  check_no_overlap(z, name);
  Dims shape = shape_of({&a, &b, &c}, name);
  MT_CHECK(shape == z.sizes(), name, "_(): output with shape ", z.sizes(),
           " doesn't match the broadcast shape ", shape);
  if ((b.tensor && partly_overlaps(z, *b.tensor)) || (c.tensor && partly_overlaps(z, *c.tensor))) {
    copy_into(z, forward(op, name, a, b, c, value));
  } else {
    DType compute = compute_dtype(dtype);
    Quad q(z, {&a, &b, &c}, compute);
    MT_DISPATCH(z.device(), z.numel(), ternary_forward, op, compute, q.types, q.it,
                Number{value.d, value.i});
  }
  z.bump_version();
}

template <TernaryOp op>
struct Named {
  static inline const char* name = "";
  static Tensor run(const Operand& a, const Operand& b, const Operand& c, const Scalar& value) {
    return forward(op, name, a, b, c, value);
  }
  static void run_(const Tensor& z, const Operand& b, const Operand& c, const Scalar& value) {
    forward_(op, name, z, b, c, value);
  }
};

Tensor where(const Tensor& condition, const Operand& x, const Operand& y) {
  MT_CHECK(condition.dtype() == DType::Bool || condition.dtype() == DType::UInt8,
           "where(): expected condition to be a boolean tensor, but got a tensor with dtype ",
           condition.dtype());
  DType dtype = result_type_of({&x, &y}), compute = compute_dtype(dtype);
  Operand c{&condition, {}};
  Tensor z = result({&x, &y, &c}, shape_of({&c, &x, &y}, "where"), dtype);
  Quad q(z, {&c, &x, &y}, compute);
  MT_DISPATCH(z.device(), z.numel(), where_forward, compute, q.types, q.it);
  return z;
}

}  // namespace

MT_BIND(ternary) {
#define MT_DEF_(op, ...)                      \
  Named<TernaryOp::op>::name = #op;           \
  def_op<&Named<TernaryOp::op>::run>(m, #op); \
  def_plain<&Named<TernaryOp::op>::run_>(m, #op "_");
  MT_TERNARY_NUMERIC_OPS(MT_DEF_)
  MT_TERNARY_FLOAT_OPS(MT_DEF_)
  def_op<&where>(m, "where");
}

}  // namespace mt
