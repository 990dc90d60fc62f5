"""Rprop: step sizes that look only at the sign of the gradient."""

from __future__ import annotations

from ..ops import full_like, where, zeros_like
from .optimizer import Optimizer, check_lr, new_step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["Rprop"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    etas: tuple[float, float],
    step_sizes: tuple[float, float],
    maximize: bool,
) -> None:
    """s grows by etas[1] where the gradient keeps its sign, shrinks by etas[0] where it flips.

    p = p - sign(g) s, with g = 0 where the sign flipped.
    """
    state["step"] += 1
    prev, size = state["prev"], state["step_size"]
    if maximize:
        g = -g
    same = g.mul(prev)
    factor = where(same > 0, etas[1], where(same < 0, etas[0], 1.0)).to(size.dtype)
    size.mul_(factor).clamp_(*step_sizes)
    g = where(same < 0, zeros_like(g), g)
    p.sub_(g.sign().mul_(size))
    prev.copy_(g)


class Rprop(Optimizer):
    """Resilient propagation (Riedmiller and Braun 1993).

    Args:
        params: Parameters, or groups of them.
        lr: First step size.
        etas: Factors for a flipped and for a kept sign.
        step_sizes: Smallest and largest step size.
        capturable: Count steps on the GPU, so that CUDAGraph may capture step(); lr may be a tensor.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
        differentiable: Record the update for autograd.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_lr(lr)
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]}")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": new_step(p, group),
            "prev": zeros_like(p),
            "step_size": full_like(p, float(group["lr"])).detach(),
        }

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        for p, g, state in entries:
            _update(
                p,
                g,
                state,
                etas=group["etas"],
                step_sizes=group["step_sizes"],
                maximize=group["maximize"],
            )
