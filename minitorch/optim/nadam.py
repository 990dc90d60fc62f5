"""NAdam: Adam with Nesterov's momentum."""

from __future__ import annotations

from ..ops import zeros_like
from .optimizer import Optimizer, check_at_least, check_betas, check_lr, columns, new_step, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["NAdam"]


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
    momentum_decay: float,
    decoupled: bool,
    maximize: bool,
) -> None:
    """Adam's m and v;  p = p - lr ((1 - u_t) g / (1 - U_t) + u_t+1 m / (1 - U_t+1)) / denominator.

    u_t = b1 (1 - 0.96^(t momentum_decay) / 2) is the momentum of step t, U_t the product of all.
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
    mu = beta1 * (1 - 0.5 * 0.96 ** (t * momentum_decay))
    mu_next = beta1 * (1 - 0.5 * 0.96 ** ((t + 1) * momentum_decay))
    state["mu_product"] *= mu
    product = state["mu_product"].item()
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    denom = v.div(1 - beta2**t).sqrt_().add_(eps)
    p.addcdiv_(g, denom, value=-lr * (1 - mu) / (1 - product))
    p.addcdiv_(m, denom, value=-lr * mu_next / (1 - product * mu_next))


class NAdam(Optimizer):
    """NAdam (Dozat 2016).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decay of the means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: Factor of p added to the gradient.
        momentum_decay: How fast the momentum grows to beta1.
        decoupled_weight_decay: Shrink p itself, as AdamW does.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
        differentiable: Record the update for autograd.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        check_at_least("momentum_decay", momentum_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(p, group),
            "mu_product": new_step(p, group).add_(1.0),
            "exp_avg": zeros_like(p),
            "exp_avg_sq": zeros_like(p),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "nadam_step")
        options = {
            "lr": rate(group, fused),
            "beta1": float(group["betas"][0]),
            "beta2": float(group["betas"][1]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "momentum_decay": float(group["momentum_decay"]),
            "decoupled": group["decoupled_weight_decay"],
            "maximize": group["maximize"],
        }
        if fused is not None:
            fused(
                *columns(entries, "step", "mu_product", "exp_avg", "exp_avg_sq"), *options.values()
            )
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
