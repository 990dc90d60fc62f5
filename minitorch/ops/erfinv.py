"""The inverse of the error function."""

from __future__ import annotations

import math

from .._load import _C
from ._register import FUNCTIONS, METHODS, Node, inplace, op, record

# Giles 2012, "Approximating the erfinv function": polynomials in w = -log(1 - x^2), for the centre
# and for the tails, good to seven digits.
_CENTRE = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
    -0.00417768164, 0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
    0.00943887047, 1.00167406, 2.83297682,
)  # fmt: skip
_SLOPE = 2 / math.sqrt(math.pi)


def _polynomial(coefficients, w):
    value = w * 0 + coefficients[0]
    for c in coefficients[1:]:
        value = value * w + c
    return value


def _solve(x):
    """erfinv of a float64 tensor without gradient."""
    where = FUNCTIONS["where"]
    size = x.abs()
    w = -((1 - size) * (1 + size)).log()
    y = where(w < 5, _polynomial(_CENTRE, w - 2.5), _polynomial(_TAIL, w.sqrt() - 3)) * size
    rest = 1 - size
    for _ in range(3):
        # Newton's method; in the tail on log(erfc), which is nearly a parabola there.
        slope = _SLOPE * (-y * y).exp()
        tail = y.erfc()
        centre_step = (y.erf() - size) / slope
        tail_step = (rest.log() - tail.log()) * tail / slope
        y = y - where(size < 0.5, centre_step, tail_step)
    y = where(size == 1, math.inf, where(size == 0, 0.0, y))
    return where(x < 0, -y, y)


class Erfinv(Node):
    """y = erfinv(x);  dx = dy * sqrt(pi) / 2 * exp(y^2)"""

    __slots__ = ()

    def backward(self, dy):
        (y,) = self.saved
        return dy * (y * y).exp() / _SLOPE


@op(out=True)
def erfinv(input):
    """The y with erf(y) = input: infinite at -1 and 1, NaN outside of [-1, 1].

    Args:
        input: a tensor of any shape; integers count as float32.

    Returns:
        A tensor of the same shape.
    """
    dtype = input.dtype if input.dtype.is_floating_point else _C.float32
    y = METHODS["to"](_solve(METHODS["to"](input.detach(), dtype=_C.float64)), dtype=dtype)
    if _C.is_grad_enabled() and input.requires_grad:
        y.requires_grad = True
        record(Erfinv, y, (input,), (y,))
    return y


erfinv_ = inplace(erfinv)
