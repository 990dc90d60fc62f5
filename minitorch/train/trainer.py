"""The Trainer: a training loop with validation, callbacks and exact resume."""

from __future__ import annotations

import math

import minitorch

from ..metrics import MeanMetric, Metric
from ..serialization import load, save
from .callbacks import Callback, Checkpoint
from .history import History
from .random_state import get_random_state, set_random_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any


class NonFiniteLossError(FloatingPointError):
    """The loss has become NaN or infinite; the model is as it was before that step."""


class Trainer:
    """Trains a model.

    Batches are (input, ..., target): the model gets all but the last, the loss function its output and the target.
    Override :meth:`forward` for other batches.

    Args:
        model: the module to train.
        optimizer: optimizer over its parameters.
        loss_fn: function of (output, target) that returns the mean loss of the batch.
        scheduler: learning rate scheduler; ReduceLROnPlateau gets the validation loss (or the training loss).
        metrics: metrics by name, for training and validation alike.
        callbacks: see :mod:`minitorch.train.callbacks`; Checkpoints come last.
        device: where the model and each batch go; None leaves them where they are.
        clip_grad_norm: limit of the gradients' total norm.
        clip_grad_value: limit of each gradient element.
        accumulate: batches per optimizer step.
        schedule_every: "epoch" or "step".
        progress: whether to show a progress bar; None shows one on a terminal.
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss_fn: Callable[[Any, Any], minitorch.Tensor],
        scheduler: Any = None,
        metrics: Mapping[str, Metric] | None = None,
        callbacks: Sequence[Callback] = (),
        device: Any = None,
        clip_grad_norm: float | None = None,
        clip_grad_value: float | None = None,
        accumulate: int = 1,
        schedule_every: str = "epoch",
        progress: bool | None = None,
    ) -> None:
        import copy

        if accumulate < 1:
            raise ValueError(f"Trainer: accumulate must be positive, got {accumulate}")
        if schedule_every not in ("epoch", "step"):
            raise ValueError(
                f"Trainer: schedule_every is 'epoch' or 'step', got {schedule_every!r}"
            )
        self.model = model.to(device) if device is not None else model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.scheduler = scheduler
        self.metrics = dict(metrics or {})
        self._train_metrics: dict[str, Metric] = copy.deepcopy(self.metrics)
        self._train_loss = MeanMetric()
        self.callbacks = sorted(callbacks, key=lambda c: isinstance(c, Checkpoint))
        self.device = device
        self.clip_grad_norm = clip_grad_norm
        self.clip_grad_value = clip_grad_value
        self.accumulate = accumulate
        self.schedule_every = schedule_every
        self.progress = progress
        self.history = History()
        self.epoch = 0  # epochs done
        self.step = 0  # optimizer steps done
        self.stop = False  # set it to end training after the current epoch
        self._batches = 0  # batches done in the current epoch
        self._loader: Any = None
        self._resume: dict[str, Any] | None = None

    def forward(self, batch: Any) -> tuple[minitorch.Tensor, Any, Any]:
        """(loss, output, target) of a batch."""
        *inputs, target = batch
        output = self.model(*inputs)
        return self.loss_fn(output, target), output, target

    def fit(
        self,
        train_loader: Iterable[Any],
        val_loader: Iterable[Any] | None = None,
        epochs: int = 1,
        resume: str | os.PathLike[str] | None = None,
    ) -> History:
        """Train until ``epochs`` epochs are done in all.

        Args:
            train_loader: batches to train on.
            val_loader: batches to validate on after each epoch.
            epochs: number of epochs, including those before a resume.
            resume: checkpoint to go on from.

        Returns:
            The history, one row per epoch.

        Raises:
            NonFiniteLossError: if the loss becomes NaN or infinite.
        """
        if resume is not None:
            self.load(resume)
        self.stop = False
        self._notify("on_fit_start")
        while self.epoch < epochs and not self.stop:
            self._train_epoch(train_loader, val_loader, epochs)
        self._notify("on_fit_end")
        return self.history

    def _train_epoch(self, loader: Any, val_loader: Any, epochs: int) -> None:
        import time

        start = time.perf_counter()
        sampler: Any = getattr(loader, "sampler", None)
        if hasattr(sampler, "set_epoch"):
            sampler.set_epoch(self.epoch)
        self.model.train()
        self._loader = loader
        batches = self._start_batches(loader)
        title = f"epoch {self.epoch + 1}/{epochs}"
        bar = self._bar(batches, title, _length(loader), self._batches)
        self.optimizer.zero_grad()
        pending = 0
        for batch in bar:
            self._batch(batch)
            pending += 1
            self._batches += 1
            if pending == self.accumulate:
                self._optimizer_step(pending)
                pending = 0
            if hasattr(bar, "set_postfix"):
                bar.set_postfix(loss=f"{self._train_loss.compute().item():.4f}", refresh=False)
        if pending:
            self._optimizer_step(pending)
        row = {"epoch": self.epoch + 1, **self._measures("train_")}
        if val_loader is not None:
            row |= {f"val_{name}": value for name, value in self.evaluate(val_loader).items()}
        row["lr"] = self.optimizer.param_groups[0]["lr"]
        row["seconds"] = time.perf_counter() - start
        if self.scheduler is not None and self.schedule_every == "epoch":
            self._schedule(row.get("val_loss", row["train_loss"]))
        self.history.append(row)
        self.epoch += 1
        self._reset_epoch()
        if hasattr(bar, "write"):
            shown = [f"{k} {v:.4g}" for k, v in row.items() if isinstance(v, float)]
            bar.write(f"{title}: {', '.join(shown)}")
        self._notify("on_epoch_end")

    def _reset_epoch(self) -> None:
        self._batches = 0
        self._train_loss.reset()
        for metric in self._train_metrics.values():
            metric.reset()

    def _start_batches(self, loader: Any) -> Iterator[Any]:
        """The epoch's batches; after a resume, those that are left."""
        resume, self._resume = self._resume, None
        if resume is None:
            return iter(loader)
        length = _length(loader)
        if resume["length"] is not None and length is not None and resume["length"] != length:
            raise ValueError(
                f"Trainer: the checkpoint's loader had {resume['length']} batches, this one has {length}"
            )
        if resume["loader"] is not None and hasattr(loader, "load_state_dict"):
            loader.load_state_dict(resume["loader"])
            set_random_state(resume["random"])
            return iter(loader)
        if self._batches == 0:
            set_random_state(resume["random"])
            return iter(loader)
        batches = iter(loader)
        for _ in range(self._batches):
            next(batches, None)
        set_random_state(resume["random"])
        return batches

    def _batch(self, batch: Any) -> None:
        loss, output, target = self.forward(_to_device(batch, self.device))
        value = loss.item()
        if not math.isfinite(value):
            raise NonFiniteLossError(self._non_finite_text(value))
        (loss / self.accumulate if self.accumulate > 1 else loss).backward()
        self._train_loss.update(value, _batch_size(target))
        for metric in self._train_metrics.values():
            metric.update(output, target)

    def _non_finite_text(self, value: float) -> str:
        kept = [c.last for c in self.callbacks if isinstance(c, Checkpoint)]
        hint = f"; the last checkpoint is {kept[0]}" if kept and self.step else ""
        return (
            f"the loss is {value} in epoch {self.epoch + 1}, batch {self._batches + 1} (optimizer step "
            f"{self.step + 1}); try a smaller learning rate or clip_grad_norm{hint}"
        )

    def _optimizer_step(self, batches: int) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        if batches < self.accumulate:  # the epoch's last group: its mean is over fewer batches
            for p in parameters:
                if p.grad is not None:
                    p.grad.mul_(self.accumulate / batches)
        if self.clip_grad_value is not None:
            minitorch.nn.utils.clip_grad_value_(parameters, self.clip_grad_value)
        if self.clip_grad_norm is not None:
            minitorch.nn.utils.clip_grad_norm_(parameters, self.clip_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.step += 1
        if self.scheduler is not None and self.schedule_every == "step":
            self._schedule(self._train_loss.compute().item())
        self._notify("on_step_end")

    def _schedule(self, loss: float) -> None:
        if isinstance(self.scheduler, minitorch.optim.lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(loss)
        else:
            self.scheduler.step()

    def evaluate(self, loader: Iterable[Any]) -> dict[str, Any]:
        """Mean loss and metrics over a loader's batches, without gradients and in evaluation mode."""
        import copy

        metrics = copy.deepcopy(self.metrics)
        loss = MeanMetric()
        for metric in metrics.values():
            metric.reset()
        with _evaluation(self.model):
            for batch in loader:
                value, output, target = self.forward(_to_device(batch, self.device))
                loss.update(value.item(), _batch_size(target))
                for metric in metrics.values():
                    metric.update(output, target)
        measures = {name: metric.compute().tolist() for name, metric in metrics.items()}
        return {"loss": loss.compute().item(), **measures}

    def predict(self, loader: Iterable[Any]) -> minitorch.Tensor:
        """The model's outputs over a loader, one after the other on the CPU.

        A batch of several parts is taken as (input, ..., target), as in training; a batch that is a tensor,
        or a list of one, is the input.
        """
        outputs = []
        with _evaluation(self.model):
            for batch in loader:
                batch = _to_device(batch, self.device)
                if isinstance(batch, minitorch.Tensor):
                    batch = [batch]
                inputs = batch[:-1] if len(batch) > 1 else batch
                outputs.append(self.model(*inputs).detach().cpu())
        return minitorch.cat(outputs, 0)

    def _measures(self, prefix: str) -> dict[str, Any]:
        values = {name: m.compute().tolist() for name, m in self._train_metrics.items()}
        values = {"loss": self._train_loss.compute().item(), **values}
        return {prefix + name: value for name, value in values.items()}

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs to give the same bits as an uninterrupted one."""
        loader = self._loader
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict() if self.scheduler is not None else None,
            "epoch": self.epoch,
            "step": self.step,
            "batches": self._batches,
            "length": _length(loader),
            "loader": loader.state_dict() if hasattr(loader, "state_dict") else None,
            "random": get_random_state(),
            "history": self.history.rows,
            "train_loss": self._train_loss.state_dict(),
            "train_metrics": {n: m.state_dict() for n, m in self._train_metrics.items()},
            "callbacks": [c.state_dict() for c in self.callbacks],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`; ``fit`` then restores the random state and the place in the epoch."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None and state["scheduler"] is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        self.epoch, self.step, self._batches = state["epoch"], state["step"], state["batches"]
        self.history = History(state["history"])
        self._train_loss.load_state_dict(state["train_loss"])
        for name, metric in self._train_metrics.items():
            if name in state["train_metrics"]:
                metric.load_state_dict(state["train_metrics"][name])
        if len(state["callbacks"]) == len(self.callbacks):
            for callback, saved in zip(self.callbacks, state["callbacks"], strict=True):
                callback.load_state_dict(saved)
        self._resume = {key: state[key] for key in ("length", "loader", "random")}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save a checkpoint."""
        save(self.state_dict(), path)

    def load(self, path: str | os.PathLike[str]) -> None:
        """Load a checkpoint."""
        self.load_state_dict(load(path, map_location=self.device))

    def _notify(self, event: str) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self)

    def _bar(self, batches: Any, title: str, total: int | None, done: int) -> Any:
        shown = self.progress
        if shown is None:
            import sys

            shown = sys.stderr.isatty()
        if not shown:
            return batches
        from tqdm import tqdm  # type: ignore[import-untyped]

        return tqdm(batches, title, total, initial=done, leave=False, unit="batch")


class _evaluation:
    """Evaluation mode without gradients; the modes of all modules are restored afterwards."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._modes = [(module, module.training) for module in model.modules()]
        self._no_grad = minitorch.no_grad()

    def __enter__(self) -> None:
        self._model.eval()
        self._no_grad.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._no_grad.__exit__(*error)
        for module, training in self._modes:
            module.training = training


def _length(loader: Any) -> int | None:
    try:
        return len(loader)
    except (TypeError, NotImplementedError):
        return None


def _batch_size(target: Any) -> int:
    if isinstance(target, minitorch.Tensor) and target.dim() > 0:
        return target.shape[0]
    return 1


def _to_device(data: Any, device: Any) -> Any:
    if device is None:
        return data
    if isinstance(data, minitorch.Tensor):
        return data.to(device)
    if isinstance(data, dict):
        return {key: _to_device(value, device) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(_to_device(value, device) for value in data)
    return data
