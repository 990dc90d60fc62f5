"""Group norm and instance norm."""

from __future__ import annotations

from .._load import _C
from ._compose import gradients
from ._register import Node, function, functional, record
from .batch_norm import _eval, _train


class GroupNorm(Node):
    """y = (x - mean) rstd w + b per group of channels of a sample"""

    __slots__ = ("eps", "groups")

    def backward(self, dy, dmean=None, drstd=None):
        x, w, b, mean, rstd = self.saved
        needs = self.needs_input_grad
        if _C.is_grad_enabled() or dmean is not None or drstd is not None:
            return gradients(
                lambda x, w, b: _group_norm(x, self.groups, w, b, self.eps),
                (x, w, b),
                needs,
                (dy, dmean, drstd),
            )
        return _C.group_norm_backward(dy, x, self.groups, w, mean, rstd, needs[1] or needs[2])


def _group_norm(x, groups, w, b, eps):
    """(y, mean, rstd) in recorded ops."""
    inner = 1
    for size in x.shape[2:]:
        inner *= size
    rows = x.reshape(x.shape[0], groups, x.shape[1] // groups * inner)
    mean = rows.mean(2, keepdim=True)
    centred = rows - mean
    rstd = ((centred * centred).mean(2, keepdim=True) + eps).rsqrt()
    y = (centred * rstd).reshape(x.shape)
    shape = (1, -1, *(1,) * (x.dim() - 2))
    y = y if w is None else y * w.reshape(shape)
    y = y if b is None else y + b.reshape(shape)
    return y, mean.squeeze(2), rstd.squeeze(2)


def _forward(input, groups, weight, bias, eps):
    y, mean, rstd = _C.group_norm(input, groups, weight, bias, eps)
    if y.requires_grad:
        node = record(GroupNorm, y, (input, weight, bias), (input, weight, bias, mean, rstd))
        node.eps = eps
        node.groups = groups
    return y


@functional
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalises each group of channels of each sample, then scales and shifts per channel.

    Args:
        input: [N, C, *].
        num_groups: C is a multiple of it.
        weight, bias: [C].
        eps: added to the variance.

    Raises:
        ValueError: groups of one value.
    """
    shape = input.shape
    if len(shape) >= 2 and num_groups > 0 and shape[0] * num_groups == input.numel() > 0:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {tuple(shape)} in "
            f"{num_groups} groups"
        )
    return _forward(input, num_groups, weight, bias, eps)


@function(name="group_norm")
def _top_level_group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    """nn.functional.group_norm."""
    return _forward(input, num_groups, weight, bias, eps)


@function
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """group_norm with its statistics.

    Args:
        N, C, HxW: sizes of input.
        group: number of groups.

    Returns:
        A tuple (output, mean, rstd); the latter [N, group].
    """
    y, mean, rstd = _C.group_norm(input, group, weight, bias, eps)
    outs = (y, mean, rstd)
    if y.requires_grad:
        saved = (input, weight, bias, mean.detach(), rstd.detach())
        if input.requires_grad:
            mean.requires_grad = rstd.requires_grad = True
        node = record(GroupNorm, outs, (input, weight, bias), saved)
        node.eps = eps
        node.groups = group
    return outs


@functional
def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True,
    momentum=0.1, eps=1e-5,
):  # fmt: skip
    """Normalises each channel of each sample over its positions, then scales and shifts.

    Args:
        input: [N, C, *] with at least one more dim.
        running_mean, running_var: [C], moved towards the samples' average; used where not
            use_input_stats.
        weight, bias: [C].
        eps: added to the variance.

    Raises:
        ValueError: one position per channel.
    """
    return _instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps, True
    )


@function(name="instance_norm")
def _top_level_instance_norm(
    input,
    weight,
    bias,
    running_mean,
    running_var,
    use_input_stats,
    momentum,
    eps,
    cudnn_enabled=True,
):
    """nn.functional.instance_norm with its arguments in another order."""
    return _instance_norm(
        input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps, False
    )


def _instance_norm(x, running_mean, running_var, w, b, use_input_stats, momentum, eps, check):
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "instance_norm(): Expected running_mean and running_var to be defined when "
                "use_input_stats is False"
            )
        return _eval(x, running_mean, running_var, w, b, eps)
    shape = x.shape
    if len(shape) < 2:
        raise RuntimeError(f"instance_norm(): expected input (N, C, *), got shape {tuple(shape)}")
    n, c = shape[0], shape[1]
    if check and n * c == x.numel() > 0:
        raise ValueError(
            f"Expected more than 1 spatial element when training, got input size {tuple(shape)}"
        )
    if running_mean is None and running_var is None:
        return _forward(x, c, w, b, eps)
    # Every (sample, channel) pair as a channel of one sample, with statistics of its own.
    means = None if running_mean is None else running_mean.detach().repeat(n)
    variances = None if running_var is None else running_var.detach().repeat(n)
    y = _train(x.reshape(1, n * c, *shape[2:]), means, variances, None, None, momentum, eps)
    for running, moved in ((running_mean, means), (running_var, variances)):
        if running is not None:
            running.detach().copy_(moved.reshape(n, c).mean(0))
    y = y.reshape(shape)
    per_channel = (1, c, *(1,) * (len(shape) - 2))
    y = y if w is None else y * w.reshape(per_channel)
    return y if b is None else y + b.reshape(per_channel)
