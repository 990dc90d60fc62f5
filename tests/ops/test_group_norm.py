"""Group norm and instance norm."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

F = minitorch.nn.functional


def group(groups):
    """Group norm with that many groups."""
    return lambda m, x, w=None, b=None: m.nn.functional.group_norm(x, groups, w, b)


def instance(m, x, w=None, b=None):
    """Instance norm without running statistics."""
    return m.nn.functional.instance_norm(x, None, None, w, b)


LOOSE = {"float32": (1e-4, 1e-5), "bfloat16": (3e-2, 3e-2)}
SHAPES = [
    [s, (s[1],), (s[1],)]
    for s in ((3, 4), (2, 4, 3), (2, 4, 5, 7), (3, 8, 20, 20), (2, 4, 2, 3, 2))
]
CASES = [
    *(Case(f"group_norm-{g}", group(g), SHAPES, tolerance=LOOSE) for g in (1, 2)),
    Case("group_norm-plain", group(2), [s[:1] for s in SHAPES], tolerance=LOOSE),
    Case("instance_norm", instance, SHAPES[1:], tolerance=LOOSE),
    Case("instance_norm-plain", instance, [[(2, 3, 5)]], tolerance=LOOSE),
    Case(
        "native_group_norm",
        lambda m, x, w, b: m.native_group_norm(x, w, b, 2, 4, 3, 2, 1e-5),
        [[(2, 4, 3), (4,), (4,)]],
        dtypes=("float32", "float64"),
        grad=False,  # torch drops the gradients of the statistics
    ),
]
globals().update(make_tests(CASES))


def test_instance_norm_moves_running_statistics_to_the_average_of_the_samples():
    x = np.random.default_rng(0).normal(1, 2, (4, 3, 50))
    mean, var = minitorch.zeros(3).double(), minitorch.ones(3).double()
    y = F.instance_norm(minitorch.tensor(x), mean, var, momentum=0.2)
    np.testing.assert_allclose(mean.numpy(), 0.2 * x.mean(2).mean(0), rtol=1e-9)
    np.testing.assert_allclose(var.numpy(), 0.8 + 0.2 * x.var(2, ddof=1).mean(0), rtol=1e-9)
    np.testing.assert_allclose(
        y.numpy(), F.instance_norm(minitorch.tensor(x)).numpy(), rtol=1e-7, atol=1e-9
    )
    given = F.instance_norm(minitorch.tensor(x), mean, var, use_input_stats=False)
    want = F.batch_norm(minitorch.tensor(x), mean, var)
    assert (given == want).all()


def test_gradients_of_the_statistics():
    x = minitorch.randn(3, 4, 2, dtype=minitorch.float64, requires_grad=True)
    w = minitorch.ones(4).double().requires_grad_()
    assert minitorch.autograd.gradcheck(
        lambda x, w: minitorch.native_group_norm(x, w, None, 3, 4, 2, 2, 1e-5), (x, w)
    )
    assert minitorch.autograd.gradgradcheck(
        lambda x, w: minitorch.native_group_norm(x, w, None, 3, 4, 2, 2, 1e-5), (x, w)
    )


def test_bad_arguments():
    x = minitorch.zeros(2, 4, 3)
    with pytest.raises(RuntimeError, match="4 channels and num_groups=3"):
        F.group_norm(x, 3)
    with pytest.raises(RuntimeError, match="greater than 0"):
        F.group_norm(x, 0)
    with pytest.raises(ValueError, match="more than 1 value"):
        F.group_norm(minitorch.zeros(2, 4), 4)
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        F.instance_norm(minitorch.zeros(2, 4, 1))
    with pytest.raises(RuntimeError, match="weight of shape"):
        F.group_norm(x, 2, minitorch.ones(3))


def test_empty_batch():
    w = minitorch.ones(4, requires_grad=True)
    F.group_norm(minitorch.zeros(0, 4, 3), 2, w).sum().backward()
    assert w.grad.tolist() == [0, 0, 0, 0]
