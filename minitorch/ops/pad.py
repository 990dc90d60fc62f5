"""Padding: constant, reflected, replicated and circular borders."""

from __future__ import annotations

from .._load import _C
from ._register import Node, function, functional, record


class Pad(Node):
    """y = x with a border (reflect, replicate, circular)"""

    __slots__ = ("mode", "padding", "shape")

    def backward(self, dy):
        return pad_grad(dy, self.shape, self.padding, self.mode)


class PadGrad(Node):
    """dx of a border: the elements of dy added up where they came from"""

    __slots__ = ("mode", "padding")

    def backward(self, ddx):
        return _bordered(ddx, self.padding, self.mode)


class ConstantPad(Node):
    """y = x with a border of a constant, or cut"""

    __slots__ = ("padding",)

    def backward(self, dy):
        return constant_pad_nd(dy, tuple(-p for p in self.padding))


def _bordered(x, padding, mode):
    y = _C.pad(x, padding, mode, 0)
    if y.requires_grad:
        node = record(Pad, y, (x,))
        node.shape, node.padding, node.mode = x.shape, padding, mode
    return y


def pad_grad(dy, shape, padding, mode):
    """The gradient of a border with respect to the tensor inside."""
    dx = _C.pad_grad(dy, shape, padding, mode)
    if dx.requires_grad:
        node = record(PadGrad, dx, (dy,))
        node.padding, node.mode = padding, mode
    return dx


@function
def constant_pad_nd(input, pad, value=0):
    """input with a border of a constant.

    Args:
        pad: (before, after) of the last dim, then of the one before it ...; negative numbers cut.
    """
    pad = tuple(int(p) for p in pad)
    y = _C.pad(input, pad, "constant", 0 if value is None else value)
    if y.requires_grad:
        record(ConstantPad, y, (input,)).padding = pad
    return y


@functional
def pad(input, pad, mode="constant", value=None):
    """input with a border.

    Args:
        pad: (before, after) of the last dim, then of the one before it ...; negative numbers cut.
        mode: "constant", "reflect" (without the edge element), "replicate" or "circular".
        value: of the constant; 0 by default.

    Raises:
        RuntimeError: more padding than the mode has elements for, or a negative result size.
    """
    pad = tuple(int(p) for p in pad)
    if mode == "constant":
        return constant_pad_nd(input, pad, value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    padded = len(pad) // 2
    if len(pad) % 2 or not 1 <= padded <= 3 or input.dim() not in (padded + 1, padded + 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now; got "
            f"{len(pad)} numbers for an input of {input.dim()} dims"
        )
    return _bordered(input, pad, mode)
