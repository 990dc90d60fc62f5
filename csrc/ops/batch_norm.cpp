#include "ops/batch_norm.h"

#include "ops/channel_norm.h"
#include "ops/hidden.h"

namespace mt {
namespace {

BatchNormArgs args_of(const ChannelInput& in, double eps) {
  return {in.memory, in.n, in.c, in.inner, in.x.data(), in.data(in.weight), in.data(in.bias), eps};
}

using Result = std::tuple<Tensor, Hidden<Tensor>, Hidden<Tensor>>;

Result train(const Tensor& input, const std::optional<Tensor>& weight,
             const std::optional<Tensor>& bias, const std::optional<Tensor>& running_mean,
             const std::optional<Tensor>& running_var, double momentum, double eps) {
  const char* op = "batch_norm";
  ChannelInput in(op, input, weight, bias, true);
  Tensor y = in.empty_as_x(), mean = empty({in.c}, in.dtype, in.x.device()),
         rstd = empty_like(mean);
  // The kernel moves the statistics in the compute type; they are written back where that is
  // another tensor.
  Tensor m, v;
  if (running_mean) m = in.channel(op, "running_mean", *running_mean);
  if (running_var) v = in.channel(op, "running_var", *running_var);
  const bool move = in.x.numel() > 0;
  MT_DISPATCH(in.x.device(), in.x.numel(), batch_norm_train, args_of(in, eps), momentum, y.data(),
              mean.data(), rstd.data(), m && move ? m.data() : nullptr,
              v && move ? v.data() : nullptr);
  auto write_back = [&](const std::optional<Tensor>& running, const Tensor& moved) {
    if (!running || !move) return;
    if (moved.data() != running->data()) copy_into(*running, moved);
    running->bump_version();
  };
  write_back(running_mean, m);
  write_back(running_var, v);
  return {to_dtype_in_layout(y, input.dtype()), Hidden<Tensor>{mean}, Hidden<Tensor>{rstd}};
}

// mean and rstd are copies: the running statistics may move before the backward.
Result eval(const Tensor& input, const std::optional<Tensor>& weight,
            const std::optional<Tensor>& bias, const std::optional<Tensor>& running_mean,
            const std::optional<Tensor>& running_var, double eps, bool keep) {
  const char* op = "batch_norm";
  MT_CHECK(running_mean && running_var, op,
           "(): Expected running_mean and running_var to be defined when training=False");
  ChannelInput in(op, input, weight, bias, true);
  Tensor m = in.channel(op, "running_mean", *running_mean);
  Tensor v = in.channel(op, "running_var", *running_var);
  Tensor y = in.empty_as_x(), mean, rstd;
  MT_DISPATCH(in.x.device(), in.x.numel(), batch_norm_eval, args_of(in, eps), m.data(), v.data(),
              y.data());
  if (keep) {
    mean = empty_like(m);
    copy_into(mean, m);
    rstd = empty_like(v);
    MT_DISPATCH(in.x.device(), in.c, batch_norm_rstd, in.dtype, v.data(), eps, in.c, rstd.data());
  }
  return {to_dtype_in_layout(y, input.dtype()), Hidden<Tensor>{mean}, Hidden<Tensor>{rstd}};
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& dy, const Tensor& input,
                                            const std::optional<Tensor>& weight, const Tensor& mean,
                                            const Tensor& rstd, bool training, bool params) {
  ChannelInput in("batch_norm", input, weight, std::nullopt, true);
  Tensor g = in.like_x(to_dtype_in_layout(expand_to(dy, input.sizes(), "batch_norm"), in.memory));
  Tensor dx = in.empty_as_x(), dw, db;
  if (params) {
    dw = empty_like(mean);
    db = empty_like(mean);
  }
  MT_DISPATCH(in.x.device(), in.x.numel(), batch_norm_backward, args_of(in, 0), training, g.data(),
              mean.data(), rstd.data(), dx.data(), params ? dw.data() : nullptr,
              params ? db.data() : nullptr);
  return {to_dtype_in_layout(dx, input.dtype()), dw, db};
}

}  // namespace

MT_BIND(batch_norm) {
  def_op<&train>(m, "batch_norm_train");
  def_op<&eval>(m, "batch_norm_eval");
  def_raw<&backward>(m, "batch_norm_backward");
}

}  // namespace mt
