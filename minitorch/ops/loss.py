"""Losses of input and target, element by element; formulas in csrc/ops/loss.h.

A line of FORMULAS is the same loss in recorded ops, for derivatives of higher order and for
gradients of targets and weights.
"""

from __future__ import annotations

from .._load import _C
from ._compose import gradients
from ._reduction import MEAN, reduced, reduction_code
from ._register import FUNCTIONS, Node, functional, record
from .cross_entropy import cross_entropy, nll_loss


def _log_or_100(x):
    return x.clamp(min=-100)


def _softplus(x):
    return x.clamp(min=0) + (-x.abs()).exp().log1p()


# name: (the loss as a function of x, t, q and the parameter; whether it depends on x - t only)
FORMULAS = {
    "mse_loss": (lambda x, t, q, p: (x - t) * (x - t), True),
    "l1_loss": (lambda x, t, q, p: (x - t).abs(), True),
    "smooth_l1_loss": (lambda x, t, q, p: _smooth(x - t, p), True),
    "huber_loss": (lambda x, t, q, p: _huber(x - t, p), True),
    "binary_cross_entropy": (
        lambda x, t, q, p: -(t * _log_or_100(x.log()) + (1 - t) * _log_or_100((-x).log1p())),
        False,
    ),
    "bce_with_logits": (lambda x, t, q, p: (1 - t) * x + _softplus(-x), False),
    "bce_with_logits_positive": (
        lambda x, t, q, p: (1 - t) * x + ((q - 1) * t + 1) * _softplus(-x),
        False,
    ),
    "kl_div": (
        lambda x, t, q, p: t * (t.masked_fill(t == 0, 1).log() - x),
        False,
    ),
    "kl_div_log": (lambda x, t, q, p: t.exp() * (t - x), False),
    "soft_margin_loss": (lambda x, t, q, p: _softplus(-t * x), False),
    "poisson_nll": (lambda x, t, q, p: x - t * (x + p).log(), False),
    "poisson_nll_log": (lambda x, t, q, p: x.exp() - t * x, False),
}


def _smooth(d, beta):
    a = d.abs()
    inside = (a < beta).to(d.dtype)
    return inside * (0.5 / beta) * d * d + (1 - inside) * (a - 0.5 * beta)


def _huber(d, delta):
    a = d.abs()
    inside = (a <= delta).to(d.dtype)
    return inside * 0.5 * d * d + (1 - inside) * delta * (a - 0.5 * delta)


def _pointwise(name):
    forward = getattr(_C, name)
    kernel = getattr(_C, name + "_backward")
    formula, symmetric = FORMULAS[name]

    class Loss(Node):
        __slots__ = ("code", "parameter")

        def backward(self, dy):
            x, t, w, q = self.saved
            code, p = self.code, self.parameter
            needs = self.needs_input_grad
            if _C.is_grad_enabled() or needs[2] or needs[3] or (needs[1] and not symmetric):
                return gradients(
                    lambda x, t, w, q: reduced(
                        formula(x, t, q, p) if w is None else formula(x, t, q, p) * w, code
                    ),
                    (x, t, w, q),
                    needs,
                    (dy,),
                )
            dx = kernel(dy, x, t, w, q, p, code)
            return dx, (-dx if needs[1] else None), None, None

    Loss.__name__ = Loss.__qualname__ = "".join(part.capitalize() for part in name.split("_"))

    def f(x, t, code, p=0.0, w=None, q=None):
        y = forward(x, t, w, q, p, code)
        if y.requires_grad:
            node = record(Loss, y, (x, t, w, q), (x, t, w, q))
            node.code = code
            node.parameter = p
        return y

    return f


_mse, _l1, _smooth_l1, _huber_loss, _bce = (_pointwise(n) for n in tuple(FORMULAS)[:5])
_bce_logits, _bce_logits_positive, _kl, _kl_log, _soft_margin, _poisson, _poisson_log = (
    _pointwise(n) for n in tuple(FORMULAS)[5:]
)


@functional
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """(input - target)^2.

    Args:
        input, target: tensors of one shape.
        reduction: "none", "mean" or "sum".
        weight: scale of each element, of input's shape.
    """
    code = reduction_code(reduction, size_average, reduce)
    if weight is None:
        return _mse(input, target, code)
    return _weighted(_mse(input, target, 0), weight, code, input)


@functional
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """|input - target|; arguments as in mse_loss."""
    code = reduction_code(reduction, size_average, reduce)
    if weight is None:
        return _l1(input, target, code)
    return _weighted(_l1(input, target, 0), weight, code, input)


def _weighted(loss, weight, code, input):
    """The weighted losses; their mean is over the sum of the weights."""
    if weight.shape != input.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    return loss.sum() / weight.sum() if code == MEAN else reduced(loss, code)


@functional
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """d^2 / (2 beta) where |d| < beta, else |d| - beta / 2, of d = input - target.

    Args:
        input, target: tensors of one shape.
        beta: where the parabola ends, not negative.
    """
    if beta < 0:
        raise RuntimeError(
            f"smooth_l1_loss(): does not support negative values for beta, got {beta}"
        )
    code = reduction_code(reduction, size_average, reduce)
    return _smooth_l1(input, target, code, beta) if beta else _l1(input, target, code)


@functional
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d^2 / 2 where |d| <= delta, else delta (|d| - delta / 2), of d = input - target.

    Args:
        input, target: tensors of one shape.
        delta: where the parabola ends, positive.
        weight: scale of each element, of input's shape.
    """
    if delta <= 0:
        raise RuntimeError(
            f"huber_loss(): does not support non-positive values for delta, got {delta}"
        )
    code = reduction_code(reduction)
    if weight is None:
        return _huber_loss(input, target, code, delta)
    return _weighted(_huber_loss(input, target, 0, delta), weight, code, input)


@functional
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(t log x + (1 - t) log(1 - x)), logarithms not below -100.

    Args:
        input: probabilities.
        target: in [0, 1], of input's shape.
        weight: broadcasts to input's shape.

    Raises:
        RuntimeError: an input outside of [0, 1].
        ValueError: input and target of different shapes.
    """
    code = reduction_code(reduction, size_average, reduce)
    _same_shape("binary_cross_entropy", input, target)
    return _bce(input, target, code, w=weight)


@functional
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """binary_cross_entropy(sigmoid(input), target), exact for large logits.

    Args:
        input: logits.
        target: in [0, 1], of input's shape.
        weight: broadcasts to input's shape.
        pos_weight: scale of the positive term, broadcasts to input's shape.
    """
    code = reduction_code(reduction, size_average, reduce)
    _same_shape("binary_cross_entropy_with_logits", input, target)
    if pos_weight is None:
        return _bce_logits(input, target, code, w=weight)
    return _bce_logits_positive(input, target, code, w=weight, q=pos_weight)


def _same_shape(name, input, target):
    if input.shape != target.shape:
        raise ValueError(
            f"{name}(): Target size ({tuple(target.shape)}) must be the same as input size "
            f"({tuple(input.shape)})"
        )


@functional
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """t (log t - input): the divergence of input (log-probabilities) from target.

    Args:
        target: probabilities, or log-probabilities where log_target.
        reduction: "none", "batchmean" (the sum over the first size: the divergence), "mean", "sum".
    """
    f = _kl_log if log_target else _kl
    if reduction != "batchmean":
        if reduction == "mean" and size_average is None and reduce is None:
            import warnings

            warnings.warn(
                "reduction: 'mean' divides the total loss by both the batch size and the support size."
                "'batchmean' divides only by the batch size, and aligns with the KL math definition.",
                stacklevel=3,
            )
        return f(input, target, reduction_code(reduction, size_average, reduce))
    loss = f(input, target, 2)
    return loss / input.shape[0] if input.dim() else loss


@functional
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target input)), targets 1 or -1."""
    return _soft_margin(input, target, reduction_code(reduction, size_average, reduce))


@functional
def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """Negative log-likelihood of counts under Poisson distributions.

    Args:
        input: the log of the rate where log_input, else the rate.
        target: counts.
        full: add Stirling's approximation of log(target!) where target > 1.
        eps: added to a rate before its logarithm.
    """
    code = reduction_code(reduction, size_average, reduce)
    loss = _poisson_log(input, target, 0) if log_input else _poisson(input, target, 0, eps)
    if full:
        t = target.clamp(min=1)
        stirling = t * t.log() - t + 0.5 * (6.283185307179586 * t).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, code)


@functional
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log var + (input - target)^2 / var) / 2, the negative log-likelihood of normal distributions.

    Args:
        input, target: means and samples of one shape.
        var: variances: a number, of input's shape, or with its last size 1 or missing.
        full: add log(2 pi) / 2.
        eps: the smallest variance, without effect on gradients.

    Raises:
        ValueError: a negative variance, or shapes that do not fit.
    """
    code = reduction_code(reduction)
    if isinstance(var, (int, float)):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full((), var).expand(input.shape)
    elif bool((var < 0).any()):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if tuple(input.shape[:-1]) == tuple(var.shape):
            var = var.unsqueeze(-1)
        elif not (tuple(input.shape[:-1]) == tuple(var.shape[:-1]) and var.shape[-1] == 1):
            raise ValueError(
                f"gaussian_nll_loss(): var is of incorrect size: {tuple(var.shape)} for input of shape "
                f"{tuple(input.shape)}"
            )
    small = (var < eps).detach()
    var = var + (eps - var.detach()) * small.to(var.dtype)
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.9189385332046727
    return reduced(loss, code)


# minitorch.<name> too; there reduction is a number.
for _f in (binary_cross_entropy_with_logits, kl_div, poisson_nll_loss):
    FUNCTIONS[_f.__name__] = _f

__all__ = ["cross_entropy", "nll_loss"]
