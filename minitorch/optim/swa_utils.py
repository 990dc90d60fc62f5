"""Averages of a model's weights over training."""

from __future__ import annotations

import math

from ..autograd import no_grad
from ..nn.modules.batchnorm import _BatchNorm
from ..nn.modules.module import Module
from ..ops import tensor
from ..tensor import Tensor
from .lr_scheduler.base import LRScheduler, per_group

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .optimizer import Optimizer

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(f"Invalid decay value {decay} provided. Please provide a value in [0,1].")


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """A function that moves a list of averages towards the current values by 1 - decay."""
    _check_decay(decay)

    def ema_update(averages: list[Tensor], currents: list[Tensor], _: Any) -> None:
        with no_grad():
            for average, current in zip(averages, currents, strict=True):
                if average.is_floating_point() or average.is_complex():
                    average.lerp_(current, 1 - decay)
                else:
                    average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """A function that updates a list of plain averages over all values so far."""

    def swa_update(averages: list[Tensor], currents: list[Tensor], n: Any) -> None:
        share = 1.0 / (float(n) + 1)
        with no_grad():
            for average, current in zip(averages, currents, strict=True):
                if average.is_floating_point() or average.is_complex():
                    average.lerp_(current, share)
                else:
                    average.add_(((current - average) * share).to(average.dtype))

    return swa_update


def get_ema_avg_fn(decay: float = 0.999) -> Callable[..., Tensor]:
    """A function that returns decay * average + (1 - decay) * current."""
    _check_decay(decay)

    def ema_update(average: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return average * decay + current * (1 - decay)

    return ema_update


def get_swa_avg_fn() -> Callable[..., Tensor]:
    """A function that returns the plain average over all values so far."""

    def swa_update(average: Tensor, current: Tensor, num_averaged: Any) -> Tensor:
        with no_grad():
            return average + (current - average) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """A copy of a model, as `module`, whose parameters are averages (Izmailov et al. 2018).

    Args:
        model: The model that is trained.
        device: Where to keep the averages.
        avg_fn: (average, current, count) to the new average.
        multi_avg_fn: The same in place, on lists of tensors.
        use_buffers: Also average the buffers, instead of copying them.
    """

    n_averaged: Tensor

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable[..., Tensor] | None = None,
        multi_avg_fn: Callable[..., None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        import copy

        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the current parameters of `model` into the averages."""
        mine, theirs = list(self.module.parameters()), list(model.parameters())
        if self.use_buffers:
            mine += list(self.module.buffers())
            theirs += list(model.buffers())
        averages = [p.detach() for p in mine]
        currents = [p.detach().to(a.device) for p, a in zip(theirs, averages, strict=True)]
        with no_grad():
            if int(self.n_averaged) == 0:
                for average, current in zip(averages, currents, strict=True):
                    average.copy_(current)
            elif self.avg_fn is not None:
                for average, current in zip(averages, currents, strict=True):
                    average.copy_(self.avg_fn(average, current, int(self.n_averaged)))
            else:
                update = self.multi_avg_fn or get_swa_multi_avg_fn()
                update(averages, currents, int(self.n_averaged))
            if not self.use_buffers:
                pairs = zip(self.module.buffers(), model.buffers(), strict=True)
                for average, current in pairs:
                    average.detach().copy_(current.detach().to(average.device))
            self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of every batch norm anew, over one pass of `loader`.

    Args:
        loader: Batches; of a list or tuple, the first element is the model's input.
        model: The model, for example an `AveragedModel`.
        device: Where to move the inputs.
    """
    norms = [m for m in model.modules() if isinstance(m, _BatchNorm)]
    if not norms:
        return
    momenta = [m.momentum for m in norms]
    was_training = model.training
    model.train()
    for norm in norms:
        norm.reset_running_stats()
        # None asks for the plain average over all batches.
        norm.momentum = None
    with no_grad():
        for batch in loader:
            x = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(x if device is None else x.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rate to `swa_lr` in `anneal_epochs` epochs and keeps it there.

    Args:
        optimizer: The optimizer to steer.
        swa_lr: The last rate, one or one per group.
        anneal_epochs: Epochs of the way there.
        anneal_strategy: "cos" or "linear".
        last_epoch: Index of the last step done.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: Any,
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ) -> None:
        for value, group in zip(
            per_group(optimizer, "swa_lr", swa_lr), optimizer.param_groups, strict=True
        ):
            group["swa_lr"] = value
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy = anneal_strategy
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """How far the rate has come to swa_lr, from 0 to 1."""
        t = max(0, min(1, step / max(1, self.anneal_epochs)))
        return (1 - math.cos(math.pi * t)) / 2 if self._anneal_strategy == "cos" else t

    def get_lr(self) -> list[Any]:
        """The rate without the last step's share of swa_lr, then with this step's."""
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(max(0, step - 1)), self._share(step)
        out = []
        for group in self.optimizer.param_groups:
            swa_lr, lr = group["swa_lr"], group["lr"]
            start = swa_lr if before == 1 else (lr - before * swa_lr) / (1 - before)
            out.append(swa_lr * now + start * (1 - now))
        return out
