"""Numerical derivatives along the dims of a sampled function."""

from __future__ import annotations

from .._load import _C
from ._register import function
from .view import wrap_dim

_Tensor = _C.TensorBase


def _along(x, dim, spacing, edge_order):
    """The derivative along one dim: second order inside, edge_order at the ends."""
    n = x.shape[dim]

    def part(start, length):
        return x.narrow(dim, start, length)

    if isinstance(spacing, _Tensor):
        if spacing.dim() != 1 or spacing.shape[0] != n:
            raise RuntimeError(
                f"gradient(): coordinates of dim {dim} must be [{n}], got {tuple(spacing.shape)}"
            )
        shape = [1] * x.dim()
        shape[dim] = -1
        h = (spacing.narrow(0, 1, n - 1) - spacing.narrow(0, 0, n - 1)).reshape(shape)
        left, right = h.narrow(dim, 0, n - 2), h.narrow(dim, 1, n - 2)
        first, last = h.narrow(dim, 0, 1), h.narrow(dim, n - 2, 1)
        a = -right / (left * (left + right))
        b = (right - left) / (left * right)
        c = left / (right * (left + right))
        inner = a * part(0, n - 2) + b * part(1, n - 2) + c * part(2, n - 2)
        second, second_last = (
            h.narrow(dim, 1, 1) if n > 2 else None,
            h.narrow(dim, n - 3, 1) if n > 2 else None,
        )
    else:
        first = last = second = second_last = spacing
        inner = (part(2, n - 2) - part(0, n - 2)) / (2 * spacing)
    if edge_order == 1:
        start = (part(1, 1) - part(0, 1)) / first
        end = (part(n - 1, 1) - part(n - 2, 1)) / last
    else:

        def one_sided(h0, h1, f0, f1, f2):
            return (
                f0 * (-(2 * h0 + h1) / (h0 * (h0 + h1)))
                + f1 * ((h0 + h1) / (h0 * h1))
                - f2 * (h0 / (h1 * (h0 + h1)))
            )

        start = one_sided(first, second, part(0, 1), part(1, 1), part(2, 1))
        end = -one_sided(last, second_last, part(n - 1, 1), part(n - 2, 1), part(n - 3, 1))
    from .join import cat

    return cat([start, inner, end], dim)


@function
def gradient(input, *, spacing=1, dim=None, edge_order=1):
    """Derivatives of a sampled function by finite differences.

    Args:
        input: the samples.
        spacing: a number, one per dim, or a tensor of coordinates per dim.
        dim: dims to differentiate along; all where None.
        edge_order: 1 or 2, the order of the one-sided differences at the ends.

    Returns:
        A list of tensors of input's shape, one per dim.

    Raises:
        RuntimeError: a dim with fewer than edge_order + 1 samples.
    """
    if edge_order not in (1, 2):
        raise RuntimeError(f"gradient(): only edge_order 1 and 2 are supported, got {edge_order}")
    dims = range(input.dim()) if dim is None else (dim,) if isinstance(dim, int) else dim
    dims = [wrap_dim(d, input.dim()) for d in dims]
    if len(set(dims)) != len(dims):
        raise RuntimeError(f"gradient(): a dim appears more than once in {tuple(dims)}")
    if spacing is None:
        spacing = 1
    if isinstance(spacing, _Tensor) and spacing.dim() == 1 and len(dims) == 1:
        spacing = [spacing]
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            f"gradient(): expected {len(dims)} spacings, one per dim, got {len(steps)}"
        )
    x = input if input.dtype.is_floating_point else input.float()
    for d in dims:
        if x.shape[d] < edge_order + 1:
            raise RuntimeError(
                f"gradient(): expected each dimension size to be at least edge_order+1, got {tuple(x.shape)}"
            )
    return [_along(x, d, s, edge_order) for d, s in zip(dims, steps)]
