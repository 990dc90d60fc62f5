"""What can happen between the steps of training: early stopping, checkpoints, and your own."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .trainer import Trainer


class Callback:
    """Base of callbacks: override what you need. ``state_dict`` goes into checkpoints."""

    def on_fit_start(self, trainer: Trainer) -> None:
        """Before the first epoch of this call of ``fit``."""

    def on_step_end(self, trainer: Trainer) -> None:
        """After each optimizer step; ``trainer.step`` counts them."""

    def on_epoch_end(self, trainer: Trainer) -> None:
        """After each epoch; ``trainer.history.rows[-1]`` holds its measures."""

    def on_fit_end(self, trainer: Trainer) -> None:
        """After the last epoch."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Best:
    """The best value of a measure so far.

    Args:
        monitor: name of a column of the history.
        mode: "min", "max", or "auto": smaller is better for losses and errors.
        min_delta: what counts as better is better by more than this.
    """

    def __init__(self, monitor: str, mode: str = "auto", min_delta: float = 0.0) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"mode must be auto, min or max, got {mode!r}")
        if mode == "auto":
            mode = "min" if any(word in monitor for word in ("loss", "error")) else "max"
        self.monitor = monitor
        self.sign = 1.0 if mode == "min" else -1.0
        self.min_delta = min_delta
        self.value: float | None = None

    def improved(self, row: dict[str, Any]) -> bool:
        """Whether the row has a new best value, which is then remembered."""
        if self.monitor not in row:
            raise KeyError(f"the history has no {self.monitor!r}, only {', '.join(row)}")
        value = row[self.monitor]
        better = self.value is None or self.sign * (self.value - value) > self.min_delta
        if better:
            self.value = value
        return better


class EarlyStopping(Callback):
    """End training when a measure has not improved for some epochs.

    Args:
        monitor: column of the history, for instance "val_loss" or "val_accuracy".
        patience: epochs without improvement that are endured.
        min_delta: an improvement is more than this.
        mode: "min", "max" or "auto".
        restore_best: whether the model gets the best epoch's weights back at the end.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        patience: int = 5,
        min_delta: float = 0.0,
        mode: str = "auto",
        restore_best: bool = True,
    ) -> None:
        self.best = Best(monitor, mode, min_delta)
        self.patience = patience
        self.restore_best = restore_best
        self.waited = 0
        self.stopped = False
        self._weights: dict[str, Any] | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        if self.stopped:
            trainer.stop = True

    def on_epoch_end(self, trainer: Trainer) -> None:
        if self.best.improved(trainer.history.rows[-1]):
            self.waited = 0
            if self.restore_best:
                state = trainer.model.state_dict()
                self._weights = {name: value.detach().clone() for name, value in state.items()}
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped = trainer.stop = True

    def on_fit_end(self, trainer: Trainer) -> None:
        if self.restore_best and self._weights is not None:
            trainer.model.load_state_dict(self._weights)

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best.value,
            "waited": self.waited,
            "stopped": self.stopped,
            "weights": self._weights,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best.value = state["best"]
        self.waited = state["waited"]
        self.stopped = state["stopped"]
        self._weights = state["weights"]


class Checkpoint(Callback):
    """Save the whole state of training: ``last.pt``, and ``best.pt`` by a measure.

    Args:
        folder: where files go; it is made if absent.
        every_epochs: epochs from one last.pt to the next.
        every_steps: optimizer steps from one last.pt to the next, within epochs.
        monitor: column of the history that decides about best.pt; None saves no best.pt.
        mode: "min", "max" or "auto".
        keep_all: whether each epoch's file is kept as ``epoch_<n>.pt``, too.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every_epochs: int = 1,
        every_steps: int | None = None,
        monitor: str | None = None,
        mode: str = "auto",
        keep_all: bool = False,
    ) -> None:
        if every_epochs < 1 or (every_steps is not None and every_steps < 1):
            raise ValueError("Checkpoint: every_epochs and every_steps must be positive")
        self.folder = os.fspath(folder)
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.best = Best(monitor, mode) if monitor is not None else None
        self.keep_all = keep_all

    @property
    def last(self) -> str:
        """Path of the newest checkpoint."""
        return os.path.join(self.folder, "last.pt")

    def _save(self, trainer: Trainer, name: str) -> None:
        os.makedirs(self.folder, exist_ok=True)
        trainer.save(os.path.join(self.folder, name))

    def on_step_end(self, trainer: Trainer) -> None:
        if self.every_steps is not None and trainer.step % self.every_steps == 0:
            self._save(trainer, "last.pt")

    def on_epoch_end(self, trainer: Trainer) -> None:
        better = self.best is not None and self.best.improved(trainer.history.rows[-1])
        if trainer.epoch % self.every_epochs == 0 or trainer.stop:
            self._save(trainer, "last.pt")
            if self.keep_all:
                self._save(trainer, f"epoch_{trainer.epoch}.pt")
        if better:
            self._save(trainer, "best.pt")

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best.value if self.best is not None else None}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if self.best is not None:
            self.best.value = state["best"]
