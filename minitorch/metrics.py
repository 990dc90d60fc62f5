"""Classification metrics: plain functions, and objects that accumulate over batches.

Predictions are class scores (N, C) of any kind whose largest value marks the prediction, or class numbers (N,); in
the binary case also scores (N,) as floats: probabilities, or logits if a value lies outside [0, 1], positive
above 0.5. Scores of more dimensions are (N, C, ...) with targets (N, ...).

Averages: "micro" counts all decisions together, "macro" is the plain mean over classes that occur in predictions or
targets, "weighted" the mean by number of targets, "none" gives one value per class, and "binary" the value of
class 1. A quotient with denominator 0 is ``zero_division``.
"""

from __future__ import annotations

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = [
    "Accuracy",
    "ConfusionMatrix",
    "F1Score",
    "MeanMetric",
    "Metric",
    "Precision",
    "Recall",
    "accuracy",
    "classification_report",
    "confusion_matrix",
    "f1_score",
    "precision",
    "recall",
]

_AVERAGES = ("micro", "macro", "weighted", "none", "binary")


def confusion_matrix(
    preds: minitorch.Tensor, target: minitorch.Tensor, num_classes: int | None = None
) -> minitorch.Tensor:
    """Counts of (target, prediction) pairs.

    Args:
        preds: class scores (N, C), class numbers (N,), or binary scores (N,).
        target: class numbers (N,).
        num_classes: size of the matrix; by default what the data needs.

    Returns:
        int64 tensor (num_classes, num_classes); row i, column j counts targets i predicted as j.
    """
    labels, target, classes = _labels(preds, target, num_classes)
    pairs = target * classes + labels
    counts = minitorch.zeros(classes * classes, dtype=minitorch.int64, device=pairs.device)
    return counts.index_add_(0, pairs, minitorch.ones_like(pairs)).reshape(classes, classes)


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


def precision(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    average: str | None = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Part of the predictions of a class that are right; arguments as for :func:`recall`."""
    return _from_matrix(
        "precision", confusion_matrix(preds, target, num_classes), average, zero_division
    )


def recall(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    average: str | None = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Part of the targets of a class that are found.

    Args:
        preds: class scores (N, C), class numbers (N,), or binary scores (N,).
        target: class numbers (N,).
        average: "micro", "macro", "weighted", "none" or "binary".
        num_classes: number of classes; by default what the data needs.
        zero_division: the value of 0 / 0.

    Returns:
        A float64 tensor: 0-dim, or (num_classes,) for "none".
    """
    return _from_matrix(
        "recall", confusion_matrix(preds, target, num_classes), average, zero_division
    )


def f1_score(
    preds: minitorch.Tensor,
    target: minitorch.Tensor,
    average: str | None = "macro",
    num_classes: int | None = None,
    zero_division: float = 0.0,
) -> minitorch.Tensor:
    """Harmonic mean of precision and recall; arguments as for :func:`recall`."""
    return _from_matrix("f1", confusion_matrix(preds, target, num_classes), average, zero_division)


def _labels(
    preds: minitorch.Tensor, target: minitorch.Tensor, num_classes: int | None
) -> tuple[minitorch.Tensor, minitorch.Tensor, int]:
    """Flat class numbers of predictions and targets, and the number of classes."""
    preds, target = preds.detach(), target.detach()
    least = 1
    if preds.dim() == target.dim() + 1:
        least = preds.shape[1]
        preds = preds.argmax(1)
    elif preds.is_floating_point():
        outside = preds.numel() > 0 and (preds.min().item() < 0 or preds.max().item() > 1)
        preds, least = (preds > (0.0 if outside else 0.5)), 2
    if tuple(preds.shape) != tuple(target.shape):
        raise ValueError(
            f"metrics: predictions for {tuple(preds.shape)} do not fit targets {tuple(target.shape)}"
        )
    if target.is_floating_point():
        raise TypeError(f"metrics: targets must be class numbers, got {target.dtype}")
    preds = preds.reshape(-1).to(minitorch.int64)
    target = target.reshape(-1).to(preds.device, minitorch.int64)
    low, high = 0, least - 1
    if target.numel():
        low = min(preds.min().item(), target.min().item())
        high = max(preds.max().item(), target.max().item(), high)
    if low < 0 or (num_classes is not None and high >= num_classes):
        raise ValueError(
            f"metrics: class numbers from {low} to {high} do not fit num_classes={num_classes}"
        )
    return preds, target, num_classes if num_classes is not None else max(high + 1, 2)


def _ratio(a: minitorch.Tensor, b: minitorch.Tensor, zero_division: float) -> minitorch.Tensor:
    empty = b == 0
    safe = minitorch.where(empty, minitorch.ones_like(b), b)
    return minitorch.where(empty, minitorch.full_like(safe, zero_division), a / safe)


def _from_matrix(
    kind: str, matrix: minitorch.Tensor, average: str | None, zero_division: float
) -> minitorch.Tensor:
    average = "none" if average is None else average
    if average not in _AVERAGES:
        raise ValueError(f"metrics: average must be one of {_AVERAGES}, got {average!r}")
    counts = matrix.to(minitorch.float64)
    hits, predicted, actual = minitorch.diagonal(counts), counts.sum(0), counts.sum(1)
    if average == "binary":
        if len(counts) != 2:
            raise ValueError(f"metrics: average='binary' needs 2 classes, got {len(counts)}")
        hits, predicted, actual = hits[1], predicted[1], actual[1]
    elif average == "micro":
        hits, predicted, actual = hits.sum(), predicted.sum(), actual.sum()
    if kind == "precision":
        values = _ratio(hits, predicted, zero_division)
    elif kind == "recall":
        values = _ratio(hits, actual, zero_division)
    else:
        values = _ratio(2 * hits, predicted + actual, zero_division)
    if average == "macro":
        present = (predicted + actual) > 0
        weights = present.to(minitorch.float64)
    elif average == "weighted":
        weights = actual
    else:
        return values
    return _ratio((values * weights).sum(), weights.sum(), zero_division)


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
        return _from_matrix(self._kind, super().compute(), self.average, self.zero_division)


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
        guesses = preds.detach().topk(self.top_k, 1)[1]
        self._hits += int((guesses == target.unsqueeze(1)).sum().item())
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


def classification_report(matrix: minitorch.Tensor, names: Sequence[str] | None = None) -> str:
    """Table of precision, recall, F1 and number of targets per class, and their means.

    Args:
        matrix: confusion matrix (C, C), rows are targets.
        names: class names; numbers by default.
    """
    size = len(matrix)
    titles = list(names) if names is not None else [str(i) for i in range(size)]
    width = max(12, *(len(t) for t in titles))
    kinds = ("precision", "recall", "f1")
    columns = [_from_matrix(k, matrix, "none", 0.0).tolist() for k in kinds]
    support = matrix.sum(1).tolist()
    head = f"{'':<{width}}  precision    recall        F1   support"
    rows = [
        f"{titles[i]:<{width}}  "
        + "  ".join(f"{c[i]:8.4f}" for c in columns)
        + f"  {support[i]:8d}"
        for i in range(size)
    ]
    for average in ("macro", "weighted"):
        values = [_from_matrix(k, matrix, average, 0.0).item() for k in kinds]
        rows.append(
            f"{average + ' mean':<{width}}  "
            + "  ".join(f"{v:8.4f}" for v in values)
            + f"  {sum(support):8d}"
        )
    return "\n".join([head, *rows])
