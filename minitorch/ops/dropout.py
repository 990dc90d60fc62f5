"""Dropout in its forms."""

from __future__ import annotations

from .._load import _C
from ..autograd import inplace as _inplace
from ..random import default_generator as _default
from ..random import generator_of as _generator_of
from ._register import FUNCTIONS, Node, functional, record

_c_dropout = _C.dropout


def _check(p, name):
    if p < 0.0 or p > 1.0:
        raise ValueError(f"{name}(): dropout probability has to be between 0 and 1, but got {p}")


class Dropout(Node):
    """y = x * mask / (1 - p); the mask is drawn again from where the generator stood"""

    __slots__ = ("p", "place")

    def backward(self, dy):
        return _draw(dy, self.p, self.place)


def _draw(x, p, place):
    y = _c_dropout(x, p, *place)
    if y.requires_grad:
        node = record(Dropout, y, (x,))
        node.p, node.place = p, place
    return y


@functional
def dropout(input, p=0.5, training=True, inplace=False):
    """Zeroes each element with probability p and scales the others by 1 / (1 - p).

    Args:
        p: probability of an element to be zeroed.
        training: without it the input is returned.
    """
    _check(p, "dropout")
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    place = (_generator_of(input) if input.is_cuda else _default).reserve(input.numel())
    if not inplace:
        return _draw(input, p, place)
    if _inplace.tracked(input):
        return _inplace.assign(input, _draw(input.clone(), p, place), "dropout_")
    if input._inference:
        _inplace.check(input, "dropout_")
    _C.dropout_(input, p, *place)
    return input


def _mask(input, p, channels):
    """1 with probability 1 - p: per element, or per channel ([n, c, 1, ...])."""
    shape = input.shape[:2] + (1,) * (input.dim() - 2) if channels else input.shape
    mask = _C.empty(shape, input.dtype, input.device)
    _C.bernoulli_(mask, 1.0 - p, *_generator_of(mask).reserve(mask.numel()))
    return mask


def _channels(input, p, training, inplace):
    """Whole channels of [n, c, ...] are zeroed."""
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    mask = _mask(input, p, True) / (1.0 - p)
    return input.mul_(mask) if inplace else input * mask


def _batched(name, dims):
    def f(input, p=0.5, training=True, inplace=False):
        _check(p, name)
        if input.dim() not in (dims + 1, dims + 2):
            import warnings

            warnings.warn(
                f"{name}(): expected a {dims + 1}-D or {dims + 2}-D input, but received {input.dim()}-D "
                "input; channels are taken to be dim 1.",
                stacklevel=2,
            )
        if input.dim() == dims + 1 and dims > 0:
            y = _channels(input.unsqueeze(0), p, training, inplace)
            return input if inplace else y.squeeze(0)
        return _channels(input, p, training, inplace)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = (
        "Zeroes whole channels with probability p and scales the others by 1 / (1 - p).\n\n"
        f"    Args:\n        input: [n, c, {dims} dims] or [c, {dims} dims]."
    )
    return functional(f)


dropout2d = _batched("dropout2d", 2)
dropout3d = _batched("dropout3d", 3)


@functional
def dropout1d(input, p=0.5, training=True, inplace=False):
    """Zeroes whole channels with probability p and scales the others by 1 / (1 - p).

    Args:
        input: [n, c, l] or [c, l].
    """
    _check(p, "dropout1d")
    if input.dim() not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.dim()}D input. Note that dropout1d "
            "exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, "
            "and an optional batch dimension."
        )
    if input.dim() == 2:
        y = _channels(input.unsqueeze(0), p, training, inplace)
        return input if inplace else y.squeeze(0)
    return _channels(input, p, training, inplace)


def _alpha(input, p, training, inplace, channels):
    """Dropped values become selu's lower limit; mean and variance are kept."""
    if not training or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return input.mul_(0) if inplace else input * 0
    limit = -1.7580993408473766
    a = ((1 - p) * (1 + p * limit * limit)) ** -0.5
    mask = _mask(input, p, channels)
    shift = (1 - mask) * (a * limit) - a * limit * p
    y = input * (mask * a) + shift
    return _inplace.assign(input, y, "alpha_dropout_") if inplace else y


@functional
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """Dropout for selu networks: mean and variance of normal inputs are kept."""
    _check(p, "alpha_dropout")
    return _alpha(input, p, training, inplace, False)


@functional
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout of whole channels, [n, c, ...]."""
    _check(p, "feature_alpha_dropout")
    return _alpha(input, p, training, inplace, True)


def _top_level(f, name, inplace=False):
    """The form in minitorch: p and training are required."""

    def g(input, p, train):
        return f(input, p, train, inplace)

    g.__name__ = g.__qualname__ = name
    g.__doc__ = f.__doc__
    FUNCTIONS[name] = g


def _feature_dropout(input, p, training, inplace):
    _check(p, "feature_dropout")
    return _channels(input, p, training, inplace)


_feature_dropout.__doc__ = dropout2d.__doc__
for _name, _f in {
    "dropout": dropout,
    "feature_dropout": _feature_dropout,
    "alpha_dropout": alpha_dropout,
    "feature_alpha_dropout": feature_alpha_dropout,
}.items():
    _top_level(_f, _name)
    _top_level(_f, _name + "_", True)
