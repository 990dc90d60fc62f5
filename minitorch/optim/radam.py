"""RAdam: Adam that waits until its variance estimate can be trusted."""

from __future__ import annotations

from ..ops import zeros_like
from .optimizer import Optimizer, check_at_least, check_betas, check_lr, columns, new_step, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["RAdam"]


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
    decoupled: bool,
    maximize: bool,
) -> None:
    """Adam's m and v;  p = p - lr m^ r / (sqrt(v^) + eps) once rho_t > 5, else p - lr m^.

    rho_t is the length of the simple average that v's average stands for, rho_inf its limit, and
    r = sqrt((rho_t - 4)(rho_t - 2) rho_inf / ((rho_inf - 4)(rho_inf - 2) rho_t)).
    """
    state["step"] += 1
    t = state["step"].item()
    m, v = state["exp_avg"], state["exp_avg_sq"]
    if maximize:
        g = -g
    if weight_decay != 0:
        if decoupled:
            p.mul_(1 - lr * weight_decay)
        else:
            g = g.add(p, alpha=weight_decay)
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    bias2 = 1 - beta2**t
    m_hat = m / (1 - beta1**t)
    rho_inf = 2 / (1 - beta2) - 1
    rho = rho_inf - 2 * t * beta2**t / bias2
    if rho > 5.0:
        top = (rho - 4) * (rho - 2) * rho_inf
        r = (top / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
        p.addcdiv_(m_hat, v.sqrt().add_(eps), value=-lr * r * bias2**0.5)
    else:
        p.add_(m_hat, alpha=-lr)


class RAdam(Optimizer):
    """RAdam (Liu et al. 2020).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decay of the means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: Factor of p added to the gradient.
        decoupled_weight_decay: Shrink p itself, as AdamW does.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
        differentiable: Record the update for autograd.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
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
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(p, group),
            "exp_avg": zeros_like(p),
            "exp_avg_sq": zeros_like(p),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "radam_step")
        options = {
            "lr": rate(group, fused),
            "beta1": float(group["betas"][0]),
            "beta2": float(group["betas"][1]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "decoupled": group["decoupled_weight_decay"],
            "maximize": group["maximize"],
        }
        if fused is not None:
            fused(*columns(entries, "step", "exp_avg", "exp_avg_sq"), *options.values())
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
