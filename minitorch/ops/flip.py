"""Reversed, shifted and rotated dims."""

from __future__ import annotations

from .._load import _C
from ._register import Node, op, record


class Flip(Node):
    """y = x with dims reversed"""

    __slots__ = ("dims",)

    def backward(self, dy):
        return flip(dy, self.dims)


class Roll(Node):
    """y = x shifted around the end of dims"""

    __slots__ = ("dims", "shifts")

    def backward(self, dy):
        return roll(dy, tuple(-s for s in self.shifts), self.dims)


@op
def flip(input, *args, dims=None):
    """The elements in reverse order along the dims; a copy.

    Args:
        dims: as a sequence, or as arguments.
    """
    dims = args if dims is None else dims
    y = _C.flip(input, dims)
    if y.requires_grad:
        if len(dims) == 1 and not isinstance(dims[0], int):
            dims = tuple(dims[0])
        record(Flip, y, (input,)).dims = dims
    return y


@op
def fliplr(input):
    """flip along dim 1."""
    if input.dim() < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, (1,))


@op
def flipud(input):
    """flip along dim 0."""
    if input.dim() < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, (0,))


def _numbers(v):
    return (v,) if isinstance(v, int) else tuple(v)


@op
def roll(input, shifts, dims=None):
    """Element i of a dim moves to i + shift, around the end; without dims, of the flattened tensor."""
    shifts = _numbers(shifts)
    dims = () if dims is None else _numbers(dims)
    y = _C.roll(input, shifts, dims)
    if y.requires_grad:
        node = record(Roll, y, (input,))
        node.shifts, node.dims = shifts, dims
    return y


@op
def rot90(input, k=1, dims=(0, 1)):
    """A turn by k * 90 degrees in the plane of two dims, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    n = input.dim()
    if n < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {n}")
    if any(not -n <= d < n for d in dims):
        raise RuntimeError(
            f"Rotation dim out of range: dims {tuple(dims)} of a tensor with {n} dims"
        )
    a, b = (d % n for d in dims)
    if a == b:
        raise RuntimeError(
            f"expected rotation dims to be different, but got dim0 = {a} and dim1 = {b}"
        )
    k %= 4
    if k == 1:
        return flip(input, (b,)).transpose(a, b)
    if k == 2:
        return flip(input, (a, b))
    return flip(input, (a,)).transpose(a, b) if k == 3 else input.clone()
