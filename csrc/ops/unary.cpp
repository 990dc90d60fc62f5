#include "ops/unary.h"

#include "ops/dispatch.h"
#include "ops/iterators.h"

namespace mt {
namespace {

enum class Domain { Float, Numeric, Round, Bits };

void check_domain(const Tensor& x, Domain domain, const char* name) {
  if (domain == Domain::Bits)
    MT_CHECK_KIND(ErrorKind::NotImplemented, !is_floating(x.dtype()), name,
                  "(): expected an integer or bool tensor, got ", x.dtype());
  if (domain == Domain::Numeric || domain == Domain::Round)
    MT_CHECK_KIND(ErrorKind::NotImplemented, x.dtype() != DType::Bool, name,
                  "(): not defined for bool tensors");
}

Tensor forward(UnaryOp op, Domain domain, const char* name, const Tensor& x) {
  check_domain(x, domain, name);
  DType dtype = domain == Domain::Float ? to_floating(x.dtype()) : x.dtype();
  Tensor y = empty_like_layout(x, dtype);
  if (domain == Domain::Round && !is_floating(dtype)) {
    copy_into(y, x);
    return y;
  }
  MT_DISPATCH(x.device(), x.numel(), unary_forward, op, compute_dtype(dtype), {{dtype, x.dtype()}},
              iter2(y, x));
  return y;
}

void forward_(UnaryOp op, Domain domain, const char* name, const Tensor& x) {
  check_domain(x, domain, name);
  if (domain == Domain::Float) check_can_cast(DType::Float32, x.dtype(), name);
  check_no_overlap(x, name);
  x.bump_version();
  if (domain == Domain::Round && !is_floating(x.dtype())) return;
  MT_DISPATCH(x.device(), x.numel(), unary_forward, op, compute_dtype(x.dtype()),
              {{x.dtype(), x.dtype()}}, iter2(x, x));
}

// ~x flips bits; of a bool it is the other truth value.
Tensor bitwise_not(const Tensor& x) {
  if (x.dtype() != DType::Bool)
    return forward(UnaryOp::bitwise_not, Domain::Bits, "bitwise_not", x);
  Tensor y = empty_like_layout(x, DType::Bool);
  MT_DISPATCH(x.device(), x.numel(), unary_test, TestOp::logical_not, DType::Int64,
              {{DType::Bool, DType::Bool}}, iter2(y, x));
  return y;
}
void bitwise_not_(const Tensor& x) {
  if (x.dtype() != DType::Bool)
    return forward_(UnaryOp::bitwise_not, Domain::Bits, "bitwise_not", x);
  check_no_overlap(x, "bitwise_not");
  copy_into(x, bitwise_not(x));
  x.bump_version();
}

Tensor backward(UnaryOp op, const Tensor& dy, const Tensor& saved) {
  DType dtype = to_floating(saved.dtype());
  Tensor dx = empty_like_layout(saved, dtype);
  MT_DISPATCH(saved.device(), saved.numel(), unary_backward, op, compute_dtype(dtype),
              {{dtype, dy.dtype(), saved.dtype()}}, iter3(dx, dy, saved));
  return dx;
}

Tensor test(TestOp op, const Tensor& x) {
  Tensor y = empty_like_layout(x, DType::Bool);
  if (!is_floating(x.dtype()) && op != TestOp::logical_not) {
    // Integers are finite, and only they can be negative without a sign of zero.
    Tensor zero =
        scalar_tensor(Scalar::of(int64_t(op == TestOp::isfinite)), DType::Bool, x.device());
    copy_into(y, zero);
    return y;
  }
  MT_DISPATCH(x.device(), x.numel(), unary_test, op, compute_dtype(x.dtype()),
              {{DType::Bool, x.dtype()}}, iter2(y, x));
  return y;
}

template <UnaryOp op, Domain domain>
struct Named {
  static inline const char* name = "";
  static Tensor run(const Tensor& x) { return forward(op, domain, name, x); }
  static void run_(const Tensor& x) { forward_(op, domain, name, x); }
  static Tensor run_backward(const Tensor& dy, const Tensor& saved) {
    return backward(op, dy, saved);
  }
};
template <TestOp op>
Tensor run_test(const Tensor& x) {
  return test(op, x);
}

}  // namespace

MT_BIND(unary) {
#define MT_DEF_(op, domain, backward)                               \
  Named<UnaryOp::op, Domain::domain>::name = #op;                   \
  def_op<&Named<UnaryOp::op, Domain::domain>::run>(m, #op);         \
  def_plain<&Named<UnaryOp::op, Domain::domain>::run_>(m, #op "_"); \
  if (backward) def_raw<&Named<UnaryOp::op, Domain::domain>::run_backward>(m, #op "_backward");
#define MT_DEF_FLOAT_(op, ...) MT_DEF_(op, Float, true)
#define MT_DEF_NUMERIC_(op, ...) MT_DEF_(op, Numeric, true)
#define MT_DEF_ROUND_(op, ...) MT_DEF_(op, Round, false)
#define MT_DEF_TEST_(op, ...) def_plain<&run_test<TestOp::op>>(m, #op);
  MT_UNARY_FLOAT_OPS(MT_DEF_FLOAT_)
  MT_UNARY_NUMERIC_OPS(MT_DEF_NUMERIC_)
  MT_UNARY_ROUND_OPS(MT_DEF_ROUND_)
  def_op<&bitwise_not>(m, "bitwise_not");
  def_plain<&bitwise_not_>(m, "bitwise_not_");
  MT_UNARY_TEST_OPS(MT_DEF_TEST_)
}

}  // namespace mt
