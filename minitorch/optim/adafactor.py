"""Adafactor: Adam's second moment kept as a row and a column."""

from __future__ import annotations

from ..ops import tensor, zeros, zeros_like
from .optimizer import Optimizer, check_at_least, check_lr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..tensor import Tensor

__all__ = ["Adafactor"]


def _update(
    p: Tensor,
    g: Tensor,
    state: dict[str, Any],
    *,
    lr: float,
    beta2_decay: float,
    eps1: float,
    eps2: float,
    d: float,
    weight_decay: float,
    maximize: bool,
) -> None:
    """p = p - lr max(eps2, rms(p)) u / max(1, rms(u) / d), with u = g / sqrt(v).

    v, the mean square of g with decay 1 - t^beta2_decay, is row times column over the row's mean
    for matrices and larger tensors.
    """
    state["step"] += 1
    t = state["step"].item()
    if maximize:
        g = -g
    new = t**beta2_decay
    rho = min(lr, 1 / t**0.5)
    alpha = max(eps2, p.norm(2).item() / p.numel() ** 0.5) * rho
    if weight_decay != 0:
        p.mul_(1 - lr * weight_decay)
    if g.dim() > 1:
        row, col = state["row_var"], state["col_var"]
        row.lerp_(g.norm(dim=-1, keepdim=True).square_().div_(g.size(-1)), new)
        col.lerp_(g.norm(dim=-2, keepdim=True).square_().div_(g.size(-2)), new)
        v = row @ col
        v.div_(row.mean(dim=-2, keepdim=True).clamp_(min=eps1))
    else:
        state["variance"].lerp_(g.square(), new)
        v = state["variance"].clone()
    u = v.clamp_(min=eps1 * eps1).rsqrt_().mul_(g)
    rms = u.norm(2).item() / (u.numel() ** 0.5 * d)
    p.add_(u, alpha=-alpha / max(1.0, rms))


class Adafactor(Optimizer):
    """Adafactor (Shazeer and Stern 2018).

    Args:
        params: Parameters, or groups of them.
        lr: Upper limit of the relative step size 1 / sqrt(t).
        beta2_decay: Power of t in the decay of the mean square.
        eps: Smallest mean square (by default the dtype's epsilon) and smallest scale of p.
        d: Limit of the update's root mean square.
        weight_decay: Decoupled weight decay.
        foreach: Accepted for compatibility.
        maximize: Ascend instead.
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        check_lr(lr)
        if not beta2_decay <= 0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        if eps[0] is not None and not eps[0] >= 0:
            raise ValueError(f"epsilon1 should be >= 0 but is: {eps[0]}")
        if not eps[1] >= 0:
            raise ValueError(f"epsilon2 should be >= 0 but is: {eps[1]}")
        if not d >= 1.0:
            raise ValueError(f"Clipping threshold d should be >= 1 but is: {d}")
        check_at_least("weight_decay", weight_decay)
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _init_state(self, p: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = {"step": tensor(0.0, device="cpu")}
        if p.dim() > 1:
            *lead, rows, columns = p.shape
            where = {"dtype": p.dtype, "device": p.device}
            state["row_var"] = zeros((*lead, rows, 1), **where)
            state["col_var"] = zeros((*lead, 1, columns), **where)
        else:
            state["variance"] = zeros_like(p)
        return state

    def _update_group(self, group: dict[str, Any], entries: list[Any]) -> None:
        from .. import finfo

        eps1, eps2 = group["eps"]
        for p, g, state in entries:
            _update(
                p,
                g,
                state,
                lr=float(group["lr"]),
                beta2_decay=group["beta2_decay"],
                eps1=finfo(p.dtype).eps if eps1 is None else eps1,
                eps2=eps2,
                d=group["d"],
                weight_decay=group["weight_decay"],
                maximize=group["maximize"],
            )
