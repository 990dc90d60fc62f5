"""Activation functions; formulas in csrc/ops/activation.h.

A line here names the op and its derivative in differentiable form, which derivatives of higher order
use; the plain backward runs the kernel made from the same line of activation.h.
"""

from __future__ import annotations

import math

from .._load import _C
from ..autograd import inplace as _inplace
from . import unary as _unary
from ._register import FUNCTIONAL, FUNCTIONS, METHODS, Node, function, functional, method, record

_Tensor = _C.TensorBase


class Activation(Node):
    """y = f(x; a, b)"""

    __slots__ = ("a", "b")

    def backward(self, dy):
        (x,) = self.saved
        if _C.is_grad_enabled():
            return dy * self.slope(x, self.a, self.b)
        return self.kernel(dy, x, self.a, self.b)

    @staticmethod
    def kernel(dy, x, a, b):
        """dx, by the extension."""
        raise NotImplementedError

    @staticmethod
    def slope(x, a, b):
        """dy/dx, of differentiable ops."""
        raise NotImplementedError


def activation(name, slope):
    """(forward, in-place form) of one op; both take (x, a, b).

    Args:
        name: as in activation.h.
        slope: dy/dx of (x, a, b) in differentiable ops.
    """
    forward, overwrite = getattr(_C, name), getattr(_C, name + "_")
    members = {
        "__slots__": (),
        "kernel": staticmethod(getattr(_C, name + "_backward")),
        "slope": staticmethod(slope),
    }
    node = type(name.title().replace("_", ""), (Activation,), members)

    def run(x, a=0.0, b=0.0):
        y = forward(x, a, b)
        if y.requires_grad:
            n = record(node, y, (x,), (x,))
            n.a, n.b = a, b
        return y

    def run_(x, a=0.0, b=0.0):
        if _inplace.tracked(x):
            _inplace.check(x, name + "_")
            # The derivative needs the input, which is about to be overwritten.
            return _inplace.assign(x, run(x.clone(), a, b), name + "_")
        if x._inference:
            _inplace.check(x, name + "_")
        overwrite(x, a, b)
        return x

    return run, run_


def _where(condition, x, y):
    return FUNCTIONS["where"](condition, x, y)


def _gelu_slope(x, a, b):
    cdf = 0.5 * (1 + (x * math.sqrt(0.5)).erf())
    return cdf + x * (1 / math.sqrt(2 * math.pi)) * (-0.5 * x * x).exp()


def _gelu_tanh_slope(x, a, b):
    root = math.sqrt(2 / math.pi)
    s = (2 * root * (x + 0.044715 * x * x * x)).sigmoid()
    return s + x * 2 * s * (1 - s) * (root * (1 + 3 * 0.044715 * x * x))


def _silu_slope(x, a, b):
    s = x.sigmoid()
    return s * (1 + x * (1 - s))


def _mish_slope(x, a, b):
    t = softplus(x).tanh()
    return t + x * (1 - t * t) * x.sigmoid()


def _inside(x, a, b):
    return ((x > a) & (x < b)).to(x.dtype)


def _outside(x, a, b):
    return 1 - ((x >= -a) & (x <= a)).to(x.dtype)


_gelu, _ = activation("gelu", _gelu_slope)
_gelu_tanh, _ = activation("gelu_tanh", _gelu_tanh_slope)
_silu, _silu_ = activation("silu", _silu_slope)
_mish, _mish_ = activation("mish", _mish_slope)
_softsign, _ = activation("softsign", lambda x, a, b: (1 + x.abs()) ** -2)
_tanhshrink, _ = activation("tanhshrink", lambda x, a, b: x.tanh().square())
_logsigmoid, _ = activation("logsigmoid", lambda x, a, b: (-x).sigmoid())
_softplus, _ = activation("softplus", lambda x, a, b: _where(x * a > b, 1.0, (x * a).sigmoid()))
_elu, _elu_ = activation("elu", lambda x, a, b: _where(x > 0, 1.0, a * x.exp()))
_celu, _celu_ = activation("celu", lambda x, a, b: _where(x > 0, 1.0, (x / a).exp()))
_selu, _selu_ = activation("selu", lambda x, a, b: _where(x > 0, b, (a * b) * x.exp()))
_leaky_relu, _leaky_relu_ = activation(
    "leaky_relu", lambda x, a, b: _where(x > 0, 1.0, a).to(x.dtype)
)
_hardtanh, _hardtanh_ = activation("hardtanh", _inside)
_hardsigmoid, _hardsigmoid_ = activation("hardsigmoid", lambda x, a, b: _inside(x, -3, 3) / 6)
_hardswish, _hardswish_ = activation(
    "hardswish", lambda x, a, b: _where(x <= -3, 0.0, _where(x < 3, x / 3 + 0.5, 1.0))
)
_hardshrink, _ = activation("hardshrink", _outside)
_softshrink, _ = activation("softshrink", _outside)
_threshold, _threshold_ = activation("threshold", lambda x, a, b: (x > a).to(x.dtype))


@functional
def relu(input, inplace=False):
    """max(x, 0)."""
    return METHODS["relu_"](input) if inplace else _unary.relu(input)


@functional
def relu_(input):
    """In-place form of relu."""
    return METHODS["relu_"](input)


FUNCTIONS["relu_"] = relu_


@functional
def sigmoid(input):
    """1 / (1 + exp(-x))."""
    return _unary.sigmoid(input)


@functional
def tanh(input):
    """Hyperbolic tangent."""
    return _unary.tanh(input)


@functional
def gelu(input, approximate="none"):
    """x * normal_cdf(x).

    Args:
        approximate: "none", or "tanh" for the approximation by a tanh.
    """
    if approximate == "none":
        return _gelu(input)
    if approximate == "tanh":
        return _gelu_tanh(input)
    raise RuntimeError(
        f"gelu(): approximate argument must be either none or tanh, got {approximate!r}"
    )


@functional
def silu(input, inplace=False):
    """x * sigmoid(x), also called swish."""
    return _silu_(input) if inplace else _silu(input)


@functional
def mish(input, inplace=False):
    """x * tanh(softplus(x))."""
    return _mish_(input) if inplace else _mish(input)


@functional
def softsign(input):
    """x / (1 + |x|)."""
    return _softsign(input if input.dtype.is_floating_point else input.to(_C.float32))


@functional
def tanhshrink(input):
    """x - tanh(x)."""
    return _tanhshrink(input if input.dtype.is_floating_point else input.to(_C.float32))


@functional
def logsigmoid(input):
    """log(sigmoid(x))."""
    return _logsigmoid(input)


@functional
def softplus(input, beta=1.0, threshold=20.0):
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold."""
    return _softplus(input, beta, threshold)


@functional
def elu(input, alpha=1.0, inplace=False):
    """x for x > 0, alpha * (exp(x) - 1) otherwise."""
    return _elu_(input, alpha) if inplace else _elu(input, alpha)


@functional
def elu_(input, alpha=1.0):
    """In-place form of elu."""
    return _elu_(input, alpha)


@functional
def celu(input, alpha=1.0, inplace=False):
    """x for x > 0, alpha * (exp(x / alpha) - 1) otherwise.

    Raises:
        RuntimeError: alpha is 0.
    """
    if alpha == 0:
        raise RuntimeError("celu(): ZeroDivisionError: alpha cannot be 0")
    return _celu_(input, alpha) if inplace else _celu(input, alpha)


@functional
def celu_(input, alpha=1.0):
    """In-place form of celu."""
    return celu(input, alpha, True)


_SELU = (1.6732632423543772, 1.0507009873554805)


@functional
def selu(input, inplace=False):
    """scale * elu(x, alpha) with the two constants that keep mean 0 and variance 1."""
    return _selu_(input, *_SELU) if inplace else _selu(input, *_SELU)


@functional
def selu_(input):
    """In-place form of selu."""
    return _selu_(input, *_SELU)


FUNCTIONS.update(celu=celu, celu_=celu_, selu=selu, selu_=selu_)


@functional
def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x for x > 0, negative_slope * x otherwise."""
    return _leaky_relu_(input, negative_slope) if inplace else _leaky_relu(input, negative_slope)


@functional
def leaky_relu_(input, negative_slope=0.01):
    """In-place form of leaky_relu."""
    return _leaky_relu_(input, negative_slope)


def _integer_limits(input, low, high, inplace):
    # Integers have no gradient and no kernel of their own here.
    clamp = METHODS["clamp_"] if inplace else METHODS["clamp"]
    return clamp(input, int(low), int(high))


@functional
def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x limited to [min_val, max_val].

    Raises:
        ValueError: min_val > max_val.
    """
    if min_val > max_val:
        raise ValueError("hardtanh(): min_val cannot be greater than max_val")
    if not input.dtype.is_floating_point:
        return _integer_limits(input, min_val, max_val, inplace)
    return _hardtanh_(input, min_val, max_val) if inplace else _hardtanh(input, min_val, max_val)


@functional
def hardtanh_(input, min_val=-1.0, max_val=1.0):
    """In-place form of hardtanh."""
    return hardtanh(input, min_val, max_val, True)


@functional
def relu6(input, inplace=False):
    """x limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


@functional
def hardsigmoid(input, inplace=False):
    """(x + 3) / 6 limited to [0, 1]."""
    return _hardsigmoid_(input) if inplace else _hardsigmoid(input)


@functional
def hardswish(input, inplace=False):
    """x * hardsigmoid(x)."""
    return _hardswish_(input) if inplace else _hardswish(input)


@functional
def hardshrink(input, lambd=0.5):
    """x where |x| > lambd, 0 elsewhere."""
    return _hardshrink(input, lambd)


function(hardshrink)
method(hardshrink)


@functional
def softshrink(input, lambd=0.5):
    """x moved by lambd towards 0, 0 where |x| <= lambd.

    Raises:
        RuntimeError: lambd < 0.
    """
    if lambd < 0:
        raise RuntimeError(
            f"softshrink(): lambda must be greater or equal to 0, but found to be {lambd}"
        )
    return _softshrink(input, lambd)


@functional
def threshold(input, threshold, value, inplace=False):
    """x where x > threshold, value elsewhere."""
    if not input.dtype.is_floating_point:
        y = _where(input > threshold, input, int(value))
        return input.copy_(y) if inplace else y
    return (_threshold_ if inplace else _threshold)(input, threshold, value)


@functional
def threshold_(input, threshold, value):
    """In-place form of threshold."""
    return FUNCTIONAL["threshold"](input, threshold, value, True)


FUNCTIONS.update(threshold=threshold, threshold_=threshold_)
