#include "ops/loss.h"

#include "ops/dispatch.h"

namespace mt {
namespace {

// Both operands broadcast, contiguous and of one dtype, with the weights in the same shape.
struct Prepared {
  Tensor x, t, w, q;
  DType result;
  LossArgs args;

  Prepared(LossOp op, const char* name, const Tensor& input, const Tensor& target,
           const std::optional<Tensor>& weight, const std::optional<Tensor>& positive,
           double parameter, int reduction) {
    MT_CHECK_VALUE(reduction >= 0 && reduction <= 2, name, "(): ", reduction,
                   " is not a valid value for reduction");
    check_same_device(input, target, name);
    result = input.dtype() == target.dtype()
                 ? input.dtype()
                 : result_type(Operand{&input, {}}, Operand{&target, {}});
    MT_CHECK(is_floating(result), name, "(): expected floating point tensors, got ", input.dtype(),
             " and ", target.dtype());
    const DType dtype = result == DType::Float64 ? DType::Float64 : DType::Float32;
    const Dims shape = input.same_shape(target)
                           ? input.sizes()
                           : broadcast_shapes(input.sizes(), target.sizes(), name);
    auto prepare = [&](const Tensor& v) {
      return contiguous(to_dtype(v.sizes() == shape ? v : expand_to(v, shape, name), dtype));
    };
    x = prepare(input);
    t = prepare(target);
    if (weight) w = prepare(*weight);
    if (positive) q = prepare(*positive);
    args = {op,
            dtype,
            x.numel(),
            x.data(),
            t.data(),
            w ? w.data() : nullptr,
            q ? q.data() : nullptr,
            parameter,
            Reduction(reduction)};
  }
};

void warn_shapes(const char* name, const Tensor& input, const Tensor& target) {
  std::string text =
      concat(name, "(): Using a target size (", target.sizes(),
             ") that is different to the input size (", input.sizes(),
             "). This will likely lead to incorrect results due to broadcasting. Please "
             "ensure they have the same size.");
  if (PyErr_WarnEx(PyExc_UserWarning, text.c_str(), 1) < 0) throw py::error_already_set();
}

template <LossOp op>
struct Named {
  static inline const char* name = "";
  static constexpr bool warns = op == LossOp::mse_loss || op == LossOp::l1_loss ||
                                op == LossOp::smooth_l1_loss || op == LossOp::huber_loss;

  static Tensor run(const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight,
                    const std::optional<Tensor>& positive, double parameter, int reduction) {
    if (warns && !input.same_shape(target)) warn_shapes(name, input, target);
    Prepared p(op, name, input, target, weight, positive, parameter, reduction);
    const bool each = p.args.reduction == Reduction::none;
    Tensor y = each ? empty_like(p.x) : empty({}, p.args.dtype, p.x.device());
    bool in_range = true;
    if (p.args.n || !each)
      MT_DISPATCH(p.x.device(), p.args.n, loss_forward, p.args, y.data(), &in_range);
    MT_CHECK(in_range, name, "(): all elements of input should be between 0 and 1");
    return to_dtype(y, p.result);
  }

  static Tensor run_backward(const Tensor& dy, const Tensor& input, const Tensor& target,
                             const std::optional<Tensor>& weight,
                             const std::optional<Tensor>& positive, double parameter,
                             int reduction) {
    Prepared p(op, name, input, target, weight, positive, parameter, reduction);
    const bool each = p.args.reduction == Reduction::none;
    Tensor g = contiguous(to_dtype(each ? expand_to(dy, p.x.sizes(), name) : dy, p.args.dtype));
    Tensor dx = empty_like(p.x);
    MT_DISPATCH(p.x.device(), p.args.n, loss_backward, p.args, g.data(), dx.data());
    return to_dtype(dx, p.result);
  }
};

}  // namespace

MT_BIND(loss) {
#define MT_DEF_(op, ...)                   \
  Named<LossOp::op>::name = #op;           \
  def_op<&Named<LossOp::op>::run>(m, #op); \
  def_raw<&Named<LossOp::op>::run_backward>(m, #op "_backward");
  MT_LOSS_OPS(MT_DEF_)
}

}  // namespace mt
