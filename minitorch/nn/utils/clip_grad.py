"""Limits on gradients."""

from __future__ import annotations

from ..._load import _C
from ...autograd import no_grad
from ...ops import stack, tensor
from ...tensor import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _tensors(parameters: Any) -> list[Tensor]:
    return [parameters] if isinstance(parameters, Tensor) else list(parameters)


def _alike(tensors: list[Tensor]) -> bool:
    """Whether one call of the extension can take all of them."""
    dtype, device = tensors[0].dtype, tensors[0].device
    return dtype.is_floating_point and all(t.dtype is dtype and t.device == device for t in tensors)


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The norm of all elements of all tensors together.

    Args:
        tensors: One tensor or several.
        norm_type: The p of the norm; may be inf.
        error_if_nonfinite: Raise if the norm is NaN or infinite.
        foreach: Accepted for compatibility.

    Returns:
        A 0-d tensor.
    """
    tensors = _tensors(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return tensor(0.0)
    if norm_type == 2 and _alike(tensors):
        total = _C.total_norm(tensors)
    else:
        with no_grad():
            device = tensors[0].device
            norms = [t.detach().norm(norm_type).to(device) for t in tensors]
            total = norms[0] if len(norms) == 1 else stack(norms).norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients by max_norm / total_norm where that is below 1.

    Args:
        parameters: One tensor or several; those without a gradient are skipped.
        max_norm: The largest norm to allow.
        total_norm: The gradients' norm.
        foreach: Accepted for compatibility.
    """
    grads = [p.grad.detach() for p in _tensors(parameters) if p.grad is not None]
    if not grads:
        return
    with no_grad():
        if _alike(grads):
            _C.clip_all_(grads, total_norm, float(max_norm))
            return
        factor = float(float(max_norm) / (total_norm + 1e-6))
        if factor < 1.0 or factor != factor:
            for g in grads:
                g.mul_(factor)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients of `parameters` so that their total norm is at most `max_norm`.

    Args:
        parameters: One tensor or several; those without a gradient are skipped.
        max_norm: The largest norm to allow.
        norm_type: The p of the norm; may be inf.
        error_if_nonfinite: Raise if the norm is NaN or infinite.
        foreach: Accepted for compatibility.

    Returns:
        The norm before scaling, a 0-d tensor.
    """
    parameters = _tensors(parameters)
    grads = [p.grad for p in parameters if p.grad is not None]
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total, foreach)
    return total


def clip_grad_norm(parameters: Any, max_norm: float, norm_type: float = 2.0) -> Tensor:
    """The older name of `clip_grad_norm_`."""
    return clip_grad_norm_(parameters, max_norm, norm_type)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of every gradient to [-clip_value, clip_value]."""
    clip_value = float(clip_value)
    with no_grad():
        for p in _tensors(parameters):
            if p.grad is not None:
                p.grad.detach().clamp_(min=-clip_value, max=clip_value)
