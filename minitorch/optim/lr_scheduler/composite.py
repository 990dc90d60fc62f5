"""Schedulers made of schedulers."""

from __future__ import annotations

from bisect import bisect_right

from .base import LRScheduler, copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..optimizer import Optimizer

__all__ = ["ChainedScheduler", "SequentialLR"]


def _save(scheduler: Any) -> dict[str, Any]:
    """The state of a scheduler that holds schedulers as `_schedulers`."""
    skipped = ("optimizer", "_schedulers")
    state = {k: v for k, v in scheduler.__dict__.items() if k not in skipped}
    state["_schedulers"] = [s.state_dict() for s in scheduler._schedulers]
    return state


def _load(scheduler: Any, state_dict: dict[str, Any]) -> None:
    scheduler.__dict__.update({k: v for k, v in state_dict.items() if k != "_schedulers"})
    for inner, state in zip(scheduler._schedulers, state_dict["_schedulers"], strict=True):
        inner.load_state_dict(state)


def _check(name: str, schedulers: Sequence[Any], optimizer: Any) -> None:
    if len(schedulers) < 1:
        raise ValueError(f"{name} expects at least one scheduler to be chained, but got none.")
    for i, scheduler in enumerate(schedulers):
        if not hasattr(scheduler, "optimizer"):
            raise TypeError(f"{name} at index {i} should have `optimizer` as its attribute.")
        if type(scheduler).__name__ == "ReduceLROnPlateau":
            raise ValueError(
                f"{name} does not support `ReduceLROnPlateau` scheduler as it requires "
                "additional kwargs to be specified when calling `step`, but got one at index "
                f"{i} in the given schedulers sequence."
            )
        if optimizer is not scheduler.optimizer:
            raise ValueError(
                f"{name} expects all schedulers to belong to the same optimizer, but got "
                f"scheduler {type(scheduler).__name__} at index {i} that has another one."
            )


class SequentialLR(LRScheduler):
    """One scheduler after another, changing over at the epochs in `milestones`.

    Args:
        optimizer: The optimizer to steer.
        schedulers: The schedulers, all for this optimizer.
        milestones: First epoch of every scheduler but the first.
        last_epoch: Index of the last step done.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: list[LRScheduler],
        milestones: list[int],
        last_epoch: int = -1,
    ) -> None:
        _check(type(self).__name__, schedulers, optimizer)
        if len(milestones) != len(schedulers) - 1:
            raise ValueError(
                "Sequential Schedulers expects number of schedulers provided to be one more than "
                f"the number of milestone points, but got number of schedulers {len(schedulers)} "
                f"and the number of milestones to be equal to {len(milestones)}"
            )
        self._schedulers = schedulers
        self._milestones = milestones
        self.last_epoch = last_epoch + 1
        self.optimizer = optimizer
        # Every scheduler set the rate when it was made: undo that, then start the first one.
        for group in optimizer.param_groups:
            group["lr"] = copied(group["initial_lr"])
        for scheduler in schedulers:
            _undo_step(scheduler)
        schedulers[0]._initial_step()
        self._last_lr = schedulers[0].get_last_lr()

    def step(self) -> None:  # type: ignore[override]
        """Step the scheduler whose turn it is."""
        self.last_epoch += 1
        i = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[i]
        if i > 0 and self._milestones[i - 1] == self.last_epoch:
            _start(scheduler)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the inner schedulers' states."""
        return _save(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        _load(self, state_dict)


def _start(scheduler: Any) -> None:
    """Step to epoch 0, which is no jump that the user asked for."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler.step(0)


def _undo_step(scheduler: Any) -> None:
    inner = getattr(scheduler, "_schedulers", None)
    if inner is None:
        scheduler.last_epoch -= 1
    else:
        for s in inner:
            _undo_step(s)


class ChainedScheduler(LRScheduler):
    """Several schedulers at once, each applied to the rate that the one before left.

    Args:
        schedulers: The schedulers, all for one optimizer.
        optimizer: That optimizer; the first scheduler's by default.
    """

    def __init__(
        self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None
    ) -> None:
        own: Any = optimizer
        if own is None and len(schedulers) > 0:
            own = getattr(schedulers[0], "optimizer", None)
        _check(type(self).__name__, schedulers, own)
        self._schedulers = schedulers
        self.optimizer = own
        self._last_lr = [copied(g["lr"]) for g in own.param_groups]

    def step(self) -> None:  # type: ignore[override]
        """Step every scheduler."""
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = [copied(g["lr"]) for g in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Everything but the optimizer, with the inner schedulers' states."""
        return _save(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what `state_dict` returned."""
        _load(self, state_dict)
