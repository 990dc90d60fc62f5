"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from .optimizer import Optimizer, check_at_least, check_fused, check_lr, columns, rate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["SGD"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    momentum: float,
    dampening: float,
    weight_decay: float,
    nesterov: bool,
    maximize: bool,
) -> None:
    """b = momentum b + (1 - dampening) g;  p = p - lr b  (Nesterov: p - lr (g + momentum b))."""
    if maximize:
        g = -g
    if weight_decay != 0:
        g = g.add(p, alpha=weight_decay)
    if momentum != 0:
        b = state.get("momentum_buffer")
        if b is None:
            b = state["momentum_buffer"] = g.detach().clone()
        else:
            b.mul_(momentum).add_(g, alpha=1 - dampening)
        g = g.add(b, alpha=momentum) if nesterov else b
    p.add_(g, alpha=-lr)


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and Nesterov's variant (Sutskever et al. 2013).

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate.
        momentum: Share of the last update that is kept.
        dampening: Share of the gradient that momentum leaves out.
        weight_decay: Factor of p added to the gradient.
        nesterov: Look ahead along the momentum.
        maximize: Ascend instead.
        foreach: Accepted for compatibility.
        differentiable: Record the update for autograd.
        fused: True lets GradScaler leave its work to the step; False computes parameter by
            parameter instead of in one call.
    """

    _capturable = True

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_lr(lr)
        check_fused(fused, foreach, differentiable)
        check_at_least("momentum", momentum)
        check_at_least("weight_decay", weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        self._step_supports_amp_scaling = bool(fused)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        return {"momentum_buffer": None} if group["momentum"] != 0 else {}

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        fused = self._fused_call(group, "sgd_step")
        options = {
            "lr": rate(group, fused),
            "momentum": float(group["momentum"]),
            "dampening": float(group["dampening"]),
            "weight_decay": float(group["weight_decay"]),
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
        }
        if fused is None:
            for p, g, state in entries:
                _update(p, g, state, **options)
            return
        scaling = self.grad_scale, self.found_inf
        if group["momentum"] == 0:
            fused(*columns(entries), [], *options.values(), *scaling)
            return
        started = [e for e in entries if e[2].get("momentum_buffer") is not None]
        if len(started) < len(entries):
            # The first buffer is the gradient itself, so those parameters take one slow step.
            for p, g, state in entries:
                if state.get("momentum_buffer") is None and self._unscaled(g):
                    _update(p, g, state, **(options | {"lr": float(options["lr"])}))
        if started:
            fused(*columns(started, "momentum_buffer"), *options.values(), *scaling)

    def _unscaled(self, g: Tensor) -> bool:
        """Do to a gradient what GradScaler left to the step; False: it must not be used."""
        if self.grad_scale is not None:
            g.div_(self.grad_scale.to(g.device))
        return self.found_inf is None or self.found_inf.item() == 0.0
