"""Repetition of whole tensors and of single slices."""

from __future__ import annotations

from .._load import _C
from ._register import Node, method, op, record

_Tensor = _C.TensorBase


class Repeat(Node):
    """y = x, times[i] times along dim i"""

    __slots__ = ("shape", "times")

    def backward(self, dy):
        lead = len(self.times) - len(self.shape)
        sizes, summed = [], []
        for i, times in enumerate(self.times):
            n = self.shape[i - lead] if i >= lead else 1
            if times != 1:
                summed.append(len(sizes))
                sizes.append(times)
            sizes.append(n)
        dx = dy.reshape(sizes)
        return (dx.sum(tuple(summed)) if summed else dx).reshape(self.shape)


@method
def repeat(self, *args, repeats=None):
    """The tensor repeated as often along every dim as `repeats` says; more repeats add leading dims.

    Args:
        repeats: as a sequence, or as arguments.
    """
    repeats = args if repeats is None else repeats
    y = _C.repeat(self, repeats)
    if y.requires_grad:
        node = record(Repeat, y, (self,))
        if len(repeats) == 1 and not isinstance(repeats[0], int):
            repeats = repeats[0]
        node.times, node.shape = tuple(int(r) for r in repeats), self.shape
    return y


@op
def tile(input, *args, dims=None):
    """repeat, with missing leading repeats taken as 1."""
    dims = args if dims is None else dims
    if len(dims) == 1 and not isinstance(dims[0], int):
        dims = tuple(dims[0])
    return repeat(input, (1,) * (input.dim() - len(dims)) + tuple(dims))


@op
def repeat_interleave(input, repeats=None, dim=None, *, output_size=None):
    """Every element (or slice of a dim) repeated in its place.

    Args:
        repeats: an int, or an integer tensor with one number per slice. Without it, `input` holds the
            repeats and the result their places.
        dim: None for the flattened input.
        output_size: the sum of the repeats, where known.
    """
    if repeats is None:
        return _C.repeat_places(input, -1 if output_size is None else output_size)
    if dim is None:
        input, dim = input.reshape(-1), 0
    elif input.dim() == 0:
        input, dim = input.reshape(1), 0
    dim = dim % input.dim() if -input.dim() <= dim < input.dim() else dim
    n = input.shape[dim]
    if not isinstance(repeats, _Tensor):
        if repeats < 0:
            raise RuntimeError("Repeats must be non-negative")
        times = [1] * (input.dim() + 1)
        times[dim + 1] = repeats
        return repeat(input.unsqueeze(dim + 1), times).flatten(dim, dim + 1)
    if repeats.dim() == 0 or (repeats.dim() == 1 and repeats.shape[0] == 1):
        repeats = repeats.reshape(1).expand(n)
    if repeats.dim() != 1 or repeats.shape[0] != n:
        raise RuntimeError(
            f"repeat_interleave(): repeats must have the same size as input along dim, but got "
            f"repeats.size(0) = {repeats.shape[0] if repeats.dim() else 1} and input.size({dim}) = {n}"
        )
    places = _C.repeat_places(repeats, -1 if output_size is None else output_size)
    return input.index_select(dim, places)
