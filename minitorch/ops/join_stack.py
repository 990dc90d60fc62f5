"""Joins and cuts by direction (hstack, vsplit ...), and products of tensors' elements."""

from __future__ import annotations

from .._load import _C
from ._register import alias, function, op
from .join import cat, split_with_sizes, stack
from .view import wrap_dim

_Tensor = _C.TensorBase


def _each(tensors, f):
    """f of one tensor, or of each of several given as arguments or as a sequence."""
    if len(tensors) == 1:
        if isinstance(tensors[0], _Tensor):
            return f(tensors[0])
        tensors = tensors[0]
    return tuple(f(t) for t in tensors)


def _at_least_2d(x):
    return x.reshape(1, -1) if x.dim() < 2 else x


def _at_least_3d(x):
    if x.dim() < 2:
        return x.reshape(1, -1, 1)
    return x.unsqueeze(-1) if x.dim() == 2 else x


@function
def atleast_1d(*tensors):
    """0-dim tensors with a dim of size 1; others as they are."""
    return _each(tensors, lambda x: x.reshape(1) if x.dim() == 0 else x)


@function
def atleast_2d(*tensors):
    """Tensors of fewer than two dims with leading dims of size 1."""
    return _each(tensors, _at_least_2d)


@function
def atleast_3d(*tensors):
    """Tensors of fewer than three dims with further dims of size 1; (n,) becomes (1, n, 1)."""
    return _each(tensors, _at_least_3d)


@function
def hstack(tensors, *, out=None):
    """The tensors side by side: along dim 1, or dim 0 for 1-D ones."""
    tensors = atleast_1d(*tensors) if len(tensors) > 1 else (atleast_1d(tensors[0]),)
    return cat(tensors, 0 if tensors[0].dim() == 1 else 1, out=out)


@function
def vstack(tensors, *, out=None):
    """The tensors below each other, along dim 0; 1-D ones are rows."""
    return cat([_at_least_2d(t) for t in tensors], 0, out=out)


alias("row_stack", vstack)


@function
def dstack(tensors, *, out=None):
    """The tensors behind each other, along dim 2."""
    return cat([_at_least_3d(t) for t in tensors], 2, out=out)


@function
def column_stack(tensors, *, out=None):
    """The tensors side by side; tensors of fewer than two dims are columns."""
    return cat([t.reshape(-1, 1) if t.dim() < 2 else t for t in tensors], 1, out=out)


@op
def tensor_split(input, indices_or_sections, dim=0):
    """Views of a dim's parts: that many of nearly equal size, or cut at the given places."""
    if input.dim() == 0:
        raise RuntimeError(
            "tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims"
        )
    n = input.shape[wrap_dim(dim, input.dim())]
    if isinstance(indices_or_sections, _Tensor):
        t = indices_or_sections
        if t.dim() > 1 or t.dtype is not _C.int64:
            raise RuntimeError(
                "tensor_split expected tensor_indices_or_sections to be a zero- or one-dimensional long tensor"
            )
        indices_or_sections = t.tolist()
    if isinstance(indices_or_sections, int):
        parts = indices_or_sections
        if parts <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {parts}")
        small, large = divmod(n, parts)
        return split_with_sizes(input, [small + 1] * large + [small] * (parts - large), dim)
    places = [0, *indices_or_sections, n]
    cuts = [slice(places[i], places[i + 1]).indices(n) for i in range(len(places) - 1)]
    return tuple(input.narrow(dim, a, max(b - a, 0)) for a, b, _ in cuts)


def _split_along(name, least, dim_of):
    def f(input, indices_or_sections):
        if input.dim() < least:
            raise RuntimeError(
                f"torch.{name} requires a tensor with at least {least} dimension{'s' if least > 1 else ''}, "
                f"but got a tensor with {input.dim()} dimensions!"
            )
        dim = dim_of(input)
        if isinstance(indices_or_sections, int):
            n = input.shape[dim]
            if indices_or_sections <= 0 or n % indices_or_sections:
                raise RuntimeError(
                    f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
                    f"{n} is not divisible by the split_size {indices_or_sections}!"
                )
        return tensor_split(input, indices_or_sections, dim)

    f.__name__ = f.__qualname__ = name
    f.__doc__ = "tensor_split into equal parts, or at the given places, by direction."
    return op(f)


hsplit = _split_along("hsplit", 1, lambda x: 0 if x.dim() == 1 else 1)
vsplit = _split_along("vsplit", 2, lambda x: 0)
dsplit = _split_along("dsplit", 3, lambda x: 2)


@function
def block_diag(*tensors):
    """A matrix with the tensors (at most 2-D) along its diagonal and zeros elsewhere."""
    if len(tensors) == 1 and not isinstance(tensors[0], _Tensor):
        tensors = tuple(tensors[0])
    if any(t.dim() > 2 for t in tensors):
        raise RuntimeError("torch.block_diag: Input tensors must have 2 or fewer dimensions.")
    blocks = [_at_least_2d(t) for t in tensors] or [_C.empty((1, 0), _C.float32, None)]
    width = sum(b.shape[1] for b in blocks)
    dtype = cat([b.reshape(-1)[:0] for b in blocks]).dtype
    rows, start = [], 0
    for b in blocks:
        h, w = b.shape
        left = _C.full((h, start), 0, dtype, b.device)
        right = _C.full((h, width - start - w), 0, dtype, b.device)
        rows.append(cat([left, b, right], 1))
        start += w
    return cat(rows)


@function
def meshgrid(*tensors, indexing="ij"):
    """The coordinates of a grid: every tensor expanded along the dims of the others.

    Args:
        tensors: 1-D (or 0-dim) tensors.
        indexing: "ij" for dims in the order of the tensors, "xy" with the first two swapped.
    """
    if len(tensors) == 1 and not isinstance(tensors[0], _Tensor):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise RuntimeError(
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    if any(t.dim() > 1 for t in tensors):
        raise RuntimeError("torch.meshgrid: Expected 0D or 1D tensor in the tensor list")
    swap = indexing == "xy" and len(tensors) > 1
    if swap:
        tensors = (tensors[1], tensors[0], *tensors[2:])
    shape = tuple(t.numel() for t in tensors)
    grids = []
    for i, t in enumerate(tensors):
        grids.append(t.reshape((1,) * i + (-1,) + (1,) * (len(tensors) - i - 1)).expand(shape))
    if swap:
        grids[0], grids[1] = grids[1], grids[0]
    return tuple(grids)


@function
def cartesian_prod(*tensors):
    """All combinations of one element from each 1-D tensor, (product of sizes, tensors)."""
    if len(tensors) == 1:
        return tensors[0]
    return stack([g.reshape(-1) for g in meshgrid(*tensors)], 1)


@function
def combinations(input, r=2, with_replacement=False):
    """All subsets of r elements of a 1-D tensor, (count, r)."""
    import itertools

    if input.dim() != 1:
        raise RuntimeError(
            "combinations(): Expect a 1D vector, but got shape " + str(list(input.shape))
        )
    if r < 0:
        raise RuntimeError("combinations(): Expect a non-negative number, but got " + str(r))
    if r == 0:
        return input[:0]
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = list(choose(range(input.shape[0]), r))
    if not places:
        return input[:0].reshape(0, 1).expand(0, r)
    return input[_C.from_sequence(places, _C.int64, _C.float32).to(input.device)]
