"""Adamax: Adam with the largest gradient in place of the root mean square."""

from __future__ import annotations

from ..ops import maximum, zeros_like
from .optimizer import Optimizer, check_at_least, check_betas, check_lr, columns, new_step, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["Adamax"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """m = b1 m + (1 - b1) g;  u = max(b2 u, |g| + eps);  p = p - lr / (1 - b1^t) m / u."""
    state["step"] += 1
    t = state["step"].item()
    m, u = state["exp_avg"], state["exp_inf"]
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    m.lerp_(g, 1 - beta1)
    u.copy_(maximum(u.mul_(beta2), g.abs().add_(eps)))
    p.addcdiv_(m, u, value=-lr / (1 - beta1**t))


class Adamax(Optimizer):
    """Adamax (Kingma and Ba 2015).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decay of the gradient's mean and of its largest size.
        eps: Added to the gradient's size.
        weight_decay: Factor of p added to the gradient.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        differentiable: Record the update for autograd.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least("epsilon", eps)
        check_betas(betas)
        check_at_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(p, group),
            "exp_avg": zeros_like(p),
            "exp_inf": zeros_like(p),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "adamax_step")
        options = {
            "lr": rate(group, fused),
            "beta1": float(group["betas"][0]),
            "beta2": float(group["betas"][1]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "maximize": group["maximize"],
        }
        if fused is not None:
            fused(*columns(entries, "step", "exp_avg", "exp_inf"), *options.values())
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
