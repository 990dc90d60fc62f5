"""Metrics that accumulate over batches."""

from __future__ import annotations

import minitorch

from .functional import confusion_matrix, from_matrix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Metric:
    """A metric over batches: ``update`` with each, ``compute`` at the end, ``reset`` to begin again.

    Calling the metric updates it and returns the value of that batch alone.
    """

    def update(self, preds: Any, target: Any) -> None:
        raise NotImplementedError

    def compute(self) -> minitorch.Tensor:
        raise NotImplementedError

    def reset(self) -> None:
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What has been accumulated."""
        return {k: v for k, v in vars(self).items() if k.startswith("_") and k != "_kind"}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        vars(self).update(state)

    def __call__(self, preds: Any, target: Any) -> minitorch.Tensor:
        import copy

        batch = copy.copy(self)
        batch.reset()
        batch.update(preds, target)
        self.update(preds, target)
        return batch.compute()


class ConfusionMatrix(Metric):
    """Counts of (target, prediction) pairs over batches.

    Args:
        num_classes: size of the matrix; None lets it grow with the data.
    """

    def __init__(self, num_classes: int | None = None) -> None:
        self.num_classes = num_classes
        self.reset()

    def reset(self) -> None:
        self._matrix: minitorch.Tensor | None = None

    def update(self, preds: minitorch.Tensor, target: minitorch.Tensor) -> None:
        new = confusion_matrix(preds, target, self.num_classes).cpu()
        if self._matrix is not None:
            size = max(len(new), len(self._matrix))
            new = _grown(new, size) + _grown(self._matrix, size)
        self._matrix = new

    def compute(self) -> minitorch.Tensor:
        """int64 tensor (C, C); row i, column j counts targets i predicted as j."""
        if self._matrix is None:
            size = self.num_classes or 2
            return minitorch.zeros(size, size, dtype=minitorch.int64)
        return self._matrix


def _grown(matrix: minitorch.Tensor, size: int) -> minitorch.Tensor:
    if len(matrix) == size:
        return matrix
    out = minitorch.zeros(size, size, dtype=matrix.dtype)
    out[: len(matrix), : len(matrix)] = matrix
    return out


class _MatrixMetric(ConfusionMatrix):
    _kind = ""

    def __init__(
        self,
        num_classes: int | None = None,
        average: str | None = "macro",
        zero_division: float = 0.0,
    ) -> None:
        super().__init__(num_classes)
        self.average = average
        self.zero_division = zero_division

    def compute(self) -> minitorch.Tensor:
        return from_matrix(self._kind, super().compute(), self.average, self.zero_division)


class Precision(_MatrixMetric):
    """:func:`precision` over batches."""

    _kind = "precision"


class Recall(_MatrixMetric):
    """:func:`recall` over batches."""

    _kind = "recall"


class F1Score(_MatrixMetric):
    """:func:`f1_score` over batches."""

    _kind = "f1"


class Accuracy(Metric):
    """:func:`accuracy` over batches."""

    def __init__(
        self,
        num_classes: int | None = None,
        top_k: int = 1,
        average: str | None = "micro",
        zero_division: float = 0.0,
    ) -> None:
        if top_k < 1:
            raise ValueError(f"Accuracy: top_k must be positive, got {top_k}")
        if top_k > 1 and average != "micro":
            raise ValueError(f"Accuracy: top_k={top_k} needs average='micro', got {average!r}")
        self.top_k = top_k
        self.zero_division = zero_division
        self._recall = Recall(num_classes, average, zero_division)
        self.reset()

    def reset(self) -> None:
        self._recall = Recall(
            self._recall.num_classes, self._recall.average, self._recall.zero_division
        )
        self._hits = self._count = 0

    def state_dict(self) -> dict[str, Any]:
        return {"_hits": self._hits, "_count": self._count, "recall": self._recall.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._hits, self._count = state["_hits"], state["_count"]
        self._recall.load_state_dict(state["recall"])

    def update(self, preds: minitorch.Tensor, target: minitorch.Tensor) -> None:
        if self.top_k == 1:
            self._recall.update(preds, target)
            return
        if preds.dim() != target.dim() + 1 or self.top_k > preds.shape[1]:
            raise ValueError(
                f"accuracy: top_k={self.top_k} needs scores of at least {self.top_k} classes, got "
                f"predictions {tuple(preds.shape)} for targets {tuple(target.shape)}"
            )
        preds, target = preds.detach(), target.unsqueeze(1)
        own = preds.gather(1, target)
        # Of equal scores the first class ranks first, as in argmax; a NaN is no hit.
        rank = (preds > own).sum(1)
        places = minitorch.arange(preds.shape[1], device=preds.device)
        places = places.reshape(1, -1, *[1] * (preds.dim() - 2))
        rank = rank + ((preds == own) & (places < target)).sum(1)
        hits = (rank < self.top_k) & (own == own).squeeze(1)
        self._hits += int(hits.sum().item())
        self._count += target.numel()

    def compute(self) -> minitorch.Tensor:
        if self.top_k == 1:
            return self._recall.compute()
        value = self._hits / self._count if self._count else self.zero_division
        return minitorch.tensor(value, dtype=minitorch.float64)


class MeanMetric(Metric):
    """Weighted mean of numbers, for instance of a loss over batches of different sizes."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._total = self._weight = 0.0

    def update(self, preds: Any, target: Any = 1) -> None:
        """Add a value (``preds``) with a weight (``target``)."""
        self._total += float(preds) * float(target)
        self._weight += float(target)

    def compute(self) -> minitorch.Tensor:
        value = self._total / self._weight if self._weight else float("nan")
        return minitorch.tensor(value, dtype=minitorch.float64)


def accuracy(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    top_k: int = 1,
    average: str | None = "micro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Part of the targets that are predicted; with top_k, that are among the k largest scores.

    Args:
        preds: class scores (N, C), or class numbers (N,) for top_k=1.
        target: class numbers (N,).
        top_k: how many guesses count.
        average: "micro" is the part of all samples; other averages are those of recall (top_k=1 only).
        num_classes: number of classes; by default what the data needs.
        zero_division: the value for no samples.
    """
    metric = Accuracy(num_classes, top_k, average, zero_division)
    metric.update(preds, target)
    return metric.compute()
