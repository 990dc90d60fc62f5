"""softmax and its logarithm along a dim; logsumexp over any dims."""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._register import FUNCTIONS, Node, functional, op, record, write_out
from .extremum import kept


class Softmax(Node):
    """y = exp(x) / sum exp(x): dx = y (dy - sum dy y)"""

    __slots__ = ("dim",)

    def backward(self, dy):
        (y,) = self.saved
        if _C.is_grad_enabled():
            return y * (dy - (dy * y).sum(self.dim, True))
        return _C.softmax_backward(dy, y, self.dim)


class LogSoftmax(Node):
    """y = x - log sum exp(x): dx = dy - exp(y) sum dy"""

    __slots__ = ("dim",)

    def backward(self, dy):
        (y,) = self.saved
        if _C.is_grad_enabled():
            return dy - y.exp() * dy.sum(self.dim, True)
        return _C.log_softmax_backward(dy, y, self.dim)


def _implicit_dim(name, ndim):
    """What PyTorch does for dim=None, with its warning."""
    import warnings

    warnings.warn(
        f"{name}(): implicit dimension choice has been deprecated. Pass dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if ndim in (0, 1, 3) else 1


def _softmax(name, kernel, node, doc):
    def f(input, dim=None, _stacklevel=3, dtype=None, *, out=None):
        if _stacklevel.__class__ is not int:
            dtype = _stacklevel  # minitorch.softmax(x, dim, dtype)
        if dim is None:
            dim = _implicit_dim(name, input.dim())
        if _amp.enabled:
            dtype = _amp.dtype_of(name, input, dtype)
        y = kernel(input, dim, dtype)
        if y.requires_grad:
            record(node, y, (input,), (y,)).dim = dim
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{doc}

    Args:
        dim: the dim along which the result is normalised.
        dtype: converts the input first.
    """
    functional(f)
    return op(f)


softmax = _softmax("softmax", _C.softmax, Softmax, "exp(x) / sum(exp(x)) along a dim.")
log_softmax = _softmax("log_softmax", _C.log_softmax, LogSoftmax, "log(softmax(x)) along a dim.")


@functional
def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmax of -input along a dim."""
    return softmax(-input, dim, dtype=dtype)


@functional
def gumbel_softmax(logits, tau=1, hard=False, eps=1e-10, dim=-1):
    """Samples from the Gumbel-softmax distribution.

    Args:
        logits: unnormalised log probabilities of any shape.
        tau: temperature, > 0.
        hard: one-hot samples, with the gradient of the soft ones.
        dim: the dim of the classes.
    """
    noise = -FUNCTIONS["empty_like"](logits).exponential_().log()
    y = softmax((logits + noise) / tau, dim)
    if not hard:
        return y
    index = y.argmax(dim, keepdim=True)
    one_hot = FUNCTIONS["zeros_like"](logits).scatter_(dim, index, 1.0)
    return one_hot - y.detach() + y


class Logsumexp(Node):
    """y = log sum exp(x) over dims: dx = dy exp(x - y)"""

    __slots__ = ("dims",)

    def backward(self, dy):
        x, y = self.saved
        y = kept(y, self.dims, x.dim())
        # Where y is -inf every x is, and its difference to y says nothing.
        return kept(dy, self.dims, x.dim()) * (x - y.masked_fill(y == -float("inf"), 0)).exp()


@op
def logsumexp(input, dim, keepdim=False, *, out=None):
    """log(sum(exp(x))) over dims, without overflow.

    Args:
        dim: an int or a tuple of ints.
        keepdim: keep the reduced dims with size 1.
    """
    y = _C.logsumexp(input, dim, keepdim)
    if y.requires_grad:
        record(Logsumexp, y, (input,), (input, y)).dims = dim
    return y if out is None else write_out(out, y, "logsumexp")
