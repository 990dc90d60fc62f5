"""Sliding blocks: unfold makes them columns, fold adds them up again. Each is the other's gradient."""

from __future__ import annotations

from .._load import _C
from ._register import Node, functional, record


class Unfold(Node):
    """columns = blocks of x"""

    __slots__ = ("size", "spec")

    def backward(self, dy):
        return fold(dy, self.size, *self.spec)


class Fold(Node):
    """x = sum of the blocks"""

    __slots__ = ("spec",)

    def backward(self, dx):
        return unfold(dx, *self.spec)


@functional
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """The sliding blocks of an image as columns.

    Args:
        input: [batch, channels, height, width], or without batch.
        kernel_size, dilation, padding, stride: an int or (height, width).

    Returns:
        [batch, channels * kernel elements, blocks].

    Raises:
        RuntimeError: no block fits.
    """
    y = _C.unfold_blocks(input, kernel_size, dilation, padding, stride)
    if y.requires_grad:
        node = record(Unfold, y, (input,))
        node.size, node.spec = input.shape[-2:], (kernel_size, dilation, padding, stride)
    return y


@functional
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """Columns added back into an image: elements that several blocks share are sums.

    Args:
        input: [batch, channels * kernel elements, blocks], or without batch.
        output_size: (height, width) of the image.
        kernel_size, dilation, padding, stride: as of unfold.

    Returns:
        [batch, channels, height, width].

    Raises:
        RuntimeError: the columns do not fit the image.
    """
    x = _C.fold_blocks(input, output_size, kernel_size, dilation, padding, stride)
    if x.requires_grad:
        record(Fold, x, (input,)).spec = (kernel_size, dilation, padding, stride)
    return x
