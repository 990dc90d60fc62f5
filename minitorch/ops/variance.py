"""Variances and standard deviations over dims, and covariances between variables."""

from __future__ import annotations

from .._load import _C
from ._register import Node, op, record, write_out
from ._results import result_type
from .extremum import kept
from .reduce import _count

VarMean = result_type("var_mean", "var", "mean")
StdMean = result_type("std_mean", "std", "mean")


class Var(Node):
    """y = sum (x - mean)^2 / (n - c), or its root

    dx = dy * 2 (x - mean) / (n - c); for the root dx = dy * (x - mean) / ((n - c) y)
    """

    __slots__ = ("correction", "dims", "root")

    def backward(self, dy, dmean=None):
        x, y = self.saved
        dims, n = self.dims, x.dim()
        count = _count(x.shape, dims)
        dx = None
        if dy is not None:
            dy, y = kept(dy, dims, n), kept(y, dims, n)
            scale = count - self.correction
            scale = 1 / scale if scale > 0 else float("inf") if scale == 0 else float("nan")
            # Where the deviation is 0 it has no slope; the others' gradients are not spoilt.
            dy = (dy / y).masked_fill(y == 0, 0) * scale if self.root else dy * (2 * scale)
            dx = (x - x.mean(dims, True)) * dy
        if dmean is not None:
            dmean = (kept(dmean, dims, n) / count).expand(x.shape)
            dx = dmean if dx is None else dx + dmean
        return dx


def _arguments(dim, unbiased, correction):
    """The older form passes `unbiased`, first or after dim; the newer one `correction`."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None or unbiased else 0
    return dim, correction


def _define(name, root):
    def f(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
        dim, correction = _arguments(dim, unbiased, correction)
        y = _C.var(input, dim, correction, keepdim, root)
        if y.requires_grad:
            node = record(Var, y, (input,), (input, y))
            node.dims, node.correction, node.root = dim, correction, root
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{"Standard deviation" if root else "Variance"} over dims.

    Args:
        dim: an int, a tuple of ints, or None for all dims.
        unbiased: True is correction=1, False correction=0.
        correction: what the number of elements is reduced by in the divisor; 1 by default.
        keepdim: keep the reduced dims with size 1.
    """
    return op(f)


def _define_with_mean(name, root, result):
    def f(input, dim=None, unbiased=None, keepdim=False, *, correction=None, out=None):
        dim, correction = _arguments(dim, unbiased, correction)
        y = result(_C.var_mean(input, dim, correction, keepdim, root))
        if y[0].requires_grad:
            node = record(Var, y, (input,), (input, y[0]))
            node.dims, node.correction, node.root = dim, correction, root
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"""{name.split("_")[0]} and mean over dims, as a pair; arguments as in {name.split("_")[0]}."""
    return op(f)


var = _define("var", False)
std = _define("std", True)
var_mean = _define_with_mean("var_mean", False, VarMean)
std_mean = _define_with_mean("std_mean", True, StdMean)


@op
def cov(input, *, correction=1, fweights=None, aweights=None):
    """Covariances of the variables in the rows of input (variables, observations).

    Args:
        correction: what the number of observations is reduced by in the divisor.
        fweights: how often each observation is repeated, integers.
        aweights: the importance of each observation.
    """
    if input.dim() > 2:
        raise RuntimeError(
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    if input.dtype is _C.bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    for w, name in ((fweights, "fweights"), (aweights, "aweights")):
        if w is not None and w.dim() > 1:
            raise RuntimeError(
                f"cov(): expected {name} to have one or fewer dimensions but got {name} with {w.dim()} dimensions"
            )
    if fweights is not None and fweights.dtype.is_floating_point:
        raise RuntimeError(
            "cov(): expected fweights to have integral dtype but got " + str(fweights.dtype)
        )
    if aweights is not None and not aweights.dtype.is_floating_point:
        raise RuntimeError(
            "cov(): expected aweights to have floating point dtype but got " + str(aweights.dtype)
        )
    for w, name in ((fweights, "fweights"), (aweights, "aweights")):
        if w is not None and w.numel() and bool((w < 0).any()):
            raise RuntimeError(f"cov(): {name} cannot be negative")
    x = input.reshape(1, -1) if input.dim() < 2 else input
    n = x.shape[1]
    for w, name in ((fweights, "fweights"), (aweights, "aweights")):
        if w is not None and w.numel() != n:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                f"{w.numel()} != {n}"
            )
    if not x.dtype.is_floating_point:
        x = x.to(_C.float32)
    weights = fweights
    if aweights is not None:
        weights = aweights if weights is None else aweights * weights
    total = n if weights is None else weights.sum()
    mean = x.mean(1, True) if weights is None else (x * weights).sum(1, True) / total
    deviation = x - mean
    scaled = deviation if weights is None else deviation * weights
    if aweights is not None and correction != 0:
        spread = (weights * aweights).sum() if fweights is not None else (aweights * aweights).sum()
        divisor = total - correction * spread / total
    else:
        divisor = total - correction
    divisor = max(divisor, 0) if isinstance(divisor, (int, float)) else divisor.clamp(min=0)
    y = scaled @ deviation.t() / divisor
    return y.reshape(()) if y.numel() == 1 else y


@op
def corrcoef(input):
    """Correlations of the variables in the rows of input (variables, observations)."""
    if input.dim() > 2:
        raise RuntimeError(
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.dim()} dimensions"
        )
    c = cov(input)
    if c.dim() == 0:
        return c / c
    deviation = c.diagonal().sqrt()
    y = c / deviation.unsqueeze(1) / deviation.unsqueeze(0)
    return y.clamp(-1, 1)


@op
def trace(input):
    """Sum of the diagonal of a matrix."""
    if input.dim() != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.dim()}")
    return input.diagonal().sum()
