"""Distinct elements or slices, and membership."""

from __future__ import annotations

from .._load import _C
from ._register import function, op, write_out

_Tensor = _C.TensorBase


def _unique(name, input, dim, return_inverse, return_counts, consecutive):
    x = input.detach().reshape(-1) if dim is None else input.detach()
    if dim is not None:
        if x.dim() == 0:
            x = x.reshape(1)
        if x.numel() == 0 and sum(s == 0 for i, s in enumerate(x.shape) if i != dim % x.dim()):
            raise RuntimeError(
                f"{name}(): there are 0 sized dimensions, and they aren't selected, so unique cannot be applied"
            )
        x = x.movedim(dim, 0)
    first, inverse, counts = _C.unique(x, consecutive)
    values = x.index_select(0, first)
    if dim is None:
        inverse = inverse.reshape(input.shape)
    else:
        values = values.movedim(0, dim).contiguous()
    result = (values,)
    if return_inverse:
        result += (inverse,)
    if return_counts:
        result += (counts,)
    return result if len(result) > 1 else values


@op
def unique(input, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The distinct elements in ascending order, or the distinct slices along a dim.

    Args:
        sorted: accepted; the result is always in order.
        return_inverse: also the index in the result of every element.
        return_counts: also how often each occurs.
        dim: an int, or None for the elements of the flattened tensor.

    Returns:
        A tensor, or a tuple (values, inverse, counts) of what was asked for.
    """
    return _unique("unique", input, dim, return_inverse, return_counts, False)


@op
def unique_consecutive(input, return_inverse=False, return_counts=False, dim=None):
    """The elements without those that equal their predecessor; arguments as in unique."""
    return _unique("unique_consecutive", input, dim, return_inverse, return_counts, True)


@function
def isin(elements, test_elements, *, assume_unique=False, invert=False, out=None):
    """Whether each element is one of test_elements.

    Args:
        elements, test_elements: tensors, or one of them a number.
        assume_unique: accepted.
        invert: whether it is none of them.
    """
    if not isinstance(elements, _Tensor):
        elements = (
            test_elements.new_tensor(elements)
            if isinstance(elements, int)
            else _C.full((), elements, _C.float32, test_elements.device)
        )
    if not isinstance(test_elements, _Tensor):
        test_elements = _C.full((), test_elements, elements.dtype, elements.device)
    dtype = _C.promote_types(elements.dtype, test_elements.dtype)
    x, tests = elements.detach().to(dtype), test_elements.detach().to(dtype).reshape(-1)
    if tests.numel() == 0:
        found = x != x
        found = found & ~found
    else:
        tests = _C.sort(tests, 0, False)[0]
        place = _C.searchsorted(tests, x.reshape(-1), False, False, None)
        place = place.masked_fill(place == tests.numel(), tests.numel() - 1)
        found = (tests.index_select(0, place) == x.reshape(-1)).reshape(x.shape)
    y = ~found if invert else found
    return y if out is None else write_out(out, y, "isin")
