"""Layer norm and RMS norm."""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._compose import gradients
from ._register import Node, function, functional, record


class LayerNorm(Node):
    """y = (x - mean) rstd w + b over the last dims"""

    __slots__ = ("eps", "shape")

    def backward(self, dy, dmean=None, drstd=None):
        x, w, b, mean, rstd = self.saved
        needs = self.needs_input_grad
        if _C.is_grad_enabled() or dmean is not None or drstd is not None:
            return gradients(
                lambda x, w, b: _layer_norm(x, self.shape, w, b, self.eps),
                (x, w, b),
                needs,
                (dy, dmean, drstd),
            )
        dx, dw, db = _C.layer_norm_backward(dy, x, self.shape, w, mean, rstd, needs[1] or needs[2])
        return dx, dw, db


class RmsNorm(Node):
    """y = x rstd w over the last dims"""

    __slots__ = ("eps", "shape")

    def backward(self, dy):
        x, w, rstd = self.saved
        needs = self.needs_input_grad
        if _C.is_grad_enabled():
            return gradients(
                lambda x, w: _rms_norm(x, self.shape, w, self.eps), (x, w), needs, (dy,)
            )
        dx, dw, _ = _C.layer_norm_backward(dy, x, self.shape, w, None, rstd, needs[1])
        return dx, dw


def _layer_norm(x, shape, w, b, eps):
    dims = tuple(range(-len(shape), 0))
    mean = x.mean(dims, keepdim=True)
    centred = x - mean
    rstd = ((centred * centred).mean(dims, keepdim=True) + eps).rsqrt()
    y = centred * rstd
    y = y if w is None else y * w
    return (y if b is None else y + b), mean, rstd


def _rms_norm(x, shape, w, eps):
    y = x * ((x * x).mean(tuple(range(-len(shape), 0)), keepdim=True) + eps).rsqrt()
    return y if w is None else y * w


def _shape(shape):
    return (shape,) if isinstance(shape, int) else tuple(shape)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalises the last dims to mean 0 and variance 1, then scales and shifts.

    Args:
        input: [*, *normalized_shape].
        normalized_shape: sizes of the dims to normalise over.
        weight, bias: of shape normalized_shape.
        eps: added to the variance.

    Returns:
        A tensor of input's shape.
    """
    if _amp.enabled:
        input, weight, bias = _amp.float32("layer_norm", input, weight, bias)
    y, mean, rstd = _C.layer_norm(input, normalized_shape, weight, bias, eps)
    if y.requires_grad:
        node = record(LayerNorm, y, (input, weight, bias), (input, weight, bias, mean, rstd))
        node.eps = eps
        node.shape = normalized_shape
    return y


functional(layer_norm)


@function(name="layer_norm")
def _top_level_layer_norm(
    input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True
):
    """nn.functional.layer_norm."""
    return layer_norm(input, normalized_shape, weight, bias, eps)


@function
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """layer_norm, its means and its reciprocal standard deviations.

    Returns:
        A tuple (output, mean, rstd); the latter with size 1 in the normalised dims.
    """
    y, mean, rstd = _C.layer_norm(input, normalized_shape, weight, bias, eps)
    if y.requires_grad:
        if input.requires_grad:
            mean.requires_grad = rstd.requires_grad = True
        outs = (y, mean, rstd)
        node = record(
            LayerNorm,
            outs,
            (input, weight, bias),
            (input, weight, bias, mean.detach(), rstd.detach()),
        )
        node.eps = eps
        node.shape = _shape(normalized_shape)
    return y, mean, rstd


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Divides by the root mean square over the last dims, then scales.

    Args:
        input: [*, *normalized_shape].
        normalized_shape: sizes of the dims to normalise over.
        weight: of shape normalized_shape.
        eps: added to the mean square; the machine epsilon of float64 or float32 where None.
    """
    if eps is None:
        # Machine epsilon of the dtype that the sums are made in.
        eps = 2.0**-52 if input.dtype is _C.float64 else 2.0**-23
    y, _, rstd = _C.rms_norm(input, normalized_shape, weight, eps)
    if y.requires_grad:
        node = record(RmsNorm, y, (input, weight), (input, weight, rstd))
        node.eps = eps
        node.shape = normalized_shape
    return y


function(functional(rms_norm))
