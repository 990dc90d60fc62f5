"""All parameters as one vector."""

from __future__ import annotations

from ...ops import cat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of all parameters, one after another."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Set the parameters to views of the slices of `vec` that `parameters_to_vector` made."""
    start = 0
    for p in parameters:
        stop = start + p.numel()
        p.data = vec[start:stop].view_as(p).data
        start = stop
