"""Connectionist temporal classification."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def ctc(**options):
    """CTC of logits with lengths that differ, as a case's function."""

    def call(m, x, targets):
        steps, n = x.shape[0], x.shape[1]
        inputs = m.tensor([steps - i % 2 for i in range(n)])
        lengths = m.tensor([max(targets.shape[1] - i, 0) for i in range(n)])
        return m.nn.functional.ctc_loss(x.log_softmax(2), targets, inputs, lengths, **options)

    return call


def labelled(rng, shapes):
    """Logits and labels other than 0, with repetitions."""
    return [rng.uniform(-2, 2, shapes[0]), rng.integers(1, shapes[0][2], shapes[1])]


CASES = [
    Case(
        f"ctc-{reduction}",
        ctc(reduction=reduction),
        [[(4, 1, 3), (1, 1)], [(6, 2, 3), (2, 2)], [(20, 3, 5), (3, 7)]],
        make=labelled,
        dtypes=("float32", "float64"),
        gradgrad=False,
        tolerance={"float32": (1e-4, 1e-5)},
    )
    for reduction in ("none", "mean", "sum")
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("labels", [[1], [1, 1], [2, 1], []])
def test_against_all_paths(labels):
    steps, classes = 4, 3
    p = np.random.default_rng(0).dirichlet(np.ones(classes), steps)
    total = 0.0
    for path in itertools.product(range(classes), repeat=steps):
        merged = [k for k, _ in itertools.groupby(path) if k != 0]
        if merged == labels:
            total += np.prod([p[t, k] for t, k in enumerate(path)])
    loss = F.ctc_loss(
        minitorch.tensor(np.log(p)), minitorch.tensor(labels, dtype=minitorch.int64), (steps,), (len(labels),),
        reduction="sum",
    )  # fmt: skip
    np.testing.assert_allclose(loss.item(), -np.log(total), rtol=1e-9)


def test_labels_in_one_row_equal_labels_in_a_table():
    x = minitorch.randn(8, 2, 4).log_softmax(2)
    table = minitorch.tensor([[1, 2, 3], [3, 1, 0]])
    flat = minitorch.tensor([1, 2, 3, 3, 1])
    a = F.ctc_loss(x, table, (8, 7), (3, 2), reduction="none")
    b = F.ctc_loss(x, flat, (8, 7), (3, 2), reduction="none")
    assert a.tolist() == b.tolist()


def test_a_target_longer_than_its_input():
    x = minitorch.randn(2, 1, 4).log_softmax(2).detach().requires_grad_()
    t = minitorch.tensor([[1, 2, 3]])
    assert F.ctc_loss(x, t, (2,), (3,)).item() == float("inf")
    loss = F.ctc_loss(x, t, (2,), (3,), zero_infinity=True)
    assert loss.item() == 0
    loss.backward()
    assert not x.grad.any()


def test_bad_arguments():
    x = minitorch.randn(5, 2, 4).log_softmax(2)
    t = minitorch.tensor([[1, 2], [3, 1]])
    with pytest.raises(RuntimeError, match="at most 5, but got value 6"):
        F.ctc_loss(x, t, (5, 6), (2, 2))
    with pytest.raises(RuntimeError, match="blank"):
        F.ctc_loss(x, t, (5, 5), (2, 2), blank=4)
    with pytest.raises(RuntimeError, match="batch_size 2"):
        F.ctc_loss(x, t, (5,), (2, 2))
    with pytest.raises(RuntimeError, match=r"target 9 is out of range \[0, 4\)"):
        F.ctc_loss(x, minitorch.tensor([[1, 9], [3, 1]]), (5, 5), (2, 2))
    with pytest.raises(RuntimeError, match="length 3"):
        F.ctc_loss(x, t, (5, 5), (3, 2))
    with pytest.raises(RuntimeError, match="sum of target_lengths"):
        F.ctc_loss(x, t[0], (5, 5), (2, 2))
