"""Functions of one tensor that are written in others, and comparisons of whole tensors."""

from __future__ import annotations

import math

from .._load import _C
from ._register import FUNCTIONS, Node, function, inplace, method, op, record, write_out

_Tensor = _C.TensorBase


def _where(c, x, y):
    return FUNCTIONS["where"](c, x, y)


@op(out=True)
def deg2rad(input):
    """Degrees to radians."""
    return input * (math.pi / 180)


@op(out=True)
def rad2deg(input):
    """Radians to degrees."""
    return input * (180 / math.pi)


@op(out=True)
def logit(input, eps=None):
    """log(x / (1 - x)).

    Args:
        eps: where given, input is limited to [eps, 1 - eps] first.
    """
    x = input if input.dtype.is_floating_point else input.to(_C.float32)
    if eps is not None:
        x = x.clamp(eps, 1 - eps)
    return (x / (1 - x)).log()


class NanToNum(Node):
    """The gradient passes where the input is finite"""

    __slots__ = ()

    def backward(self, dy):
        (x,) = self.saved
        return _where(_C.isfinite(x), dy, 0)


@op(out=True)
def nan_to_num(input, nan=0.0, posinf=None, neginf=None):
    """NaN and infinities replaced by numbers.

    Args:
        nan: in place of NaN.
        posinf, neginf: in place of the infinities; the dtype's largest and smallest numbers by default.
    """
    if not input.dtype.is_floating_point:
        return input.clone()
    from ..dtypes import finfo

    limits = finfo(input.dtype)
    high = limits.max if posinf is None else posinf
    y = _C.nan_to_num(input, high, limits.min if neginf is None else neginf, nan or 0.0)
    if y.requires_grad:
        record(NanToNum, y, (input,), (input,))
    return y


for _f in (deg2rad, rad2deg, logit, nan_to_num):
    inplace(_f, function=True)


@op
def positive(input):
    """The tensor itself.

    Raises:
        RuntimeError: a bool tensor.
    """
    if input.dtype is _C.bool:
        raise RuntimeError("positive(): the + operator, on a bool tensor is not supported.")
    return input


@op
def isreal(input):
    """True for every element: there are no complex numbers."""
    return _C.full(input.shape, True, _C.bool, input.device)


@op
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether |input - other| <= atol + rtol * |other|, elementwise.

    Args:
        equal_nan: whether two NaN count as close.
    """
    if input.dtype is not other.dtype:
        raise RuntimeError(f"isclose(): {input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose(): rtol and atol must be >= 0, got {rtol} and {atol}")
    close = input == other
    if equal_nan and input.dtype.is_floating_point:
        close = close | (_C.isnan(input) & _C.isnan(other))
    if rtol == 0 and atol == 0:
        return close
    if not input.dtype.is_floating_point:
        input, other = input.to(_C.float64), other.to(_C.float64)
    input, other = input.detach(), other.detach()
    error = (input - other).abs()
    return close | (_C.isfinite(error) & (error <= atol + (rtol * other).abs()))


@op
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Whether all elements are close, as a Python bool."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


@op
def equal(input, other):
    """Whether two tensors have the same shape and the same elements, as a Python bool."""
    if not isinstance(other, _Tensor):
        raise TypeError(f"equal(): argument 'other' must be Tensor, not {type(other).__name__}")
    return input.shape == other.shape and bool((input == other).all())


@op
def frexp(input, *, out=None):
    """(mantissa, exponent): input = mantissa * 2 ** exponent, the mantissa in [0.5, 1)."""
    from ._results import result_type

    if not input.dtype.is_floating_point:
        raise RuntimeError("frexp(): only supports floating-point dtypes")
    wide = input.to(_C.float64) if input.dtype is not _C.float64 else input
    finite = _C.isfinite(wide) & (wide != 0)
    safe = _where(finite, wide, 1.0).abs()
    exponent = safe.detach().log2().floor() + 1
    scaled = safe * _C.pow(2.0, -exponent)
    # log2 may round up to the next integer, or be rounded down from it.
    exponent = exponent + (scaled >= 1).to(_C.float64) - (scaled < 0.5).to(_C.float64)
    half = (exponent / 2).floor()
    mantissa = _where(finite, wide * _C.pow(2.0, -half) * _C.pow(2.0, half - exponent), wide)
    exponent = _where(finite, exponent, 0.0).to(_C.int32)
    value = result_type("frexp", "mantissa", "exponent")((mantissa.to(input.dtype), exponent))
    return value if out is None else write_out(out, value, "frexp")


@function
def is_nonzero(input):
    """Whether a tensor of one element is not zero."""
    if input.numel() != 1:
        raise RuntimeError(
            "is_nonzero(): Boolean value of Tensor with other than one value is ambiguous"
        )
    return bool(input.item())


method(is_nonzero)
