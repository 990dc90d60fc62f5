"""Elementwise functions of one tensor; formulas in csrc/ops/unary.h.

A line here names the op, what its derivative needs (the input x or the output y) and the derivative
in differentiable form, which is used for derivatives of higher order; the plain backward runs the
kernel made from the same line of unary.h.
"""

from __future__ import annotations

import math

from .. import _autocast as _amp
from .._load import _C
from ..autograd import inplace as _inplace
from ._register import (
    FUNCTIONS,
    METHODS,
    Node,
    alias,
    function,
    inplace,
    method,
    op,
    record,
    write_out,
)


def unary(name, saves, derivative, doc, *, names=()):
    """Defines minitorch.<name>, Tensor.<name> and Tensor.<name>_."""
    forward = getattr(_C, name)
    kernel = getattr(_C, name + "_backward")

    class Unary(Node):
        __slots__ = ()

        def backward(self, dy):
            (s,) = self.saved
            if _C.is_grad_enabled():
                return dy * derivative(s)
            return kernel(dy, s)

    Unary.__name__ = Unary.__qualname__ = name.capitalize()

    if saves == "y":

        def f(input, *, out=None):
            if _amp.enabled:
                (input,) = _amp.float32(name, input)
            y = forward(input)
            if y.requires_grad:
                record(Unary, y, (input,), (y,))
            return y if out is None else write_out(out, y, name)

    else:

        def f(input, *, out=None):
            if _amp.enabled:
                (input,) = _amp.float32(name, input)
            y = forward(input)
            if y.requires_grad:
                # An integer input was converted: its gradient stops there.
                record(Unary, y, (input,), (input,))
            return y if out is None else write_out(out, y, name)

    f.asks_autocast = True
    f.__name__ = f.__qualname__ = name
    f.__doc__ = f"{doc}\n\n    Args:\n        input: a tensor of any shape.\n\n    Returns:\n        A tensor of the same shape."
    op(f)
    overwrite = getattr(_C, name + "_")

    def f_(self):
        if not _inplace.tracked(self):
            if self._inference:
                _inplace.check(self, name + "_")
            overwrite(self)
            return self
        _inplace.check(self, name + "_")
        if saves == "y" and self._base is None:
            # The derivative needs only the result, so nothing has to be copied.
            overwrite(self)
            record(Unary, self, (self,), (self,))
            return self
        return _inplace.assign(self, f(self.clone()), name + "_")

    f_.__name__ = f_.__qualname__ = name + "_"
    f_.__doc__ = f"In-place form of {name}."
    METHODS[name + "_"] = FUNCTIONS[name + "_"] = f_
    for other in names:
        alias(other, f)
        METHODS[other + "_"] = FUNCTIONS[other + "_"] = f_
    return f


def _sinc_slope(x):
    u = x * math.pi
    z = u * u
    near = u * (-1 / 3 + z * (1 / 30 - z / 840))
    where = FUNCTIONS["where"]
    safe = where(z < 0.01, 1.0, u)
    return math.pi * where(z < 0.01, near, (safe.cos() - safe.sin() / safe) / safe)


_TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)

exp = unary("exp", "y", lambda y: y, "e to the power of each element.")
exp2 = unary("exp2", "y", lambda y: y * math.log(2), "2 to the power of each element.")
expm1 = unary("expm1", "y", lambda y: y + 1, "exp(x) - 1, accurate near 0.")
log = unary("log", "x", lambda x: 1 / x, "Natural logarithm.")
log2 = unary("log2", "x", lambda x: 1 / (x * math.log(2)), "Logarithm to base 2.")
log10 = unary("log10", "x", lambda x: 1 / (x * math.log(10)), "Logarithm to base 10.")
log1p = unary("log1p", "x", lambda x: 1 / (1 + x), "log(1 + x), accurate near 0.")
sqrt = unary("sqrt", "y", lambda y: 0.5 / y, "Square root.")
rsqrt = unary("rsqrt", "y", lambda y: -0.5 * y * y * y, "1 / sqrt(x).")
reciprocal = unary("reciprocal", "y", lambda y: -y * y, "1 / x.")
sin = unary("sin", "x", lambda x: x.cos(), "Sine.")
cos = unary("cos", "x", lambda x: -x.sin(), "Cosine.")
tan = unary("tan", "y", lambda y: 1 + y * y, "Tangent.")
asin = unary("asin", "x", lambda x: (1 - x * x).rsqrt(), "Inverse sine.", names=("arcsin",))
acos = unary("acos", "x", lambda x: -((1 - x * x).rsqrt()), "Inverse cosine.", names=("arccos",))
atan = unary("atan", "x", lambda x: 1 / (1 + x * x), "Inverse tangent.", names=("arctan",))
sinh = unary("sinh", "x", lambda x: x.cosh(), "Hyperbolic sine.")
cosh = unary("cosh", "x", lambda x: x.sinh(), "Hyperbolic cosine.")
tanh = unary("tanh", "y", lambda y: 1 - y * y, "Hyperbolic tangent.")
asinh = unary(
    "asinh", "x", lambda x: (x * x + 1).rsqrt(), "Inverse hyperbolic sine.", names=("arcsinh",)
)
acosh = unary(
    "acosh", "x", lambda x: (x * x - 1).rsqrt(), "Inverse hyperbolic cosine.", names=("arccosh",)
)
atanh = unary(
    "atanh", "x", lambda x: 1 / (1 - x * x), "Inverse hyperbolic tangent.", names=("arctanh",)
)
erf = unary("erf", "x", lambda x: _TWO_OVER_SQRT_PI * (-x * x).exp(), "Error function.")
erfc = unary("erfc", "x", lambda x: -_TWO_OVER_SQRT_PI * (-x * x).exp(), "1 - erf(x).")
erfinv = unary(
    "erfinv",
    "y",
    lambda y: (y * y).exp() / _TWO_OVER_SQRT_PI,
    "The y with erf(y) = x: infinite at -1 and 1, NaN outside of [-1, 1].",
)
sigmoid = unary("sigmoid", "y", lambda y: y * (1 - y), "1 / (1 + exp(-x)).")
square = unary("square", "x", lambda x: 2 * x, "x * x.")
relu = unary("relu", "y", lambda y: (y > 0).to(y.dtype), "max(x, 0).")
frac = unary("frac", "x", lambda x: 1, "x minus its integer part, with the sign of x.")
sinc = unary("sinc", "x", lambda x: _sinc_slope(x), "sin(pi x) / (pi x), 1 at 0.")
abs = unary("abs", "x", lambda x: x.sign(), "Absolute value.", names=("absolute",))
neg = unary("neg", "x", lambda x: -1, "-x.", names=("negative",))


class Constant(Node):
    """An op whose derivative is zero almost everywhere."""

    __slots__ = ()

    def backward(self, dy):
        return _C.full(dy.shape, 0, dy.dtype, dy.device)


def _step(name, doc, names=()):
    forward = getattr(_C, name)

    def f(input, *, out=None):
        y = forward(input)
        if y.requires_grad:
            record(Constant, y, (input,))
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    op(f)
    f_ = inplace(f, getattr(_C, name + "_"), function=True)
    for other in names:
        alias(other, f)
        METHODS[other + "_"] = FUNCTIONS[other + "_"] = f_
    return f


sign = _step("sign", "-1, 0 or 1 by the sign of x.", ("sgn",))
floor = _step("floor", "The largest integer not above x.")
ceil = _step("ceil", "The smallest integer not below x.")
trunc = _step("trunc", "x without its fraction.", ("fix",))
_round = _step("round", "The nearest integer, halves to even.")


@op
def round(input, *, decimals=0, out=None):
    """The nearest integer, halves to even; or the nearest multiple of 10**-decimals."""
    if decimals == 0:
        return _round(input, out=out)
    scale = 10.0 ** (-decimals if decimals < 0 else decimals)
    y = _round(input * scale) / scale if decimals > 0 else _round(input / scale) * scale
    return y if out is None else write_out(out, y, "round")


inplace(round)


def _test(name, doc):
    kernel = getattr(_C, name)

    def f(input, *, out=None):
        y = kernel(input)
        return y if out is None else write_out(out, y, name)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = doc
    op(f)
    return f


isnan = _test("isnan", "Whether each element is NaN.")
isinf = _test("isinf", "Whether each element is infinite.")
isfinite = _test("isfinite", "Whether each element is neither infinite nor NaN.")
isposinf = _test("isposinf", "Whether each element is plus infinity.")
isneginf = _test("isneginf", "Whether each element is minus infinity.")
logical_not = _test("logical_not", "Whether each element is zero.")
inplace(logical_not)


@op
def signbit(input, *, out=None):
    """Whether each element has its sign bit set."""
    y = _C.signbit(input) if input.dtype.is_floating_point else input < 0
    return y if out is None else write_out(out, y, "signbit")


@op(out=True)
def bitwise_not(input):
    """Flips every bit of integers; negates bools."""
    return _C.bitwise_not(input)


inplace(bitwise_not, _C.bitwise_not_)


@function
def is_floating_point(input):
    """Whether the tensor's dtype is a floating point one."""
    return input.dtype.is_floating_point


method(is_floating_point)
