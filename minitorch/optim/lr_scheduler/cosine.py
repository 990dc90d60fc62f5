"""Schedules along a cosine (Loshchilov and Hutter 2017)."""

from __future__ import annotations

import math

from .base import LRScheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..optimizer import Optimizer

__all__ = ["CosineAnnealingLR", "CosineAnnealingWarmRestarts"]


class CosineAnnealingLR(LRScheduler):
    """Half a cosine from the initial rate to `eta_min` in `T_max` epochs, then back up.

    Args:
        optimizer: The optimizer to steer.
        T_max: Epochs of half a period.
        eta_min: Smallest rate.
        last_epoch: Index of the last step done.
    """

    def __init__(
        self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0, last_epoch: int = -1
    ) -> None:
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The recursion over epochs, which also holds when another scheduler scales the rate."""
        epoch, half, low = self.last_epoch, self.T_max, self.eta_min
        if self._is_initial:
            return self._current()
        if self._step_count == 1 and epoch > 0:
            return [
                low + (base - low) * (1 + math.cos(epoch * math.pi / half)) / 2
                for base in self.base_lrs
            ]
        if (epoch - 1 - half) % (2 * half) == 0:
            # The ratio below would divide by zero just after the minimum.
            return [
                lr + (base - low) * (1 - math.cos(math.pi / half)) / 2
                for base, lr in zip(self.base_lrs, self._current(), strict=True)
            ]
        now = 1 + math.cos(math.pi * epoch / half)
        before = 1 + math.cos(math.pi * (epoch - 1) / half)
        return [now / before * (lr - low) + low for lr in self._current()]

    def _get_closed_form_lr(self) -> list[Any]:
        cosine = math.cos(math.pi * self.last_epoch / self.T_max)
        return [self.eta_min + (b - self.eta_min) * (1 + cosine) / 2 for b in self.base_lrs]


class CosineAnnealingWarmRestarts(LRScheduler):
    """Half a cosine from the initial rate to `eta_min`, again and again.

    Args:
        optimizer: The optimizer to steer.
        T_0: Epochs until the first restart.
        T_mult: Factor of that length from one restart to the next.
        eta_min: Smallest rate.
        last_epoch: Index of the last step done.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        if T_0 <= 0 or not isinstance(T_0, int):
            raise ValueError(f"Expected positive integer T_0, but got {T_0}")
        if T_mult < 1 or not isinstance(T_mult, int):
            raise ValueError(f"Expected integer T_mult >= 1, but got {T_mult}")
        if not isinstance(eta_min, (float, int)):
            raise ValueError(f"Expected float or int eta_min, but got {eta_min}")
        self.T_0 = T_0
        self.T_i = T_0
        self.T_mult = T_mult
        self.eta_min = eta_min
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[Any]:
        """The cosine of the share of the current period that has passed."""
        cosine = math.cos(math.pi * self.T_cur / self.T_i)
        return [self.eta_min + (b - self.eta_min) * (1 + cosine) / 2 for b in self.base_lrs]

    def step(self, epoch: float | None = None) -> None:
        """Go on by one epoch, or to any `epoch`, which may have a fraction."""
        if epoch is None and self.last_epoch < 0:
            epoch = 0.0
        if epoch is None:
            epoch = float(self.last_epoch + 1)
            self.T_cur = self.T_cur + 1
            if self.T_cur >= self.T_i:
                self.T_cur = self.T_cur % self.T_i
                self.T_i = self.T_i * self.T_mult
        else:
            if epoch < 0:
                raise ValueError(f"Expected non-negative epoch, but got {epoch}")
            if epoch < self.T_0:
                self.T_i = self.T_0
                self.T_cur = epoch
            elif self.T_mult == 1:
                self.T_cur = epoch % self.T_0
            else:
                ratio = epoch / self.T_0 * (self.T_mult - 1) + 1
                n = int(math.log(ratio, self.T_mult))
                self.T_cur = epoch - self.T_0 * (self.T_mult**n - 1) / (self.T_mult - 1)
                self.T_i = self.T_0 * self.T_mult**n
        self.last_epoch = math.floor(epoch)
        self._set(self.get_lr())
