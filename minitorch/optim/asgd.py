"""Averaged stochastic gradient descent."""

from __future__ import annotations

from ..ops import full, ones, where, zeros_like
from .optimizer import Optimizer, check_at_least, check_lr, new_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["ASGD"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    lambd: float,
    alpha: float,
    t0: float,
    weight_decay: float,
    maximize: bool,
    capturable: bool,
) -> None:
    """p = p (1 - lambd eta) - eta g;  ax = ax + mu (p - ax).

    eta = lr / (1 + lambd lr t)^alpha and mu = 1 / max(1, t - t0).
    """
    state["step"] += 1
    if capturable:
        _capturable_update(p, -g if maximize else g, state, lr, lambd, alpha, t0, weight_decay)
        return
    t = state["step"].item()
    eta, mu, ax = state["eta"].item(), state["mu"].item(), state["ax"]
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    p.mul_(1 - lambd * eta).add_(g, alpha=-eta)
    if mu == 1:
        ax.copy_(p)
    else:
        ax.add_(p.sub(ax).mul_(mu))
    state["eta"].fill_(lr / (1 + lambd * lr * t) ** alpha)
    state["mu"].fill_(1 / max(1, t - t0))


def _capturable_update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    lr: float | Tensor,
    lambd: float,
    alpha: float,
    t0: float,
    weight_decay: float,
) -> None:
    """The same with eta and mu as tensors, so that the host need not know them."""
    t, eta, mu, ax = state["step"], state["eta"], state["mu"], state["ax"]
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    p.mul_(1 - lambd * eta).sub_(g * eta)
    ax.copy_(where(mu == 1, p, ax + (p - ax) * mu))
    eta.copy_(lr / (1 + lambd * lr * t) ** alpha)
    mu.copy_(1 / (t - t0).clamp_(min=1.0))


class ASGD(Optimizer):
    """Averaged stochastic gradient descent (Polyak and Juditsky 1992); the average is state "ax".

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        lambd: Decay of the parameters and of the learning rate.
        alpha: Power of the learning rate's decay.
        t0: Step at which averaging starts.
        weight_decay: Factor of p added to the gradient.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        differentiable: Record the update for autograd.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_lr(lr)
        check_at_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        home = p.device if group["capturable"] else "cpu"
        return {
            "step": new_step(p, group),
            "eta": full((), float(group["lr"]), device=home),
            "mu": ones((), device=home),
            "ax": zeros_like(p),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        for p, g, state in entries:
            _update(
                p,
                g,
                state,
                lr=group["lr"] if group["capturable"] else float(group["lr"]),
                lambd=group["lambd"],
                alpha=group["alpha"],
                t0=group["t0"],
                weight_decay=group["weight_decay"],
                maximize=group["maximize"],
                capturable=group["capturable"],
            )
