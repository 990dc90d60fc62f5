"""Batch norm."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def train(m, x, w=None, b=None):
    """With the batch's own statistics."""
    return m.nn.functional.batch_norm(x, None, None, w, b, training=True)


def evaluate(m, x, w=None, b=None):
    """With given statistics."""
    c = m.arange(x.shape[1], device=x.device).to(x.dtype)
    return m.nn.functional.batch_norm(x, c * 0.1, c * 0.2 + 0.5, w, b)


INPUTS = [(4, 2), (70, 130), (2, 3, 5), (3, 2, 4, 4), (5, 3, 7, 7), (2, 3, 2, 2, 3), (2, 2, 40, 50)]
SHAPES = [[s, (s[1],), (s[1],)] for s in INPUTS]
LOOSE = {"float32": (1e-4, 1e-5), "bfloat16": (3e-2, 3e-2)}
CASES = [
    Case("train", train, SHAPES, tolerance=LOOSE),
    Case("train-weight", train, [s[:2] for s in SHAPES[:3]], tolerance=LOOSE),
    Case("train-plain", train, [s[:1] for s in SHAPES[:3]], tolerance=LOOSE),
    Case("eval", evaluate, [*SHAPES, [(0, 3), (3,), (3,)], [(0, 3, 4), (3,), (3,)]]),
    Case("eval-plain", evaluate, [s[:1] for s in SHAPES[:3]]),
    Case(
        "native_batch_norm",
        lambda m, x, w, b: m.native_batch_norm(x, w, b, None, None, True, 0.1, 1e-5),
        [[(3, 2, 2), (2,), (2,)]],
        dtypes=("float32", "float64"),
        grad=False,  # torch drops the gradients of the statistics
    ),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 6, 5), (2, 3, 300, 300)])
@pytest.mark.parametrize("momentum", [0.1, 1.0, 0.0])
def test_running_statistics(shape, momentum):
    x = np.random.default_rng(0).normal(3, 2, shape)
    mean, var = minitorch.ones(3).double() * 0.5, minitorch.ones(3).double() * 2
    F.batch_norm(minitorch.tensor(x), mean, var, training=True, momentum=momentum)
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(
        mean.numpy(), (1 - momentum) * 0.5 + momentum * x.mean(axes), rtol=1e-9
    )
    want = (1 - momentum) * 2 + momentum * x.var(axes, ddof=1)
    np.testing.assert_allclose(var.numpy(), want, rtol=1e-9)


def test_running_statistics_of_another_dtype():
    x = minitorch.randn(8, 3)
    mean, var = minitorch.zeros(3), minitorch.ones(3)
    half_mean, half_var = mean.bfloat16(), var.bfloat16()
    F.batch_norm(x, mean, var, training=True)
    F.batch_norm(x, half_mean, half_var, training=True)
    np.testing.assert_allclose(half_mean.float().numpy(), mean.numpy(), atol=1e-3)
    np.testing.assert_allclose(half_var.float().numpy(), var.numpy(), atol=1e-2)


def test_the_running_statistics_may_move_before_the_backward():
    x = minitorch.randn(4, 3, requires_grad=True)
    mean, var = minitorch.zeros(3), minitorch.ones(3)
    y = F.batch_norm(x, mean, var)
    mean.add_(1)
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), np.full((4, 3), 1 / np.sqrt(1 + 1e-5)), rtol=1e-6)


def test_large_offsets_keep_their_variance():
    x = np.random.default_rng(1).normal(1e4, 1, (16, 2, 30, 30)).astype(np.float32)
    y = F.batch_norm(minitorch.tensor(x), None, None, training=True)
    wide = x.astype(np.float64)
    want = (wide - wide.mean((0, 2, 3), keepdims=True)) / wide.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(y.numpy(), want, atol=2e-3)


def test_one_value_per_channel():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        F.batch_norm(minitorch.zeros(1, 3), None, None, training=True)


def test_gradients_of_the_statistics():
    x = minitorch.randn(3, 4, 2, dtype=minitorch.float64, requires_grad=True)
    w = minitorch.ones(4).double().requires_grad_()
    assert minitorch.autograd.gradcheck(
        lambda x, w: minitorch.native_batch_norm(x, w, None, None, None, True, 0.1, 1e-5), (x, w)
    )
    assert minitorch.autograd.gradgradcheck(
        lambda x, w: minitorch.native_batch_norm(x, w, None, None, None, True, 0.1, 1e-5), (x, w)
    )


def test_bad_arguments():
    x = minitorch.zeros(2, 3, 4)
    with pytest.raises(RuntimeError, match="running_mean and running_var"):
        F.batch_norm(x, None, None)
    with pytest.raises(RuntimeError, match=r"weight of shape \[4\].*3 channels"):
        F.batch_norm(x, None, None, minitorch.ones(4), training=True)
    with pytest.raises(RuntimeError, match="running_mean of shape"):
        F.batch_norm(x, minitorch.ones(2), minitorch.ones(2), training=True)
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        F.batch_norm(minitorch.zeros(3), None, None, training=True)


def test_nan_stays_in_its_channel():
    x = minitorch.ones(3, 2, 20)
    x[1, 0, 19] = float("nan")
    y = F.batch_norm(x, None, None, training=True)
    assert y[:, 0].isnan().all()
    assert not y[:, 1].isnan().any()
