"""Norms of vectors and matrices, dot products along a dim, cross products."""

from __future__ import annotations

import math

from .._load import _C
from ._register import FUNCTIONS, Node, function, method, op, record, write_out
from .unary import Constant

_WIDE = (_C.float32, _C.float64)


def _dims(dim, n, name):
    """Dims as a sorted list without repeats; all of them for None."""
    if dim is None:
        return list(range(n))
    dims = [dim] if isinstance(dim, int) else list(dim)
    wrapped = []
    for d in dims:
        if not -max(n, 1) <= d < max(n, 1):
            raise IndexError(
                f"{name}(): Dimension out of range (expected to be in range of [{-max(n, 1)}, "
                f"{max(n, 1) - 1}], but got {d})"
            )
        wrapped.append(d + n if d < 0 else d)
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"{name}(): dim {dim} appears multiple times in the list of dims")
    return wrapped if n else []


def _floating(x, dtype, name):
    if dtype is not None:
        if not dtype.is_floating_point:
            raise RuntimeError(f"{name}(): dtype should be floating point, but got {dtype}")
        x = x.to(dtype)
    if not x.dtype.is_floating_point:
        raise RuntimeError(
            f"{name}(): Expected a floating point or complex tensor as input. Got {x.dtype}"
        )
    return x


class VectorNorm(Node):
    """y = (sum |x|^p)^(1/p) over dims; the gradient at 0 is 0

    dx = dy * sign(x) |x|^(p-1) / y^(p-1)
    """

    __slots__ = ("dims", "keepdim", "ord")

    def backward(self, dy):
        x, y = self.saved
        p = self.ord
        if not self.keepdim:
            for d in sorted(self.dims):
                dy, y = dy.unsqueeze(d), y.unsqueeze(d)
        if p == 2:
            return x * (dy / y).masked_fill(y == 0, 0)
        if p < 1:
            slope = (x.sign() * x.abs().pow(p - 1)).masked_fill(x == 0, 0)
        else:
            slope = x.sign() * x.abs().pow(p - 1)
        return slope * (dy / y.pow(p - 1)).masked_fill(y == 0, 0)


def _power_norm(x, p, dims, keepdim):
    with _no_grad():
        if p == 2:
            y = _C.norm(x, 2, dims, keepdim) if dims else x.abs()
        else:
            y = x.abs().pow(p)
            y = (y.sum(dims, keepdim=keepdim) if dims else y).pow(1 / p)
    if x.requires_grad and _C.is_grad_enabled():
        node = record(VectorNorm, y, (x,), (x, y))
        node.ord, node.dims, node.keepdim = p, tuple(dims), keepdim
    return y


def _no_grad():
    from ..autograd.mode import no_grad

    return no_grad()


def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None):
    """(sum |x|^ord)^(1/ord) over dims.

    Args:
        x: a floating tensor of any shape.
        ord: a number; inf and -inf are the largest and the smallest magnitude, 0 counts nonzeros.
        dim: int or tuple; all dims by default.
        keepdim: keep the reduced dims with size 1.
        dtype: converts x first.
    """
    n = x.dim()
    if ord == 2 and dtype is None and x.dtype in _WIDE and n and (dim is None or type(dim) is int):
        y = _C.norm(x, 2, dim, keepdim)
        if y.requires_grad:
            node = record(VectorNorm, y, (x,), (x, y))
            node.ord, node.keepdim = 2.0, keepdim
            node.dims = tuple(range(n)) if dim is None else (dim % n,)
        return y if out is None else write_out(out, y, "linalg.vector_norm")
    x = _floating(x, dtype, "linalg.vector_norm")
    if not isinstance(ord, (int, float)):
        raise TypeError(f"linalg.vector_norm(): ord must be a number, not {type(ord).__name__}")
    dims = _dims(dim, x.dim(), "linalg.vector_norm")
    if dim is not None and not isinstance(dim, int) and not dims:
        dims = list(range(x.dim()))
    empty = any(x.shape[d] == 0 for d in dims)
    if (ord < 0 or math.isinf(ord)) and empty:
        raise RuntimeError(
            f"linalg.vector_norm(): cannot compute the {ord} norm on an empty tensor of shape "
            f"{list(x.shape)} because the operation does not have an identity"
        )
    if math.isinf(ord):
        magnitude = x.abs()
        if not dims:
            y = magnitude
        else:
            y = (magnitude.amax if ord > 0 else magnitude.amin)(dims, keepdim=keepdim)
    elif ord == 0:
        y = (x != 0).to(x.dtype)
        if x.requires_grad and _C.is_grad_enabled():
            record(Constant, y, (x,))
        y = y.sum(dims, keepdim=keepdim) if dims else y
    elif ord == 1:
        y = x.abs()
        y = y.sum(dims, keepdim=keepdim) if dims else y
    elif x.dtype.itemsize < 4:  # powers would overflow
        y = _power_norm(x.to(_C.float32), float(ord), dims, keepdim).to(x.dtype)
    else:
        y = _power_norm(x, float(ord), dims, keepdim)
    return y if out is None else write_out(out, y, "linalg.vector_norm")


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None):
    """Norm of matrices.

    Args:
        A: (..., m, n).
        ord: "fro", "nuc", inf, -inf (largest, smallest row sum), 1, -1 (column sums), 2, -2
            (singular values).
        dim: the two dims of the matrices.
        keepdim: keep them with size 1.
        dtype: converts A first.
    """
    name = "linalg.matrix_norm"
    A = _floating(A, dtype, name)
    if A.dim() < 2:
        raise RuntimeError(f"{name}(): The input tensor A must have at least 2 dimensions.")
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"{name}(): dim must be a 2-tuple. Got {dim}")
    rows, cols = (d + A.dim() if d < 0 else d for d in dim)
    _dims(dim, A.dim(), name)
    if ord == "fro":
        y = vector_norm(A, 2, (rows, cols), keepdim)
    elif ord == "nuc" or (not isinstance(ord, str) and abs(ord) == 2):
        from .linalg_factor import svdvals

        s = svdvals(A.movedim((rows, cols), (-2, -1)))
        if ord == "nuc":
            y = s.sum(-1)
        else:
            y = s.amax(-1) if ord > 0 else s.amin(-1)
        if keepdim:
            for d in sorted((rows, cols)):
                y = y.unsqueeze(d)
    elif not isinstance(ord, str) and abs(ord) in (1, math.inf):
        summed, taken = (rows, cols) if abs(ord) == 1 else (cols, rows)
        sums = A.abs().sum(summed, keepdim=True)
        y = (sums.amax if ord > 0 else sums.amin)(taken, keepdim=True)
        if not keepdim:
            y = y.squeeze((rows, cols))
    else:
        raise RuntimeError(f"{name}(): Order {ord} not supported.")
    return y if out is None else write_out(out, y, name)


def linalg_norm(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None):
    """Norm of vectors or matrices, by the number of dims given: see vector_norm and matrix_norm."""
    if dim is None and ord is not None and A.dim() not in (1, 2):
        raise RuntimeError(
            f"linalg.norm(): If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.dim()}D."
        )
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is not None and (pair or (dim is None and A.dim() == 2)):
        return matrix_norm(A, ord, dim if pair else (0, 1), keepdim, dtype=dtype, out=out)
    if isinstance(ord, str):
        raise RuntimeError(
            f"linalg.norm(): Order {ord!r} needs two dims, got {dim} for shape {list(A.shape)}"
        )
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype, out=out)


@function
def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm over dims; see linalg.vector_norm and linalg.matrix_norm for the newer forms.

    Args:
        p: a number, or "fro" (the same as 2) or "nuc" for matrices.
        dim: int or tuple; all dims by default.
    """
    if p == "nuc":
        dims = (0, 1) if dim is None and input.dim() == 2 else dim
        return matrix_norm(input, "nuc", dims, keepdim, dtype=dtype, out=out)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"norm(): order {p!r} is not supported, only 'fro', 'nuc' and numbers")
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


@method(name="norm")
def _norm_method(self, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm over dims."""
    return norm(self, p, dim, keepdim, dtype=dtype)


@op
def dist(input, other, p=2):
    """The p-norm of input - other."""
    return vector_norm(input - other, p)


@function
def norm_except_dim(v, pow=2, dim=0):
    """The norm over all dims but one, which keep size 1."""
    if dim == -1:
        return vector_norm(v, pow)
    return vector_norm(v, pow, [d for d in range(v.dim()) if d != dim], keepdim=True)


def vecdot(x, y, *, dim=-1, out=None):
    """Sum of x * y along a dim."""
    if x.shape[dim] != y.shape[dim]:
        raise RuntimeError(
            f"linalg.vecdot(): Expected sizes along dim {dim} to match, got shapes {list(x.shape)} "
            f"and {list(y.shape)}"
        )
    z = (x * y).sum(dim)
    return z if out is None else write_out(out, z, "linalg.vecdot")


def linalg_cross(input, other, *, dim=-1, out=None):
    """Cross product of vectors of 3 elements along a dim; other dims broadcast."""
    if input.dim() != other.dim():
        raise RuntimeError(
            f"linalg.cross(): inputs must have the same number of dimensions, got shapes "
            f"{list(input.shape)} and {list(other.shape)}"
        )
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"linalg.cross(): inputs dimension {dim} must have length 3. Got {input.shape[dim]} and "
            f"{other.shape[dim]}"
        )
    x, y = FUNCTIONS["broadcast_tensors"](input, other)
    dim = dim + x.dim() if dim < 0 else dim
    a, b, c = (x.narrow(dim, i, 1) for i in range(3))
    p, q, r = (y.narrow(dim, i, 1) for i in range(3))
    z = FUNCTIONS["cat"]([b * r - c * q, c * p - a * r, a * q - b * p], dim)
    return z if out is None else write_out(out, z, "linalg.cross")


@op
def cross(input, other, dim=None, *, out=None):
    """Cross product along a dim of size 3; the first such dim by default."""
    if dim is None:
        shape = FUNCTIONS["broadcast_shapes"](input.shape, other.shape)
        dim = next((d for d, s in enumerate(shape) if s == 3), None)
        if dim is None:
            raise RuntimeError(f"cross(): no dimension of size 3 in input of shape {list(shape)}")
    return linalg_cross(input, other, dim=dim, out=out)


__all__ = [
    "cross",
    "dist",
    "linalg_cross",
    "linalg_norm",
    "matrix_norm",
    "norm",
    "vecdot",
    "vector_norm",
]
