"""Classification metrics: plain functions, and objects that accumulate over batches.

Predictions are class scores (N, C) of any kind whose largest value marks the prediction, or class numbers (N,); in
the binary case also scores (N,) as floats: probabilities, or logits if a value lies outside [0, 1], positive
above 0.5. Scores of more dimensions are (N, C, ...) with targets (N, ...).

Averages: "micro" counts all decisions together, "macro" is the plain mean over classes that occur in predictions or
targets, "weighted" the mean by number of targets, "none" gives one value per class, and "binary" the value of
class 1. A quotient with denominator 0 is ``zero_division``.
"""

from __future__ import annotations

from .functional import classification_report, confusion_matrix, f1_score, precision, recall
from .streaming import (
    Accuracy,
    ConfusionMatrix,
    F1Score,
    MeanMetric,
    Metric,
    Precision,
    Recall,
    accuracy,
)

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
