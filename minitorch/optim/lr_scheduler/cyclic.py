"""Schedules that go up and down, with the momentum going the other way (Smith 2017, 2018)."""

from __future__ import annotations

import math
import types

from .base import LRScheduler, per_group, set_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..optimizer import Optimizer

__all__ = ["CyclicLR", "OneCycleLR"]


def _momentum_name(optimizer: Optimizer) -> str:
    """ "betas" or "momentum", whichever the optimizer has."""
    for name in ("betas", "momentum"):
        if name in optimizer.defaults:
            return name
    raise ValueError(
        "optimizer must support momentum or beta1 with `cycle_momentum` option enabled"
    )


def _set_momentum(group: dict[str, Any], use_beta1: bool, value: Any) -> None:
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


class CyclicLR(LRScheduler):
    """Up from `base_lr` to `max_lr` and down again, in every cycle.

    Args:
        optimizer: The optimizer to steer.
        base_lr: Lower bound, one or one per group.
        max_lr: Upper bound, one or one per group.
        step_size_up: Steps of the way up.
        step_size_down: Steps of the way down; as many as up by default.
        mode: "triangular", "triangular2" (half the height each cycle) or "exp_range" (times
            gamma per step).
        gamma: Factor of "exp_range".
        scale_fn: A height of one's own, in [0, 1]; overrides `mode`.
        scale_mode: Whether scale_fn takes the "cycle" or the "iterations".
        cycle_momentum: Move the momentum the other way.
        base_momentum: Its lower bound, one or one per group.
        max_momentum: Its upper bound, one or one per group.
        last_epoch: Index of the last step done.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = optimizer
        for group, low in zip(
            optimizer.param_groups, per_group(optimizer, "base_lr", base_lr), strict=True
        ):
            if last_epoch == -1:
                set_option(group, "lr", low)
        self.max_lrs = per_group(optimizer, "max_lr", max_lr)
        up = float(step_size_up)
        down = float(step_size_down) if step_size_down is not None else up
        self.total_size = up + down
        self.step_ratio = up / self.total_size
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ValueError("mode is invalid and scale_fn is None")
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode
        if scale_fn is None:
            self.scale_mode = "iterations" if mode == "exp_range" else "cycle"
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _momentum_name(optimizer) == "betas"
            self.base_momentums = per_group(optimizer, "base_momentum", base_momentum)
            self.max_momentums = per_group(optimizer, "max_momentum", max_momentum)
            if last_epoch == -1:
                rows = zip(
                    self.max_momentums, self.base_momentums, optimizer.param_groups, strict=True
                )
                for high, low, group in rows:
                    _set_momentum(group, self.use_beta1, high)
                    group["max_momentum"] = high
                    group["base_momentum"] = low
        super().__init__(optimizer, last_epoch)
        self.base_lrs = per_group(optimizer, "base_lr", base_lr)

    def scale_fn(self, x: float) -> float:
        """The height of the cycle at `x`, the cycle's number or the iteration."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        if self.mode == "triangular":
            return 1.0
        if self.mode == "triangular2":
            return 1 / (2.0 ** (x - 1))
        return self.gamma**x

    def get_lr(self) -> list[Any]:
        """The rates for this step; also sets the momentum."""
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        ratio = self.step_ratio
        share = x / ratio if x <= ratio else (x - 1) / (ratio - 1)
        scale = self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        rates = [
            low + (high - low) * share * scale
            for low, high in zip(self.base_lrs, self.max_lrs, strict=True)
        ]
        if self.cycle_momentum:
            rows = zip(
                self.base_momentums, self.max_momentums, self.optimizer.param_groups, strict=True
            )
            for low, high, group in rows:
                _set_momentum(group, self.use_beta1, high - (high - low) * share * scale)
        return rates

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer; of scale_fn, only the state of a callable object."""
        skipped = ("optimizer", "_scale_fn_custom")
        state = {k: v for k, v in self.__dict__.items() if k not in skipped}
        fn = self._scale_fn_custom
        plain = fn is None or isinstance(fn, types.FunctionType)
        state["_scale_fn_custom"] = None if plain else dict(fn.__dict__)  # type: ignore[union-attr]
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        rest = {k: v for k, v in state_dict.items() if k != "_scale_fn_custom"}
        self.__dict__.update(rest)
        saved = state_dict.get("_scale_fn_custom")
        if saved is not None and self._scale_fn_custom is not None:
            self._scale_fn_custom.__dict__.update(saved)


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)


def _line(start: float, end: float, share: float) -> float:
    return (end - start) * share + start


class OneCycleLR(LRScheduler):
    """One way up to `max_lr` and one way down far below the start.

    Args:
        optimizer: The optimizer to steer.
        max_lr: Upper bound, one or one per group.
        total_steps: Steps in all; or give `epochs` and `steps_per_epoch`.
        epochs: Epochs in all.
        steps_per_epoch: Steps per epoch.
        pct_start: Share of the steps that go up.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: Move the momentum the other way.
        base_momentum: Its lower bound, one or one per group.
        max_momentum: Its upper bound, one or one per group.
        div_factor: max_lr over the first rate.
        final_div_factor: The first rate over the last.
        three_phase: Go down to the first rate in as many steps as up, then to the last.
        last_epoch: Index of the last step done.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ) -> None:
        self.optimizer = optimizer
        if total_steps is not None:
            if total_steps <= 0 or not isinstance(total_steps, int):
                raise ValueError(f"Expected positive integer total_steps, but got {total_steps}")
            self.total_steps = total_steps
        elif epochs is not None and steps_per_epoch is not None:
            if not isinstance(epochs, int) or epochs <= 0:
                raise ValueError(f"Expected positive integer epochs, but got {epochs}")
            if not isinstance(steps_per_epoch, int) or steps_per_epoch <= 0:
                raise ValueError(
                    f"Expected positive integer steps_per_epoch, but got {steps_per_epoch}"
                )
            self.total_steps = epochs * steps_per_epoch
        else:
            raise ValueError("You must define either total_steps OR (epochs AND steps_per_epoch)")
        if pct_start < 0 or pct_start > 1 or not isinstance(pct_start, float):
            raise ValueError(f"Expected float between 0 and 1 pct_start, but got {pct_start}")
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._schedule_phases = _phases(self.total_steps, pct_start, three_phase)
        self._anneal_func_type = anneal_strategy
        highest = per_group(optimizer, "max_lr", max_lr)
        if last_epoch == -1:
            for group, high in zip(optimizer.param_groups, highest, strict=True):
                group["initial_lr"] = high / div_factor
                group["max_lr"] = high
                group["min_lr"] = group["initial_lr"] / final_div_factor
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1 = _momentum_name(optimizer) == "betas"
            highs = per_group(optimizer, "max_momentum", max_momentum)
            lows = per_group(optimizer, "base_momentum", base_momentum)
            if last_epoch == -1:
                for high, low, group in zip(highs, lows, optimizer.param_groups, strict=True):
                    _set_momentum(group, self.use_beta1, high)
                    group["max_momentum"] = high
                    group["base_momentum"] = low
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The rates for this step; also sets the momentum."""
        step = self.last_epoch
        if step > self.total_steps:
            raise ValueError(
                f"Tried to step {step} times. The total number of steps is {self.total_steps}"
            )
        anneal = _cosine if self._anneal_func_type == "cos" else _line
        start = 0.0
        for phase in self._schedule_phases:
            end = phase["end_step"]
            if step <= end or phase is self._schedule_phases[-1]:
                share = (step - start) / (end - start)
                break
            start = end
        rates = []
        for group in self.optimizer.param_groups:
            rates.append(anneal(group[phase["start_lr"]], group[phase["end_lr"]], share))
            if self.cycle_momentum:
                momentum = anneal(
                    group[phase["start_momentum"]], group[phase["end_momentum"]], share
                )
                _set_momentum(group, self.use_beta1, momentum)
        return rates


def _phases(total_steps: int, pct_start: float, three_phase: bool) -> list[dict[str, Any]]:
    """Last step of every phase, and the options it goes from and to."""

    def phase(end_step: float, start: str, end: str, momentum_start: str, momentum_end: str) -> Any:
        return {
            "end_step": end_step,
            "start_lr": start,
            "end_lr": end,
            "start_momentum": momentum_start,
            "end_momentum": momentum_end,
        }

    top = float(pct_start * total_steps) - 1
    up = phase(top, "initial_lr", "max_lr", "max_momentum", "base_momentum")
    if not three_phase:
        down = phase(total_steps - 1, "max_lr", "min_lr", "base_momentum", "max_momentum")
        return [up, down]
    middle = float(2 * pct_start * total_steps) - 2
    return [
        up,
        phase(middle, "max_lr", "initial_lr", "base_momentum", "max_momentum"),
        phase(total_steps - 1, "initial_lr", "min_lr", "max_momentum", "max_momentum"),
    ]
