#include "ops/cross_entropy.h"

#include "ops/dispatch.h"
#include "ops/hidden.h"

namespace mt {
namespace {

// The arguments of a call as the kernels read them: contiguous, float32 or float64, or what CUDA's
// kernels take as it is.
struct Prepared {
  Tensor x, target, weight;
  CrossEntropyArgs args;
  DType compute;  // of losses, statistics and their gradients
  Dims rows;      // shape of the unreduced loss

  Prepared(const char* op, const Tensor& input, const Tensor& labels,
           const std::optional<Tensor>& weights, int reduction, int64_t ignore_index,
           double smoothing) {
    check_floating(input, op, "input");
    MT_CHECK(input.dim() >= 1, op,
             "(): expected input of at least one dim (the classes), got shape ", input.sizes());
    MT_CHECK(smoothing >= 0 && smoothing <= 1, op,
             "(): label_smoothing must be between 0.0 and 1.0, got ", smoothing);
    MT_CHECK_VALUE(reduction >= 0 && reduction <= 2, op, "(): ", reduction,
                   " is not a valid value for reduction");
    compute = input.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    const DType dtype = input.device().is_cpu() ? compute : input.dtype();
    const int class_dim = input.dim() == 1 ? 0 : 1;
    args.dtype = dtype;
    args.c = input.size(class_dim);
    args.n = class_dim ? input.size(0) : 1;
    args.inner = 1;
    for (int i = 2; i < input.dim(); i++) args.inner *= input.size(i);
    args.ignore_index = ignore_index;
    args.smoothing = smoothing;
    args.reduction = Reduction(reduction);
    rows = input.sizes();
    rows.erase(class_dim);
    x = contiguous(to_dtype(input, dtype));
    if (labels.same_shape(input) && is_floating(labels.dtype())) {
      MT_CHECK(ignore_index < 0, op,
               "(): ignore_index is not supported for floating point targets");
      target = contiguous(to_dtype(labels, dtype));
      args.probabilities = target.data();
    } else {
      check_labels(op, input, labels);
      target = contiguous(to_dtype(labels, DType::Int64));
      args.target = target.data<int64_t>();
    }
    if (weights) {
      MT_CHECK(weights->dim() == 1 && weights->numel() == args.c, op,
               "(): weight tensor should be defined either for all ", args.c,
               " classes or no classes but got weight tensor of shape: ", weights->sizes());
      weight = contiguous(to_dtype(*weights, dtype));
      args.weight = weight.data();
    }
    args.x = x.data();
  }

  void check_labels(const char* op, const Tensor& input, const Tensor& labels) const {
    MT_CHECK(
        labels.dtype() == DType::Int64 || labels.dtype() == DType::UInt8, op,
        "(): expected target of dtype int64 (class indices) or of input's shape and a floating "
        "dtype (class probabilities), got ",
        labels.dtype(), " of shape ", labels.sizes(), " for input of shape ", input.sizes());
    if (input.dim() >= 2 && labels.dim() >= 1)
      MT_CHECK_VALUE(labels.size(0) == input.size(0), op, "(): Expected input batch_size (",
                     input.size(0), ") to match target batch_size (", labels.size(0),
                     "): input of shape ", input.sizes(), ", target of shape ", labels.sizes());
    // One sample of classes may come with its label in a tensor of one element.
    const bool same =
        labels.sizes() == rows || (input.dim() == 1 && labels.numel() == 1 && labels.dim() == 1);
    MT_CHECK(same, op, "(): Expected target size ", rows, ", got ", labels.sizes(),
             " for input of shape ", input.sizes());
  }

  void check_range(const char* op, int64_t bad) const {
    if (bad < 0) return;
    fail(ErrorKind::Index, op, "(): Target ", args.target[bad],
         " is out of bounds: ", "classes are 0 to ", args.c - 1, " (position ", bad,
         " of the flattened target)");
  }

  Tensor result() const {
    return empty(args.reduction == Reduction::none ? rows : Dims{}, compute, x.device());
  }
  Tensor stats() const { return empty({args.n * args.inner, 2}, compute, x.device()); }
  // The gradient of the result in the compute type, contiguous.
  Tensor gradient(const Tensor& dy) const {
    return contiguous(to_dtype(
        args.reduction == Reduction::none ? expand_to(dy, rows, "cross_entropy") : dy, compute));
  }
  Tensor total() const { return empty({}, DType::Float64, x.device()); }
  // The denominator that the forward gave.
  const double* denominator(const std::optional<Tensor>& total) const {
    if (args.reduction != Reduction::mean) return nullptr;
    MT_CHECK(total && total->dtype() == DType::Float64 && total->numel() == 1,
             "cross_entropy_backward(): the mean needs the total weight of the forward");
    return total->data<double>();
  }
};

std::tuple<Tensor, Hidden<Tensor>, Hidden<Tensor>> cross_entropy(
    const Tensor& input, const Tensor& target, const std::optional<Tensor>& weight, int reduction,
    int64_t ignore_index, double smoothing) {
  Prepared p("cross_entropy", input, target, weight, reduction, ignore_index, smoothing);
  Tensor loss = p.result(), stats = p.stats(), total = p.total();
  int64_t bad = -1;
  MT_DISPATCH(p.x.device(), p.x.numel(), cross_entropy_forward, p.args, loss.data(), stats.data(),
              total.data<double>(), &bad);
  p.check_range("cross_entropy", bad);
  return {to_dtype(loss, input.dtype()), Hidden<Tensor>{stats}, Hidden<Tensor>{total}};
}

Tensor cross_entropy_grad(const Tensor& dy, const Tensor& input, const Tensor& target,
                          const std::optional<Tensor>& weight, const Tensor& stats, int reduction,
                          int64_t ignore_index, double smoothing,
                          const std::optional<Tensor>& total) {
  Prepared p("cross_entropy", input, target, weight, reduction, ignore_index, smoothing);
  Tensor g = p.gradient(dy), dx = empty_like(p.x);
  MT_DISPATCH(p.x.device(), p.x.numel(), cross_entropy_backward, p.args, stats.data(), g.data(),
              p.denominator(total), dx.data());
  return to_dtype(dx, input.dtype());
}

std::tuple<Tensor, Hidden<Tensor>> nll(const Tensor& input, const Tensor& target,
                                       const std::optional<Tensor>& weight, int reduction,
                                       int64_t ignore_index) {
  MT_CHECK(!is_floating(target.dtype()),
           "nll_loss(): expected target of class indices (int64), got ", target.dtype());
  Prepared p("nll_loss", input, target, weight, reduction, ignore_index, 0);
  Tensor loss = p.result(), total = p.total();
  int64_t bad = -1;
  MT_DISPATCH(p.x.device(), p.x.numel(), nll_forward, p.args, loss.data(), total.data<double>(),
              &bad);
  p.check_range("nll_loss", bad);
  return {to_dtype(loss, input.dtype()), Hidden<Tensor>{total}};
}

// input gives shape and dtype only.
Tensor nll_grad(const Tensor& dy, const Tensor& input, const Tensor& target,
                const std::optional<Tensor>& weight, int reduction, int64_t ignore_index,
                const std::optional<Tensor>& total) {
  Prepared p("nll_loss", input, target, weight, reduction, ignore_index, 0);
  Tensor g = p.gradient(dy), dx = empty_like(p.x);
  MT_DISPATCH(p.x.device(), p.x.numel(), nll_backward, p.args, g.data(), p.denominator(total),
              dx.data());
  return to_dtype(dx, input.dtype());
}

}  // namespace

MT_BIND(cross_entropy) {
  def_op<&cross_entropy>(m, "cross_entropy");
  def_raw<&cross_entropy_grad>(m, "cross_entropy_backward");
  def_op<&nll>(m, "nll_loss");
  def_raw<&nll_grad>(m, "nll_loss_backward");
}

}  // namespace mt
