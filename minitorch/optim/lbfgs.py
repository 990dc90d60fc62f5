"""L-BFGS: Newton's method with a Hessian approximated from the last gradients."""

from __future__ import annotations

from ..autograd import enable_grad, no_grad
from ..ops import cat
from ._line_search import strong_wolfe
from .optimizer import Optimizer, check_lr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..tensor import Tensor

__all__ = ["LBFGS"]


def _direction(state: dict[str, Any], g: Tensor) -> Tensor:
    """-H g by the two-loop recursion over the pairs y (change of gradient) and s (of position)."""
    ys, ss, rho = state["old_dirs"], state["old_stps"], state["ro"]
    q = g.neg()
    alpha = []
    for y, s, r in zip(reversed(ys), reversed(ss), reversed(rho), strict=True):
        alpha.append(s.dot(q) * r)
        q.add_(y * -alpha[-1])
    q = q * state["H_diag"]
    for y, s, r, a in zip(ys, ss, rho, reversed(alpha), strict=True):
        q.add_(s * (a - y.dot(q) * r))
    return q


class LBFGS(Optimizer):
    """L-BFGS (Nocedal 1980), with one group of parameters; each step evaluates a closure often.

    Args:
        params: Parameters.
        lr: Length of the step, in units of the quasi-Newton step.
        max_iter: Iterations per step.
        max_eval: Evaluations per step; max_iter * 5 / 4 by default.
        tolerance_grad: Stop where the largest gradient is below this.
        tolerance_change: Stop where position or loss changes by less.
        history_size: Pairs to keep.
        line_search_fn: None or "strong_wolfe".
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_lr(lr)
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        self._params = self.param_groups[0]["params"]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]

    def _gather_flat_grad(self) -> Tensor:
        parts = [(p.new_zeros(p.numel()) if p.grad is None else p.grad) for p in self._params]
        return cat([g.reshape(-1) for g in parts])

    def _add_grad(self, step_size: float, direction: Tensor) -> None:
        start = 0
        for p in self._params:
            stop = start + p.numel()
            p.add_(direction[start:stop].view_as(p), alpha=step_size)
            start = stop

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Take up to `max_iter` quasi-Newton steps.

        Args:
            closure: Clears the gradients, computes the loss and its gradients, returns the loss.

        Returns:
            The loss before the first of them.
        """
        with no_grad():
            return self._minimize(closure)

    def _minimize(self, closure: Callable[[], Any]) -> Any:
        group = self.param_groups[0]
        lr = float(group["lr"])
        tolerance_grad, tolerance_change = group["tolerance_grad"], group["tolerance_change"]
        line_search = group["line_search_fn"]
        if line_search not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        state = self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)

        def evaluate() -> tuple[Any, Tensor]:
            with enable_grad():
                loss = closure()
            return loss, self._gather_flat_grad()

        def evaluate_at(start: list[Tensor], t: float, d: Tensor) -> tuple[float, Tensor]:
            self._add_grad(t, d)
            loss, g = evaluate()
            for p, x in zip(self._params, start, strict=True):
                p.copy_(x)
            return float(loss), g

        first_loss, g = evaluate()
        loss = float(first_loss)
        evals = 1
        state["func_evals"] += 1
        if float(g.abs().max()) <= tolerance_grad:
            return first_loss
        for n in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                state.update(d=g.neg(), old_dirs=[], old_stps=[], ro=[], H_diag=1)
                t = min(1.0, 1.0 / float(g.abs().sum())) * lr
            else:
                y, s = g.sub(state["prev_flat_grad"]), state["d"].mul(state["t"])
                ys = float(y.dot(s))
                if ys > 1e-10:
                    if len(state["old_dirs"]) == group["history_size"]:
                        for name in ("old_dirs", "old_stps", "ro"):
                            state[name].pop(0)
                    state["old_dirs"].append(y)
                    state["old_stps"].append(s)
                    state["ro"].append(1.0 / ys)
                    state["H_diag"] = ys / float(y.dot(y))
                state["d"] = _direction(state, g)
                t = lr
            d = state["d"]
            state["prev_flat_grad"] = g.clone()
            state["prev_loss"] = loss
            slope = float(g.dot(d))
            state["t"] = t
            if slope > -tolerance_change:
                break
            used = 0
            flat = False
            if line_search is not None:
                start = [p.clone() for p in self._params]
                loss, g, t, used = strong_wolfe(
                    lambda t, start=start, d=d: evaluate_at(start, t, d), t, d, loss, g, slope
                )
                self._add_grad(t, d)
                flat = float(g.abs().max()) <= tolerance_grad
            else:
                self._add_grad(t, d)
                if n != group["max_iter"]:
                    new_loss, g = evaluate()
                    loss = float(new_loss)
                    flat = float(g.abs().max()) <= tolerance_grad
                    used = 1
            state["t"] = t
            evals += used
            state["func_evals"] += used
            if (
                evals >= group["max_eval"]
                or flat
                or float(d.mul(t).abs().max()) <= tolerance_change
                or abs(loss - state["prev_loss"]) < tolerance_change
            ):
                break
        return first_loss
