"""Metrics against values worked out by hand, and scikit-learn where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from minitorch import metrics as M

# targets  0 0 0 1 1 2     confusion  2 1 0
# guesses  0 0 1 1 2 2                0 1 1
#                                     0 0 1
TARGET = minitorch.tensor([0, 0, 0, 1, 1, 2])
GUESS = minitorch.tensor([0, 0, 1, 1, 2, 2])
BY_HAND = {
    (M.precision, "none"): [1, 1 / 2, 1 / 2],
    (M.precision, "macro"): 2 / 3,
    (M.precision, "micro"): 4 / 6,
    (M.precision, "weighted"): (3 * 1 + 2 / 2 + 1 / 2) / 6,
    (M.recall, "none"): [2 / 3, 1 / 2, 1],
    (M.recall, "macro"): (2 / 3 + 1 / 2 + 1) / 3,
    (M.recall, "micro"): 4 / 6,
    (M.recall, "weighted"): 4 / 6,
    (M.f1_score, "none"): [0.8, 0.5, 2 / 3],
    (M.f1_score, "macro"): (0.8 + 0.5 + 2 / 3) / 3,
    (M.f1_score, "weighted"): (3 * 0.8 + 2 * 0.5 + 2 / 3) / 6,
}


@pytest.mark.parametrize("function, average", BY_HAND)
def test_by_hand(function, average):
    wanted = BY_HAND[function, average]
    value = function(GUESS, TARGET, average=average)
    assert value.tolist() == pytest.approx(wanted, abs=1e-12)


def test_confusion_matrix():
    assert M.confusion_matrix(GUESS, TARGET).tolist() == [[2, 1, 0], [0, 1, 1], [0, 0, 1]]
    larger = M.confusion_matrix(GUESS, TARGET, num_classes=4)
    assert larger.shape == (4, 4) and larger.sum().item() == 6
    with pytest.raises(ValueError, match="num_classes=2"):
        M.confusion_matrix(GUESS, TARGET, num_classes=2)
    with pytest.raises(ValueError, match="from -1"):
        M.confusion_matrix(GUESS, TARGET - 1)
    with pytest.raises(ValueError, match="do not fit"):
        M.confusion_matrix(GUESS[:3], TARGET)
    with pytest.raises(TypeError, match="class numbers"):
        M.confusion_matrix(GUESS, TARGET.to(minitorch.float32))


def test_scores_count_as_their_largest():
    scores = minitorch.nn.functional.one_hot(GUESS, 3).to(minitorch.float32) * 5 - 2
    assert M.accuracy(scores, TARGET).item() == pytest.approx(4 / 6)
    pixels = scores.reshape(2, 3, 3).transpose(1, 2)  # (N, C, positions)
    assert M.accuracy(pixels, TARGET.reshape(2, 3)).item() == pytest.approx(4 / 6)


def test_accuracy_top_k():
    scores = minitorch.tensor([[0.1, 0.5, 0.4], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3]])
    target = minitorch.tensor([2, 2, 1])
    assert M.accuracy(scores, target, top_k=1).item() == pytest.approx(1 / 3)
    assert M.accuracy(scores, target, top_k=2).item() == pytest.approx(2 / 3)
    assert M.accuracy(scores, target, top_k=3).item() == 1
    ties = minitorch.tensor([[1.0, 1.0, 1.0], [float("nan"), 0.0, 0.0]])
    assert M.accuracy(ties, minitorch.tensor([1, 0]), top_k=2).item() == 0.5
    assert M.accuracy(ties, minitorch.tensor([2, 0]), top_k=2).item() == 0
    pixels = scores.t().unsqueeze(0)  # (N, C, positions)
    assert M.accuracy(pixels, target.unsqueeze(0), top_k=2).item() == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="top_k=4"):
        M.accuracy(scores, target, top_k=4)
    with pytest.raises(ValueError, match="micro"):
        M.accuracy(scores, target, top_k=2, average="macro")


def test_binary():
    target = minitorch.tensor([1, 1, 1, 0, 0])
    probabilities = minitorch.tensor([0.9, 0.6, 0.4, 0.7, 0.1])
    for preds in (
        probabilities,
        minitorch.logit(probabilities),
        (probabilities > 0.5).to(minitorch.int64),
    ):
        assert M.precision(preds, target, "binary").item() == pytest.approx(2 / 3)
        assert M.recall(preds, target, "binary").item() == pytest.approx(2 / 3)
        assert M.accuracy(preds, target).item() == pytest.approx(3 / 5)
    with pytest.raises(ValueError, match="2 classes"):
        M.precision(GUESS, TARGET, "binary")
    with pytest.raises(ValueError, match="average"):
        M.precision(GUESS, TARGET, "median")


def test_zero_division():
    target, guess = minitorch.tensor([0, 0]), minitorch.tensor([1, 1])
    assert M.precision(guess, target, "none", num_classes=3).tolist() == [0, 0, 0]
    assert M.precision(guess, target, "none", num_classes=3, zero_division=1.0).tolist() == [
        1,
        0,
        1,
    ]
    assert M.recall(guess, target, "none", zero_division=0.5).tolist() == [0, 0.5]
    empty = minitorch.zeros(0, dtype=minitorch.int64)
    assert M.accuracy(empty, empty, zero_division=0.25).item() == 0.25
    assert M.f1_score(empty, empty, zero_division=0.25).item() == 0.25


def test_macro_leaves_absent_classes_out():
    assert M.recall(GUESS, TARGET, "macro", num_classes=9).item() == pytest.approx(13 / 18)


@pytest.mark.parametrize("average", ["micro", "macro", "weighted", None])
@pytest.mark.parametrize("seed", range(4))
def test_against_sklearn(average, seed):
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(seed)
    target, guess = rng.integers(0, 7, 60), rng.integers(0, 5, 60)
    a, b = minitorch.from_numpy(guess), minitorch.from_numpy(target)
    for ours, theirs in (
        (M.precision, sk.precision_score),
        (M.recall, sk.recall_score),
        (M.f1_score, sk.f1_score),
    ):
        for zero in (0.0, 1.0):
            wanted = theirs(target, guess, average=average, zero_division=zero)
            value = ours(a, b, average=average, zero_division=zero)
            assert value.numpy() == pytest.approx(wanted, abs=1e-12)
    assert (M.confusion_matrix(a, b).numpy() == sk.confusion_matrix(target, guess)).all()


METRICS = {
    "accuracy": (M.Accuracy, M.accuracy, {}),
    "macro accuracy": (M.Accuracy, M.accuracy, {"average": "macro"}),
    "top 2": (M.Accuracy, M.accuracy, {"top_k": 2}),
    "precision": (M.Precision, M.precision, {"average": "none"}),
    "recall": (M.Recall, M.recall, {}),
    "f1": (M.F1Score, M.f1_score, {"average": "weighted"}),
    "matrix": (M.ConfusionMatrix, M.confusion_matrix, {}),
}


@pytest.mark.parametrize("name", METRICS)
def test_batches_add_up(name):
    cls, function, options = METRICS[name]
    minitorch.manual_seed(0)
    scores, target = minitorch.rand(50, 4), minitorch.randint(0, 4, (50,))
    metric = cls(num_classes=4, **options)
    for _ in range(2):
        for part in (slice(0, 20), slice(20, 21), slice(21, 50)):
            metric.update(scores[part], target[part])
        whole = function(scores, target, num_classes=4, **options)
        np.testing.assert_allclose(metric.compute().numpy(), whole.numpy(), atol=1e-12)
        metric.reset()
    first = metric(scores[:9], target[:9])
    alone = function(scores[:9], target[:9], num_classes=4, **options)
    np.testing.assert_allclose(first.numpy(), alone.numpy(), atol=1e-12)
    second = metric(scores[9:], target[9:])
    assert second.tolist() != first.tolist()
    np.testing.assert_allclose(metric.compute().numpy(), whole.numpy(), atol=1e-12)

    other = cls(num_classes=4, **options)
    other.load_state_dict(metric.state_dict())
    assert other.compute().tolist() == metric.compute().tolist()


def test_matrix_grows():
    metric = M.ConfusionMatrix()
    metric.update(minitorch.tensor([0]), minitorch.tensor([1]))
    metric.update(minitorch.tensor([3]), minitorch.tensor([0]))
    assert metric.compute().tolist() == [[0, 0, 0, 1], [1, 0, 0, 0], [0] * 4, [0] * 4]


def test_mean():
    mean = M.MeanMetric()
    assert mean.compute().item() != mean.compute().item()  # NaN
    mean.update(minitorch.tensor(1.0), 3)
    mean.update(5.0)
    assert mean.compute().item() == 2.0


def test_report():
    text = M.classification_report(
        M.confusion_matrix(GUESS, TARGET), ["cat", "dog", "a long class name"]
    )
    lines = text.splitlines()
    assert len(lines) == 6 and lines[1].split() == ["cat", "1.0000", "0.6667", "0.8000", "3"]
    assert lines[4].split() == ["macro", "mean", "0.6667", "0.7222", "0.6556", "6"]
