"""Triangles and diagonals of matrices."""

from __future__ import annotations

from .. import dtypes
from .._load import _C
from ._register import Node, function, inplace, op, record
from .slice import diagonal, diagonal_embed
from .view import wrap_dim

_Tensor = _C.TensorBase


class Tril(Node):
    """y = x at and below a diagonal, else 0"""

    __slots__ = ("k",)

    def backward(self, dy):
        return tril(dy, self.k)


class Triu(Node):
    """y = x at and above a diagonal, else 0"""

    __slots__ = ("k",)

    def backward(self, dy):
        return triu(dy, self.k)


@op(out=True)
def tril(input, diagonal=0):
    """The lower triangle of matrices (the last two dims), zeros elsewhere.

    Args:
        diagonal: the last diagonal that is kept; 0 is the main one, positive ones lie above it.
    """
    y = _C.tril(input, diagonal)
    if y.requires_grad:
        record(Tril, y, (input,)).k = diagonal
    return y


@op(out=True)
def triu(input, diagonal=0):
    """The upper triangle of matrices (the last two dims), zeros elsewhere.

    Args:
        diagonal: the first diagonal that is kept; 0 is the main one, positive ones lie above it.
    """
    y = _C.triu(input, diagonal)
    if y.requires_grad:
        record(Triu, y, (input,)).k = diagonal
    return y


def _lower(self, diagonal=0):
    _C.tril_(self, diagonal)


def _upper(self, diagonal=0):
    _C.triu_(self, diagonal)


inplace(tril, _lower)
inplace(triu, _upper)


def _indices(name, keep, row, col, offset, dtype, device):
    if row < 0 or col < 0:
        raise RuntimeError(
            f"{name}: row and col must be non-negative, got row: {row} and col: {col}"
        )
    places = _C.nonzero_columns(keep(_C.full((row, col), True, _C.bool, device), offset))
    return _C.stack(places, 0).to(dtype)


@function
def tril_indices(row, col, offset=0, *, dtype=dtypes.int64, device=None, layout=None):
    """Rows and columns of the lower triangle of a (row, col) matrix, (2, count)."""
    return _indices("tril_indices", _C.tril, row, col, offset, dtype, device)


@function
def triu_indices(row, col, offset=0, *, dtype=dtypes.int64, device=None, layout=None):
    """Rows and columns of the upper triangle of a (row, col) matrix, (2, count)."""
    return _indices("triu_indices", _C.triu, row, col, offset, dtype, device)


@op
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """Matrices with the last dim of input on a diagonal, zeros elsewhere.

    Args:
        offset: which diagonal; positive ones lie above the main one.
        dim1, dim2: the dims of the result that the matrices lie in.
    """
    n = input.dim() + 1
    a, b = wrap_dim(dim1, n), wrap_dim(dim2, n)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, size)
    return diagonal_embed(input, tuple(shape), offset, a, b)


@op(out=True)
def diag(input, diagonal=0):
    """A matrix with a vector on its diagonal, or the diagonal of a matrix."""
    if input.dim() == 1:
        return diag_embed(input, diagonal)
    if input.dim() != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.dim()}D")
    return _diagonal(input, diagonal).clone()


_diagonal = diagonal


@op
def diagflat(input, offset=0):
    """A matrix with all elements of input on a diagonal."""
    return diag_embed(input.reshape(-1), offset)


class Replace(Node):
    """y = x with one of its views overwritten by src"""

    __slots__ = ("args", "view")

    def backward(self, dy):
        zero = _C.full((), 0, dy.dtype, dy.device)
        dx = replace(dy, zero, self.view, self.args) if self.needs(0) else None
        return dx, self.view(dy, *self.args) if self.needs(1) else None


def replace(input, src, view, args):
    """A copy of input in which view(copy, *args) holds src."""
    y = _C.clone(input.detach(), True)
    before = _C.set_grad_enabled(False)
    try:
        part = view(y, *args)
        if src.dim() and src.shape != part.shape:
            raise RuntimeError(
                f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, "
                f"slice size = {list(part.shape)}"
            )
        _C.copy_(part, src.detach())
    finally:
        _C.set_grad_enabled(before)
    if before and (input.requires_grad or src.requires_grad):
        node = record(Replace, y, (input, src))
        node.view, node.args = view, args
    return y


@op(out=True)
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """input with src on a diagonal of two dims."""
    return replace(input, src, _diagonal, (offset, dim1, dim2))


def _select(x, dim, index):
    return x.select(dim, index)


def _slice(x, dim, start, end, step):
    from .slice import slice

    return slice(x, dim, start, end, step)


@op(out=True)
def select_scatter(input, src, dim, index):
    """input with src at one index of a dim."""
    return replace(input, src, _select, (dim, index))


@op(out=True)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """input with src at start:end:step of a dim."""
    n = input.shape[wrap_dim(dim, input.dim())]
    return replace(
        input, src, _slice, (dim, 0 if start is None else start, n if end is None else end, step)
    )


@function
def vander(x, N=None, increasing=False):
    """The powers of every element of x: (*, n) to (*, n, N), the highest first unless increasing."""
    n = x.shape[-1] if N is None else N
    if n < 0:
        raise RuntimeError(f"N must be non-negative, got {n}")
    if x.dtype is _C.bool or not x.dtype.is_floating_point:
        x = x.to(_C.int64)
    if n == 0:
        return x.new_empty((*x.shape, 0))
    powers = [_C.full(x.shape, 1, x.dtype, x.device)]
    for _ in range(n - 1):
        powers.append(powers[-1] * x)
    from .join import stack

    return stack(powers if increasing else powers[::-1], -1)
