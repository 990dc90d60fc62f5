"""Running sums, products and extrema along a dim, and differences of neighbours."""

from __future__ import annotations

from .._load import _C
from ._register import FUNCTIONS, Node, inplace, op, record, write_out
from ._results import result_type

Cummax = result_type("cummax", "values", "indices")
Cummin = result_type("cummin", "values", "indices")


class Cumsum(Node):
    """y = running sum of x: dx = running sum of dy from the other end"""

    __slots__ = ("dim", "reverse")

    def backward(self, dy):
        return _cumsum(dy, self.dim, None, not self.reverse)


def _cumsum(x, dim, dtype=None, reverse=False):
    y = _C.cumsum(x, dim, dtype, reverse)
    if y.requires_grad:
        node = record(Cumsum, y, (x,))
        node.dim, node.reverse = dim, reverse
    return y


@op
def cumsum(input, dim, *, dtype=None, out=None):
    """Sums of the elements up to each one along dim; integers and bools as int64.

    Args:
        dim: an int.
        dtype: converts the input first.
    """
    y = _cumsum(input, dim, dtype)
    return y if out is None else write_out(out, y, "cumsum")


class Cumprod(Node):
    """y = running product of x: dx = sum over later results of dy * (product of the others)"""

    __slots__ = ("dim",)

    def backward(self, dy):
        x, y = self.saved
        if x.dim() == 0:
            return dy
        d = self.dim
        if not bool((x == 0).any()):
            return _cumsum(dy * y, d, None, True) / x
        # Per element: (product before it) * (running product after it), weighted by dy.
        n = x.shape[d]
        one = (x.narrow(d, 0, 1) * 0).detach() + 1
        cat = FUNCTIONS["cat"]
        before = cat((one, x.narrow(d, 0, n - 1)), d).cumprod(d)
        parts = []
        for k in range(n):
            after = cat((one, x.narrow(d, k + 1, n - k - 1)), d).cumprod(d)
            weighted = (dy.narrow(d, k, n - k) * after).sum(d, True)
            parts.append(before.narrow(d, k, 1) * weighted)
        return cat(parts, d)


@op
def cumprod(input, dim, *, dtype=None, out=None):
    """Products of the elements up to each one along dim; integers and bools as int64.

    Args:
        dim: an int.
        dtype: converts the input first.
    """
    y = _C.cumprod(input, dim, dtype)
    if y.requires_grad:
        x = input if dtype is None or dtype is input.dtype else input.to(dtype)
        record(Cumprod, y, (x,), (x, y)).dim = dim
    return y if out is None else write_out(out, y, "cumprod")


inplace(cumsum)
inplace(cumprod)


class CumExtremum(Node):
    """y[i] = x at the index of the extremum up to i: its gradients add up there"""

    __slots__ = ("dim", "indices", "shape")

    def backward(self, dy, _=None):
        if not self.shape:
            return dy
        return dy.new_zeros(self.shape).scatter_add(self.dim, self.indices, dy)


def _extremum(name, kernel, result, doc):
    def f(input, dim, *, out=None):
        y = result(kernel(input, dim))
        if y[0].requires_grad:
            node = record(CumExtremum, y, (input,))
            node.dim, node.indices, node.shape = dim, y[1], input.shape
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""The {doc} element up to each one along dim, as (values, indices)."""
    return op(f)


cummax = _extremum("cummax", _C.cummax, Cummax, "largest")
cummin = _extremum("cummin", _C.cummin, Cummin, "smallest")


class Logcumsumexp(Node):
    """y = log of the running sum of exp(x)

    dx = exp(x) * (sum of dy exp(-y) from the other end), in logarithms, by the sign of dy.
    """

    __slots__ = ("dim", "reverse")

    def backward(self, dy):
        x, y = self.saved
        infinity = float("inf")
        y = y.masked_fill(y == -infinity, 0)
        part = lambda g: (  # noqa: E731
            _logcumsumexp(g.masked_fill(g <= 0, 0).log() - y, self.dim, not self.reverse) + x
        ).exp()
        return part(dy) - part(-dy)


def _logcumsumexp(x, dim, reverse):
    y = _C.logcumsumexp(x, dim, reverse)
    if y.requires_grad:
        node = record(Logcumsumexp, y, (x,), (x, y))
        node.dim, node.reverse = dim, reverse
    return y


@op
def logcumsumexp(input, dim, *, out=None):
    """log of the running sum of exp(input) along dim, without overflow."""
    y = _logcumsumexp(input, dim, False)
    return y if out is None else write_out(out, y, "logcumsumexp")


@op
def diff(input, n=1, dim=-1, prepend=None, append=None, *, out=None):
    """Differences of neighbours along dim, n times.

    Args:
        prepend, append: tensors that are joined to the input along dim first.
    """
    if input.dim() == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    parts = [t for t in (prepend, input, append) if t is not None]
    y = FUNCTIONS["cat"](parts, dim) if len(parts) > 1 else input
    if n == 0:
        y = y.clone()
    for _ in range(n if n < y.shape[dim] else y.shape[dim]):
        length = y.shape[dim]
        high, low = y.narrow(dim, 1, length - 1), y.narrow(dim, 0, length - 1)
        y = high ^ low if y.dtype is _C.bool else high - low
    return y if out is None else write_out(out, y, "diff")
