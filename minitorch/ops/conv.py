"""Convolution and transposed convolution in 1 to 3 spatial dims.

A convolution is linear in its input and in its weight, so three maps carry everything:
    y = F(x, w),   dx = I(dy, w),   dw = W(dy, x)
and the gradients of each are the other two. A transposed convolution is I.
"""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._register import FUNCTIONAL, FUNCTIONS, Node, record


class Conv(Node):
    """y = F(x, w) + b"""

    __slots__ = ("spec",)

    def backward(self, dy):
        x, w = self.saved
        needs = self.needs
        if _C.is_grad_enabled():
            return (
                _input(dy, w, x.shape, self.spec) if needs(0) else None,
                _weight(dy, x, w, self.spec) if needs(1) else None,
                _sum_channels(dy, self.spec) if needs(2) else None,
            )
        return _C.conv_backward(dy, x, w, needs(0), needs(1), needs(2), *self.spec)


class ConvInput(Node):
    """dx = I(dy, w)"""

    __slots__ = ("spec",)

    def backward(self, g):
        dy, w = self.saved
        return (
            _forward(g, w, dy.shape, self.spec) if self.needs(0) else None,
            _weight(dy, g, w, self.spec) if self.needs(1) else None,
        )


class ConvWeight(Node):
    """dw = W(dy, x)"""

    __slots__ = ("spec",)

    def backward(self, g):
        dy, x = self.saved
        return (
            _forward(x, g, dy.shape, self.spec) if self.needs(0) else None,
            _input(dy, g, x.shape, self.spec) if self.needs(1) else None,
        )


class ConvSized(Node):
    """y = F(x, w)"""

    __slots__ = ("spec",)

    def backward(self, g):
        x, w = self.saved
        return (
            _input(g, w, x.shape, self.spec) if self.needs(0) else None,
            _weight(g, x, w, self.spec) if self.needs(1) else None,
        )


class ConvTranspose(Node):
    """y = I(x, w) + b"""

    __slots__ = ("spec",)

    def backward(self, dy):
        x, w = self.saved
        needs = self.needs
        if _C.is_grad_enabled():
            return (
                _forward(dy, w, x.shape, self.spec) if needs(0) else None,
                _weight(x, dy, w, self.spec) if needs(1) else None,
                _sum_channels(dy, self.spec) if needs(2) else None,
            )
        return _C.conv_transpose_backward(dy, x, w, needs(0), needs(1), needs(2), *self.spec)


def _forward(x, w, shape, spec):
    y = _C.conv_sized(x, w, shape, *spec)
    if y.requires_grad:
        record(ConvSized, y, (x, w), (x, w)).spec = spec
    return y


def _input(dy, w, shape, spec):
    dx = _C.conv_input(dy, w, shape, *spec)
    if dx.requires_grad:
        record(ConvInput, dx, (dy, w), (dy, w)).spec = spec
    return dx


def _weight(dy, x, w, spec):
    dw = _C.conv_weight(dy, x, w.detach(), *spec)
    if dw.requires_grad:
        record(ConvWeight, dw, (dy, x), (dy, x)).spec = spec
    return dw


def _sum_channels(dy, spec):
    nd = spec[-1]
    dims = tuple(range(dy.dim() - nd, dy.dim()))
    return dy.sum((0, *dims) if dy.dim() == nd + 2 else dims)


def _one_tap_channels_last(x, weight, bias, stride, padding, groups):
    """A 1x1 convolution of a channels_last batch as a product over its last dim, or None."""
    if groups != 1 or stride not in (1, (1, 1)) or padding not in (0, (0, 0), "same", "valid"):
        return None
    if x.dim() != 4 or weight.shape[1:] != (x.shape[1], 1, 1) or x.dtype != weight.dtype:
        return None
    if x.is_cuda and (x.dtype is not _C.float32 or _C.conv_allow_tf32()):
        return None  # does the same, by what convolutions may round to
    if not x.is_floating_point() or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    last = x.permute(0, 2, 3, 1)
    if not last.is_contiguous():
        return None
    return FUNCTIONAL["linear"](last, weight.flatten(1), bias).permute(0, 3, 1, 2)


def _conv(nd):
    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if _amp.enabled:
            input, weight, bias = _amp.low(input, weight, bias)
        if nd == 2 and not input.is_contiguous():
            y = _one_tap_channels_last(input, weight, bias, stride, padding, groups)
            if y is not None:
                return y
        y = _C.conv(input, weight, bias, stride, padding, dilation, groups, nd)
        if y.requires_grad:
            node = record(Conv, y, (input, weight, bias), (input, weight))
            node.spec = (stride, padding, dilation, groups, nd)
        return y

    dims = "length", "height, width", "depth, height, width"
    conv.__name__ = conv.__qualname__ = f"conv{nd}d"
    conv.__doc__ = f"""Convolution over {nd} spatial dim{"s" if nd > 1 else ""}.

    Args:
        input: [batch, in_channels, {dims[nd - 1]}], or without batch.
        weight: [out_channels, in_channels / groups, kernel sizes].
        bias: [out_channels] or None.
        stride, padding, dilation: an int or one per spatial dim; padding may be 'same' or 'valid'.
        groups: parts of the channels that do not mix.

    Returns:
        [batch, out_channels, output sizes], each (size + 2*padding - dilation*(kernel-1) - 1) // stride + 1.

    Raises:
        RuntimeError: the shapes do not fit.
    """
    FUNCTIONS[conv.__name__] = FUNCTIONAL[conv.__name__] = conv
    return conv


def _conv_transpose(nd):
    def conv_transpose(
        input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
    ):
        if _amp.enabled:
            input, weight, bias = _amp.low(input, weight, bias)
        y = _C.conv_transpose(
            input, weight, bias, stride, padding, output_padding, groups, dilation, nd
        )
        if y.requires_grad:
            node = record(ConvTranspose, y, (input, weight, bias), (input, weight))
            node.spec = (stride, padding, dilation, groups, nd)
        return y

    conv_transpose.__name__ = conv_transpose.__qualname__ = f"conv_transpose{nd}d"
    conv_transpose.__doc__ = f"""Transposed convolution over {nd} spatial dim{"s" if nd > 1 else ""}: the gradient of a convolution.

    Args:
        input: [batch, in_channels, sizes], or without batch.
        weight: [in_channels, out_channels / groups, kernel sizes].
        bias: [out_channels] or None.
        stride, padding, output_padding, dilation: an int or one per spatial dim.
        groups: parts of the channels that do not mix.

    Returns:
        [batch, out_channels, sizes], each
        (size-1)*stride - 2*padding + dilation*(kernel-1) + output_padding + 1.

    Raises:
        RuntimeError: the shapes do not fit.
    """
    FUNCTIONS[conv_transpose.__name__] = FUNCTIONAL[conv_transpose.__name__] = conv_transpose
    return conv_transpose


conv1d, conv2d, conv3d = _conv(1), _conv(2), _conv(3)
conv_transpose1d, conv_transpose2d, conv_transpose3d = (_conv_transpose(n) for n in (1, 2, 3))
