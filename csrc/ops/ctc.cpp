#include "ops/ctc.h"

#include "ops/dispatch.h"
#include "ops/hidden.h"

namespace mt {
namespace {

// log_probs [steps, n, classes]; targets [n, longest] or one after another, [sum of lengths].
struct Prepared {
  Tensor x, targets, starts, target_lengths, input_lengths;
  CtcArgs args;

  static Tensor lengths(const Tensor& t, const char* name, int64_t n) {
    MT_CHECK(!is_floating(t.dtype()) && t.dtype() != DType::Bool, "ctc_loss(): ", name,
             " must be integral, got ", t.dtype());
    MT_CHECK(t.dim() <= 1 && t.numel() == n, "ctc_loss(): ", name, " must be of size batch_size ",
             n, ", got ", t.sizes());
    return to_device(contiguous(to_dtype(t, DType::Int64)), {});
  }

  Prepared(const Tensor& log_probs, const Tensor& labels, const Tensor& input_len,
           const Tensor& target_len, int64_t blank) {
    check_floating(log_probs, "ctc_loss", "log_probs");
    MT_CHECK(log_probs.dim() == 3, "ctc_loss(): expected log_probs [T, N, C], got ",
             log_probs.sizes());
    MT_CHECK(!is_floating(labels.dtype()), "ctc_loss(): targets must be integral, got ",
             labels.dtype());
    MT_CHECK(labels.dim() == 1 || labels.dim() == 2,
             "ctc_loss(): expected targets [N, S] or [sum of "
             "lengths], got ",
             labels.sizes());
    const int64_t n = log_probs.size(1);
    args.dtype = log_probs.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    x = contiguous(to_dtype(log_probs, args.dtype));
    // The checks run on the host: where log_probs are on a GPU, the lengths and labels come here.
    Tensor host_targets = to_device(contiguous(to_dtype(labels, DType::Int64)), {});
    Tensor host_target_lengths = lengths(target_len, "target_lengths", n);
    Tensor host_input_lengths = lengths(input_len, "input_lengths", n);
    Tensor host_starts = empty({n}, DType::Int64);
    args.steps = x.size(0);
    args.n = n;
    args.classes = x.size(2);
    args.blank = blank;
    args.log_probs = x.data();
    MT_CHECK(blank >= 0 && blank < args.classes,
             "ctc_loss(): blank must be in label range: ", blank, " is not one of ", args.classes,
             " classes");
    const int64_t *target_length = host_target_lengths.data<int64_t>(),
                  *input_length = host_input_lengths.data<int64_t>();
    int64_t* start = host_starts.data<int64_t>();
    args.longest = 0;
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) {
      const int64_t length = target_length[i], steps = input_length[i];
      MT_CHECK(length >= 0,
               "ctc_loss(): Expected target_lengths to have value at least 0, but got value ",
               length);
      MT_CHECK(steps >= 0 && steps <= args.steps,
               "ctc_loss(): Expected input_lengths to have value at most ", args.steps,
               ", but got value ", steps);
      start[i] = labels.dim() == 2 ? i * labels.size(1) : total;
      MT_CHECK(labels.dim() == 1 || length <= labels.size(1), "ctc_loss(): a target of length ",
               length, " in targets of shape ", labels.sizes());
      total += length;
      args.longest = length > args.longest ? length : args.longest;
    }
    if (labels.dim() == 1)
      MT_CHECK(total == labels.numel(), "ctc_loss(): targets of shape ", labels.sizes(),
               " do not have the sum of target_lengths, ", total, ", elements");
    else
      MT_CHECK(labels.size(0) == n, "ctc_loss(): targets of shape ", labels.sizes(),
               " for a batch of ", n);
    for (int64_t i = 0; i < n; i++)
      for (int64_t j = 0; j < target_length[i]; j++) {
        const int64_t k = host_targets.data<int64_t>()[start[i] + j];
        MT_CHECK(k >= 0 && k < args.classes, "ctc_loss(): target ", k, " is out of range [0, ",
                 args.classes, ")");
      }
    targets = to_device(host_targets, x.device());
    target_lengths = to_device(host_target_lengths, x.device());
    input_lengths = to_device(host_input_lengths, x.device());
    starts = to_device(host_starts, x.device());
    args.targets = targets.data<int64_t>();
    args.target_lengths = target_lengths.data<int64_t>();
    args.input_lengths = input_lengths.data<int64_t>();
    args.target_starts = starts.data<int64_t>();
  }
  int64_t width() const { return 2 * args.longest + 1; }
};

std::tuple<Tensor, Hidden<Tensor>> forward(const Tensor& log_probs, const Tensor& targets,
                                           const Tensor& input_lengths,
                                           const Tensor& target_lengths, int64_t blank) {
  Prepared p(log_probs, targets, input_lengths, target_lengths, blank);
  Tensor loss = empty({p.args.n}, p.args.dtype, p.x.device());
  Tensor alpha = empty({p.args.n, p.args.steps, p.width()}, p.args.dtype, p.x.device());
  MT_DISPATCH(p.x.device(), alpha.numel(), ctc_forward, p.args, loss.data(), alpha.data());
  return {to_dtype(loss, log_probs.dtype()), Hidden<Tensor>{alpha}};
}

Tensor backward(const Tensor& dloss, const Tensor& log_probs, const Tensor& targets,
                const Tensor& input_lengths, const Tensor& target_lengths, int64_t blank,
                const Tensor& loss, const Tensor& alpha, bool zero_infinity) {
  Prepared p(log_probs, targets, input_lengths, target_lengths, blank);
  Tensor g = contiguous(to_dtype(expand_to(dloss, {p.args.n}, "ctc_loss"), p.args.dtype));
  Tensor l = to_dtype(loss, p.args.dtype), dx = empty_like(p.x);
  Tensor beta = empty({p.args.n, 2, p.width()}, p.args.dtype, p.x.device());
  MT_DISPATCH(p.x.device(), p.x.numel(), ctc_backward, p.args, l.data(), alpha.data(), g.data(),
              zero_infinity, beta.data(), dx.data());
  return to_dtype(dx, log_probs.dtype());
}

}  // namespace

MT_BIND(ctc) {
  def_op<&forward, kAnyDevice>(m, "ctc_loss");
  def_raw<&backward, kAnyDevice>(m, "ctc_loss_backward");
}

}  // namespace mt
