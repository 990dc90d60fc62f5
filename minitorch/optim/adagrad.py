"""Adagrad: the gradient divided by the root of the sum of its squares."""

from __future__ import annotations

from ..ops import full_like
from .optimizer import Optimizer, check_at_least, check_lr, columns, new_step, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["Adagrad"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    lr_decay: float,
    eps: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """s = s + g²;  p = p - lr / (1 + (t - 1) lr_decay) g / (sqrt(s) + eps)."""
    state["step"] += 1
    t = state["step"].item()
    s = state["sum"]
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    s.addcmul_(g, g, value=1)
    p.addcdiv_(g, s.sqrt().add_(eps), value=-lr / (1 + (t - 1) * lr_decay))


class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        lr_decay: Decay of the learning rate per step.
        weight_decay: Factor of p added to the gradient.
        initial_accumulator_value: Where the sum of squares starts.
        eps: Added to the denominator.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        differentiable: Record the update for autograd.
        fused: False computes parameter by parameter instead of in one call.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_at_least("lr_decay", lr_decay)
        check_at_least("weight_decay", weight_decay)
        check_at_least("initial_accumulator_value", initial_accumulator_value)
        check_at_least("epsilon", eps)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        # The state exists before the first step, so that it can be shared between processes.
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = self._init_state(p, group)

    def share_memory(self) -> None:
        """Put the state into memory that other processes can share."""
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p]["sum"].share_memory_()

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(p, group),
            "sum": full_like(p, group["initial_accumulator_value"]).detach(),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "adagrad_step")
        options = {
            "lr": rate(group, fused),
            "lr_decay": float(group["lr_decay"]),
            "eps": float(group["eps"]),
            "weight_decay": float(group["weight_decay"]),
            "maximize": group["maximize"],
        }
        if fused is not None:
            fused(*columns(entries, "step", "sum"), *options.values())
        else:
            for p, g, state in entries:
                _update(p, g, state, **options)
