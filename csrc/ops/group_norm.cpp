#include "ops/group_norm.h"

#include "ops/channel_norm.h"
#include "ops/hidden.h"

namespace mt {
namespace {

GroupNormArgs args_of(const char* op, const ChannelInput& in, int64_t groups, double eps) {
  MT_CHECK(groups > 0, op, "(): Expected num groups to be greater than 0, got ", groups);
  MT_CHECK(
      in.c % groups == 0, op,
      "(): Expected number of channels in input to be divisible by num_groups, but got input of ",
      in.c, " channels and num_groups=", groups);
  return {in.memory,        in.n, in.c, in.inner, groups, in.x.data(), in.data(in.weight),
          in.data(in.bias), eps};
}

std::tuple<Tensor, Hidden<Tensor>, Hidden<Tensor>> forward(const Tensor& input, int64_t groups,
                                                           const std::optional<Tensor>& weight,
                                                           const std::optional<Tensor>& bias,
                                                           double eps) {
  ChannelInput in("group_norm", input, weight, bias);
  GroupNormArgs args = args_of("group_norm", in, groups, eps);
  Tensor y = empty_like(in.x), mean = empty({in.n, groups}, in.dtype, in.x.device());
  Tensor rstd = empty_like(mean);
  MT_DISPATCH(in.x.device(), in.x.numel(), group_norm_forward, args, y.data(), mean.data(),
              rstd.data());
  return {to_dtype(y, input.dtype()), Hidden<Tensor>{mean}, Hidden<Tensor>{rstd}};
}

std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& dy, const Tensor& input, int64_t groups,
                                            const std::optional<Tensor>& weight, const Tensor& mean,
                                            const Tensor& rstd, bool params) {
  ChannelInput in("group_norm", input, weight, std::nullopt);
  GroupNormArgs args = args_of("group_norm", in, groups, 0);
  Tensor g = contiguous(to_dtype(expand_to(dy, input.sizes(), "group_norm"), in.memory));
  Tensor dx = empty_like(in.x), dw, db, partial = empty({in.n, 2, in.c}, in.dtype, in.x.device());
  if (params) {
    dw = empty({in.c}, in.dtype, in.x.device());
    db = empty_like(dw);
  }
  MT_DISPATCH(in.x.device(), in.x.numel(), group_norm_backward, args, g.data(), mean.data(),
              rstd.data(), dx.data(), params ? dw.data() : nullptr, params ? db.data() : nullptr,
              partial.data());
  return {to_dtype(dx, input.dtype()), dw, db};
}

}  // namespace

MT_BIND(group_norm) {
  def_op<&forward>(m, "group_norm");
  def_raw<&backward>(m, "group_norm_backward");
}

}  // namespace mt
