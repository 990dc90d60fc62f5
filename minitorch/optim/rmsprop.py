"""RMSprop: the gradient divided by the root of its mean square."""

from __future__ import annotations

from ..ops import zeros_like
from .optimizer import Optimizer, check_at_least, check_lr, columns, new_step, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["RMSprop"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float,
    momentum: float,
    centered: bool,
    maximize: bool,
) -> None:
    """v = a v + (1 - a) g²;  b = momentum b + g / (sqrt(v) + eps);  p = p - lr b.

    Centred: the variance v - (mean of g)² in place of v.
    """
    state["step"] += 1
    v = state["square_avg"]
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    v.mul_(alpha).addcmul_(g, g, value=1 - alpha)
    if centered:
        mean = state["grad_avg"]
        mean.lerp_(g, 1 - alpha)
        v = v.addcmul(mean, mean, value=-1)
    denom = v.sqrt().add_(eps)
    if momentum > 0:
        b = state["momentum_buffer"]
        b.mul_(momentum).addcdiv_(g, denom)
        p.add_(b, alpha=-lr)
    else:
        p.addcdiv_(g, denom, value=-lr)


class RMSprop(Optimizer):
    """RMSprop (Hinton's lectures), centred as in Graves 2013.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        alpha: Decay of the mean square.
        eps: Added to the denominator.
        weight_decay: Factor of p added to the gradient.
        momentum: Share of the last update that is kept.
        centered: Divide by the standard deviation instead of the root mean square.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        differentiable: Record the update for autograd.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least("epsilon", eps)
        check_at_least("momentum", momentum)
        check_at_least("weight_decay", weight_decay)
        check_at_least("alpha", alpha)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": new_step(p, group), "square_avg": zeros_like(p)}
        if group["momentum"] > 0:
            state["momentum_buffer"] = zeros_like(p)
        if group["centered"]:
            state["grad_avg"] = zeros_like(p)
        return state

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "rmsprop_step")
        options = {
            "lr": rate(group, fused),
            "alpha": float(group["alpha"]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "momentum": float(group["momentum"]),
            "centered": group["centered"],
            "maximize": group["maximize"],
        }
        if fused is not None:
            averages = columns(entries, "grad_avg")[2] if group["centered"] else []
            buffers = columns(entries, "momentum_buffer")[2] if group["momentum"] > 0 else []
            fused(*columns(entries, "step", "square_avg"), averages, buffers, *options.values())
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
