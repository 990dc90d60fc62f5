"""Adadelta: updates scaled by the size of earlier updates."""

from __future__ import annotations

from ..ops import zeros_like
from .optimizer import Optimizer, check_at_least, check_lr, columns, new_step, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["Adadelta"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    rho: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """v = r v + (1 - r) g²;  d = sqrt(u + eps) / sqrt(v + eps) g;  u = r u + (1 - r) d²."""
    state["step"] += 1
    v, u = state["square_avg"], state["acc_delta"]
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    v.mul_(rho).addcmul_(g, g, value=1 - rho)
    d = u.add(eps).sqrt_().div_(v.add(eps).sqrt_()).mul_(g)
    u.mul_(rho).addcmul_(d, d, value=1 - rho)
    p.add_(d, alpha=-lr)


class Adadelta(Optimizer):
    """Adadelta (Zeiler 2012).

    Args:
        params: Parameters, or groups of them.
        lr: Factor of the update.
        rho: Decay of the mean squares.
        eps: Added under the roots.
        weight_decay: Factor of p added to the gradient.
        foreach: Accepted for compatibility.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
        maximize: Ascend instead.
        differentiable: Record the update for autograd.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho}")
        check_at_least("epsilon", eps)
        check_at_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(p, group),
            "square_avg": zeros_like(p),
            "acc_delta": zeros_like(p),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "adadelta_step")
        options = {
            "lr": rate(group, fused),
            "rho": float(group["rho"]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "maximize": group["maximize"],
        }
        if fused is not None:
            fused(*columns(entries, "step", "square_avg", "acc_delta"), *options.values())
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
