"""Activations with a weight, a gate or a random slope: prelu, glu, rrelu."""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ._register import FUNCTIONS, METHODS, Node, function, functional, method, record
from .activation import leaky_relu


class Prelu(Node):
    """y = x for x > 0, w * x otherwise;  dx = dy * (1 or w), dw = dy * (0 or x)"""

    __slots__ = ()

    def backward(self, dy):
        x, w = self.saved
        positive = x > 0
        where = FUNCTIONS["where"]
        return (
            where(positive, dy, dy * w) if self.needs(0) else None,
            where(positive, 0.0, dy * x) if self.needs(1) else None,
        )


@functional
def prelu(input, weight):
    """x for x > 0, weight * x otherwise.

    Args:
        input: [n, channels, ...]; or any shape with a single weight.
        weight: [channels] or [1].

    Raises:
        RuntimeError: another number of weights than channels.
    """
    if weight.numel() != 1:
        if weight.dim() != 1:
            raise RuntimeError(
                "prelu(): Expected `weight` to be a scalar or 1D tensor, but got: ndim = "
                f"{weight.dim()}"
            )
        channels = input.shape[1] if input.dim() > 1 else 1
        if input.dim() == 0:
            raise RuntimeError("prelu(): Not allow zero-dim input tensor.")
        if channels != weight.numel():
            raise RuntimeError(
                f"prelu(): Mismatch of parameter numbers and input channel size. Found parameter "
                f"numbers = {weight.numel()} and channel size = {channels}."
            )
        shape = [1] * input.dim()
        if input.dim() > 1:
            shape[1] = channels
        w = weight.reshape(shape)
    else:
        w = weight.reshape([1] * input.dim())
    y = _C.prelu(input, w)
    if y.requires_grad:
        record(Prelu, y, (input, w), (input, w))
    return y


function(prelu)
method(prelu)


class Glu(Node):
    """y = a * sigmoid(b), a and b the halves of x"""

    __slots__ = ("dim",)

    def backward(self, dy):
        (x,) = self.saved
        if not _C.is_grad_enabled():
            return _C.glu_backward(dy, x, self.dim)
        half = x.shape[self.dim] // 2
        a, b = x.narrow(self.dim, 0, half), x.narrow(self.dim, half, half)
        s = b.sigmoid()
        da = dy * s
        return FUNCTIONS["cat"]((da, da * a * (1 - s)), self.dim)


@functional
def glu(input, dim=-1):
    """The first half of input along dim times the sigmoid of the second.

    Raises:
        RuntimeError: an odd size.
    """
    y = _C.glu(input, dim)
    if y.requires_grad:
        record(Glu, y, (input,), (input,)).dim = dim
    return y


@functional
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """leaky_relu whose slope is drawn from [lower, upper) per element in training, their mean otherwise."""
    if lower > upper:
        raise RuntimeError(
            f"rrelu(): Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slope = _C.empty(input.shape, input.dtype, input.device)
    METHODS["uniform_"](slope, lower, upper)
    x = input.clone() if inplace and _inplace.tracked(input) else input
    y = FUNCTIONS["where"](x >= 0, x, x * slope)
    return _inplace.assign(input, y, "rrelu_") if inplace else y


@functional
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """In-place form of rrelu."""
    return rrelu(input, lower, upper, training, True)


FUNCTIONS.update(rrelu=rrelu, rrelu_=rrelu_)
