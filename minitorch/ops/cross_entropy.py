"""Cross-entropy and negative log-likelihood."""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._reduction import MEAN, NONE, SUM, reduction_code
from ._register import FUNCTIONAL, Node, functional, record


class CrossEntropy(Node):
    """loss = -sum_c w_c t_c log softmax(x)_c"""

    __slots__ = ("options", "total")

    def backward(self, dy):
        x, target, weight, stats = self.saved
        if _C.is_grad_enabled() or self.needs(1):
            return self._composed(dy, x, target, weight)
        return (
            _C.cross_entropy_backward(dy, x, target, weight, stats, *self.options, self.total),
            None,
        )

    def _composed(self, dy, x, target, weight):
        """The same in differentiable ops: dx = g (softmax(x) sum_c w_c t_c - w t)."""
        reduction, ignore_index, smoothing = self.options
        dim = 1 if x.dim() > 1 else 0
        w = None if weight is None else weight.reshape(-1, *(1,) * (x.dim() - 1 - dim)).to(x.dtype)
        if target.dtype.is_floating_point:
            t = target * (1 - smoothing) + smoothing / x.size(dim)
            t = t if w is None else t * w
        else:
            one = _C.full((), -1.0, x.dtype, x.device)
            t = _C.nll_loss_backward(one, x.detach(), target, weight, SUM, ignore_index, None)
            if smoothing:
                valid = (target != ignore_index).reshape(_rows(x, dim)).unsqueeze(dim).to(x.dtype)
                even = valid * (smoothing / x.size(dim))
                t = t * (1 - smoothing) + (even if w is None else even * w)
        g = dy.unsqueeze(dim) if reduction == NONE else dy
        if reduction == MEAN:
            g = g / self.total
        dx = g * (x.softmax(dim) * t.sum(dim, keepdim=True) - t)
        if not self.needs(1):
            return dx, None
        dt = -g * (1 - smoothing) * x.log_softmax(dim)
        return dx, dt if w is None else dt * w


class NllLoss(Node):
    """loss = -w_y x_y"""

    __slots__ = ("options", "total")

    def backward(self, dy):
        x, target, weight = self.saved
        reduction, ignore_index = self.options
        if not _C.is_grad_enabled():
            return _C.nll_loss_backward(dy, x, target, weight, reduction, ignore_index, self.total)
        one = _C.full((), 1.0, x.dtype, x.device)
        t = _C.nll_loss_backward(one, x.detach(), target, weight, SUM, ignore_index, None)
        if reduction == NONE:
            dim = 1 if x.dim() > 1 else 0
            dy = dy.reshape(_rows(x, dim)).unsqueeze(dim)
        elif reduction == MEAN:
            dy = dy / self.total
        return dy * t


def _rows(x, dim):
    shape = list(x.shape)
    del shape[dim]
    return tuple(shape)


@functional
def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean",
    label_smoothing=0.0,
):  # fmt: skip
    """Cross-entropy of unnormalised logits.

    Args:
        input: logits, [C], [N, C] or [N, C, d1 ...].
        target: classes of dtype int64 in [0, C), of input's shape without C; or probabilities of
            input's shape.
        weight: [C], scale of each class.
        ignore_index: a target that adds neither loss nor gradient.
        reduction: "none", "mean" (over the weights of the targets) or "sum".
        label_smoothing: share of each target that is spread evenly over the classes.

    Returns:
        The loss: a scalar, or of the shape of input without C for "none".

    Raises:
        IndexError: a target outside of [0, C).
        ValueError: input and target of different batch sizes.
    """
    if _amp.enabled:
        input, target, weight = _amp.float32("cross_entropy", input, target, weight)
    code = reduction_code(reduction, size_average, reduce)
    loss, stats, total = _C.cross_entropy(
        input, target, weight, code, ignore_index, label_smoothing
    )
    if loss.requires_grad:
        node = record(CrossEntropy, loss, (input, target), (input, target, weight, stats))
        node.options = (code, ignore_index, label_smoothing)
        node.total = total
    return loss


@functional
def nll_loss(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
):
    """Negative log-likelihood of log-probabilities.

    Args:
        input: log-probabilities, [C], [N, C] or [N, C, d1 ...].
        target, weight, ignore_index, reduction: as in cross_entropy, classes only.
    """
    code = reduction_code(reduction, size_average, reduce)
    loss, total = _C.nll_loss(input, target, weight, code, ignore_index)
    if loss.requires_grad:
        node = record(NllLoss, loss, (input,), (input, target, weight))
        node.options = (code, ignore_index)
        node.total = total
    return loss


@functional
def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean",
    ignore_index=None, label_smoothing=0.0, options=None,
):  # fmt: skip
    """cross_entropy(linear(input, linear_weight, linear_bias), target).

    Args:
        input: [..., F].
        linear_weight: [C, F], or [C, d1 ..., F] for losses at d1 ... positions.
        linear_bias: linear_weight's shape without F.
        target, weight, reduction, label_smoothing: as in cross_entropy.
        ignore_index: -100 where None.
        options: accepted for compatibility; the logits are always made as a whole.
    """
    extra = tuple(linear_weight.shape[1:-1])
    w, b = linear_weight, linear_bias
    if extra:
        if input.dim() != 2:
            raise RuntimeError(
                f"linear_cross_entropy(): a {len(extra)}-dimensional loss defined by linear_weight of shape "
                f"{tuple(linear_weight.shape)} requires input [N, F], got {tuple(input.shape)}"
            )
        w = w.reshape(-1, w.shape[-1])
        b = None if b is None else b.reshape(-1)
    logits = FUNCTIONAL["linear"](input, w, b)
    if extra:
        logits = logits.reshape(*input.shape[:-1], linear_weight.shape[0], *extra)
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
