"""Cross-entropy and negative log-likelihood."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def labelled(rng, shapes):
    """Logits and labels, one of them ignored; a third shape is the class weights'."""
    x, t = shapes[:2]
    labels = rng.integers(0, x[1 if len(x) > 1 else 0], t)
    if labels.size > 1:
        labels.flat[0] = -100
    return [rng.uniform(-3, 3, x), labels, *(rng.uniform(0.5, 2, s) for s in shapes[2:])]


def probabilities(rng, shapes):
    """Logits and a distribution per row."""
    t = rng.uniform(0.1, 1, shapes[0])
    return [rng.uniform(-3, 3, shapes[0]), t / t.sum(1 if t.ndim > 1 else 0, keepdims=True)]


def f(name, weighted=False, **options):
    """The function as a case's function; class weights take no gradient."""

    def call(m, x, t, *w):
        weight = w[0].detach() if weighted else None
        return getattr(m.nn.functional, name)(x, t, weight, **options)

    return call


LABELS = [
    [(4, 3), (4,)],
    [(5,), ()],
    [(2, 3, 4), (2, 4)],
    [(2, 21, 9, 17), (2, 9, 17)],
    [(700, 33), (700,)],
]
WEIGHTED = [[(4, 3), (4,), (3,)], [(2, 3, 2), (2, 2), (3,)], [(300, 17), (300,), (17,)]]
CASES = [
    Case(f"{name}-{reduction}-{smoothing}", f(name, reduction=reduction, **smoothing), LABELS, make=labelled)
    for reduction in ("none", "mean", "sum")
    for name, smoothing in (
        ("cross_entropy", {}),
        ("cross_entropy", {"label_smoothing": 0.1}),
        ("nll_loss", {}),
    )
] + [
    Case(f"{name}-weight-{reduction}", no_grad_weight, WEIGHTED, make=labelled, grad=False)
    for name in ("cross_entropy", "nll_loss")
    for reduction in ("none", "mean", "sum")
    for no_grad_weight in (f(name, True, reduction=reduction),)
] + [
    Case(
        f"cross_entropy-constant-weight-{smoothing}",
        lambda m, x, t, s=smoothing: m.nn.functional.cross_entropy(
            x, t, m.tensor([0.5, 2.0, 1.5]).to(x.device, x.dtype), label_smoothing=s
        ),
        [[(4, 3), (4,)], [(2, 3, 2), (2, 2)]],
        make=labelled,
    )
    for smoothing in (0.0, 0.2)
] + [
    Case(
        f"cross_entropy-probabilities-{reduction}",
        f("cross_entropy", reduction=reduction, label_smoothing=0.1),
        [[(4, 3), (4, 3)], [(5,), (5,)], [(2, 3, 2), (2, 3, 2)], [(30, 21, 40), (30, 21, 40)]],
        make=probabilities,
        tolerance={"bfloat16": (3e-2, 3e-2)},
    )
    for reduction in ("none", "mean", "sum")
]  # fmt: skip
globals().update(make_tests(CASES))


@pytest.mark.parametrize("name", ["cross_entropy", "nll_loss"])
@pytest.mark.parametrize("bad", [3, -1, 10**12])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 5)])
def test_labels_out_of_range(name, bad, shape):
    t = minitorch.zeros(shape[0], *shape[2:], dtype=minitorch.int64)
    t.view(-1)[2] = bad
    with pytest.raises(
        IndexError, match=rf"Target {bad} is out of bounds: classes are 0 to 2.*position 2"
    ):
        getattr(F, name)(minitorch.zeros(shape), t)


def test_ignored_label_may_lie_out_of_range():
    x = minitorch.zeros(2, 4, requires_grad=True)
    loss = F.cross_entropy(x, minitorch.tensor([255, 1]), ignore_index=255)
    loss.backward()
    assert abs(loss.item() - np.log(4)) < 1e-6
    assert x.grad[0].tolist() == [0, 0, 0, 0]


def test_everything_ignored():
    x = minitorch.ones(2, 4, requires_grad=True)
    t = minitorch.tensor([-100, -100])
    assert np.isnan(F.cross_entropy(x, t).item())
    assert F.cross_entropy(x, t, reduction="sum").item() == 0


def test_empty_batch():
    x, t = minitorch.zeros(0, 4), minitorch.zeros(0, dtype=minitorch.int64)
    assert F.cross_entropy(x, t, reduction="none").shape == (0,)
    assert F.cross_entropy(x, t, reduction="sum").item() == 0
    assert np.isnan(F.cross_entropy(x, t).item())


def test_masked_logits():
    x = minitorch.tensor([[0.0, -float("inf"), 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, minitorch.tensor([0]))
    loss.backward()
    np.testing.assert_allclose(loss.item(), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(x.grad.numpy(), [[-0.5, 0, 0.5]], atol=1e-7)


def test_large_logits_stay_finite():
    x = minitorch.tensor([[1e4, 0.0], [0.0, 1e4]], requires_grad=True)
    loss = F.cross_entropy(x, minitorch.tensor([0, 0]), reduction="none")
    assert loss.tolist() == [0, 1e4]
    loss.sum().backward()
    assert x.grad.tolist() == [[0, 0], [-1, 1]]


def test_nan_logits_give_nan():
    x = minitorch.zeros(2, 20)
    x[0, 17] = float("nan")
    loss = F.cross_entropy(x, minitorch.tensor([0, 0]), reduction="none")
    assert np.isnan(loss[0].item())
    assert not np.isnan(loss[1].item())


def test_shapes_that_do_not_fit():
    x = minitorch.zeros(4, 3)
    with pytest.raises(ValueError, match=r"batch_size \(4\).*batch_size \(5\)"):
        F.cross_entropy(x, minitorch.zeros(5, dtype=minitorch.int64))
    with pytest.raises(RuntimeError, match=r"\[4, 3\]"):
        F.cross_entropy(x, minitorch.zeros(4, 2, dtype=minitorch.int64))
    with pytest.raises(RuntimeError, match="int64"):
        F.cross_entropy(x, minitorch.zeros(4))
    with pytest.raises(RuntimeError, match="all 3 classes"):
        F.cross_entropy(x, minitorch.zeros(4, dtype=minitorch.int64), minitorch.ones(4))
    with pytest.raises(ValueError, match="reduction"):
        F.cross_entropy(x, minitorch.zeros(4, dtype=minitorch.int64), reduction="average")
    with pytest.raises(RuntimeError, match="label_smoothing"):
        F.cross_entropy(x, minitorch.zeros(4, dtype=minitorch.int64), label_smoothing=2.0)


def test_linear_cross_entropy():
    x, w, b = minitorch.randn(5, 4), minitorch.randn(3, 4), minitorch.randn(3)
    t = minitorch.tensor([0, 2, 1, 1, 0])
    want = F.cross_entropy(x @ w.t() + b, t)
    np.testing.assert_allclose(
        F.linear_cross_entropy(x, w, t, linear_bias=b).item(), want.item(), rtol=1e-5
    )


def test_same_bits_for_any_number_of_threads():
    x = minitorch.sin(minitorch.arange(3000 * 50, dtype=minitorch.float32)).reshape(3000, 50)
    t = minitorch.arange(3000) % 50
    before = minitorch.get_num_threads()
    results = set()
    try:
        for n in (1, 2, 3):
            minitorch.set_num_threads(n)
            y = x.clone().requires_grad_()
            loss = F.cross_entropy(y, t)
            loss.backward()
            results.add((loss.item(), y.grad.numpy().tobytes()))
    finally:
        minitorch.set_num_threads(before)
    assert len(results) == 1
