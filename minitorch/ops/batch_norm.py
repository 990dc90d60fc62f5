"""Batch norm."""

from __future__ import annotations

from .._load import _C
from ._compose import gradients
from ._register import Node, function, functional, record


class BatchNorm(Node):
    """y = (x - mean) rstd w + b per channel; mean and rstd depend on x in training only"""

    __slots__ = ("eps", "training")

    def backward(self, dy, dmean=None, drstd=None):
        x, w, b, mean, rstd = self.saved
        needs = self.needs_input_grad
        if _C.is_grad_enabled() or dmean is not None or drstd is not None:
            fixed = None if self.training else (mean, rstd)
            return gradients(
                lambda x, w, b: _batch_norm(x, w, b, self.eps, fixed),
                (x, w, b),
                needs,
                (dy, dmean, drstd),
            )
        return _C.batch_norm_backward(dy, x, w, mean, rstd, self.training, needs[1] or needs[2])


def _batch_norm(x, w, b, eps, fixed):
    """(y, mean, rstd) in recorded ops."""
    dims = (0, *range(2, x.dim()))
    shape = (1, -1, *(1,) * (x.dim() - 2))
    if fixed is None:
        mean = x.mean(dims, keepdim=True)
        centred = x - mean
        rstd = ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
        y = centred * rstd
        stats = (mean.reshape(-1), rstd.reshape(-1))
    else:
        y = (x - fixed[0].reshape(shape)) * fixed[1].reshape(shape)
        stats = ()
    y = y if w is None else y * w.reshape(shape)
    y = y if b is None else y + b.reshape(shape)
    return (y, *stats)


def _train(x, running_mean, running_var, w, b, momentum, eps):
    y, mean, rstd = _C.batch_norm_train(x, w, b, running_mean, running_var, momentum, eps)
    if y.requires_grad:
        node = record(BatchNorm, y, (x, w, b), (x, w, b, mean, rstd))
        node.eps = eps
        node.training = True
    return y


def _eval(x, running_mean, running_var, w, b, eps):
    keep = _C.is_grad_enabled()
    y, mean, rstd = _C.batch_norm_eval(x, w, b, running_mean, running_var, eps, keep)
    if y.requires_grad:
        node = record(BatchNorm, y, (x, w, b), (x, w, b, mean, rstd))
        node.eps = eps
        node.training = False
    return y


@functional
def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """Normalises each channel over the batch and the positions, then scales and shifts.

    Args:
        input: [N, C, *].
        running_mean, running_var: [C]; used in evaluation; in training moved in place by `momentum`
            towards the batch's mean and unbiased variance, where not None.
        weight, bias: [C].
        training: normalise with the batch's own statistics.
        eps: added to the variance.

    Raises:
        ValueError: training on one value per channel.
    """
    if input.dim() == 1 and not input.numel():
        return input.clone()
    if training:
        shape = input.shape
        if len(shape) >= 2 and input.numel() == shape[1]:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {tuple(shape)}"
            )
        return _train(input, running_mean, running_var, weight, bias, momentum, eps)
    return _eval(input, running_mean, running_var, weight, bias, eps)


@function(name="batch_norm")
def _top_level_batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=True
):
    """nn.functional.batch_norm with its arguments in another order."""
    if training:
        return _train(input, running_mean, running_var, weight, bias, momentum, eps)
    return _eval(input, running_mean, running_var, weight, bias, eps)


@function
def native_batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, *, out=None
):
    """batch_norm with the batch's statistics.

    Returns:
        A tuple (output, mean, rstd); the latter [C] in training, empty in evaluation.
    """
    if not training:
        y = _eval(input, running_mean, running_var, weight, bias, eps)
        empty = _C.empty((0,), y.dtype, y.device)
        outs = (y, empty, empty.clone())
    else:
        y, mean, rstd = _C.batch_norm_train(
            input, weight, bias, running_mean, running_var, momentum, eps
        )
        outs = (y, mean, rstd)
        if y.requires_grad:
            saved = (input, weight, bias, mean.detach(), rstd.detach())
            if input.requires_grad:
                mean.requires_grad = rstd.requires_grad = True
            node = record(BatchNorm, outs, (input, weight, bias), saved)
            node.eps = eps
            node.training = True
    if out is None:
        return outs
    from ._register import write_out

    return write_out(out, outs, "native_batch_norm")
