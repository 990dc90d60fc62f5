"""Adam: adaptive moment estimation."""

from __future__ import annotations

from ..ops import maximum, zeros_like
from ..tensor import Tensor
from .optimizer import (
    Optimizer,
    check_at_least,
    check_betas,
    check_fused,
    check_lr,
    columns,
    new_step,
    rate,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Adam"]


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
    amsgrad: bool,
    maximize: bool,
    decoupled: bool,
) -> None:
    """m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g²;  p = p - lr m^ / (sqrt(v^) + eps).

    m^ = m / (1 - b1^t) and v^ = v / (1 - b2^t) undo the bias of the zeros that m and v start at.
    """
    m, v = state["exp_avg"], state["exp_avg_sq"]
    state["step"] += 1
    t = state["step"].item()
    if maximize:
        g = -g
    if weight_decay != 0:
        if decoupled:
            p.mul_(1 - lr * weight_decay)
        else:
            g = g.add(p, alpha=weight_decay)
    m.lerp_(g, 1 - beta1)
    v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
    if amsgrad:
        v = state["max_exp_avg_sq"].copy_(maximum(state["max_exp_avg_sq"], v))
    denom = (v.sqrt() / (1 - beta2**t) ** 0.5).add_(eps)
    p.addcdiv_(m, denom, value=-lr / (1 - beta1**t))


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015), with AMSGrad (Reddi et al. 2018).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        betas: Decay of the means of the gradient and of its square.
        eps: Added to the denominator.
        weight_decay: Factor of p added to the gradient.
        amsgrad: Divide by the largest mean square so far.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
        differentiable: Record the update for autograd.
        fused: True counts steps on the GPU and lets GradScaler leave its work to the step; False
            computes parameter by parameter instead of in one call.
        decoupled_weight_decay: Shrink p itself, as AdamW does.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_lr(lr)
        check_fused(fused, foreach, differentiable)
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError(
                "lr as a Tensor is not supported for capturable=False and foreach=True"
            )
        check_at_least("epsilon", eps)
        check_betas(betas)
        check_at_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        self._step_supports_amp_scaling = bool(fused)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {
            "step": new_step(p, group),
            "exp_avg": zeros_like(p),
            "exp_avg_sq": zeros_like(p),
        }
        if group["amsgrad"]:
            state["max_exp_avg_sq"] = zeros_like(p)
        return state

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "adam_step")
        options = {
            "lr": rate(group, fused),
            "beta1": float(group["betas"][0]),
            "beta2": float(group["betas"][1]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "amsgrad": group["amsgrad"],
            "maximize": group["maximize"],
            "decoupled": group["decoupled_weight_decay"],
        }
        if fused is not None:
            names = ["step", "exp_avg", "exp_avg_sq"]
            extra = columns(entries, "max_exp_avg_sq")[2:] if group["amsgrad"] else [[]]
            scaling = self.grad_scale, self.found_inf
            fused(*columns(entries, *names), *extra, *options.values(), *scaling)
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
