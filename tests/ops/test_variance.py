"""var, std, var_mean, std_mean, cov, corrcoef, trace."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

SHAPES = [[(3, 5)], [(2, 3, 4)], [(130, 70)]]
ALL = ("float32", "float64", "bfloat16")
CASES = [
    Case("var", lambda m, x: m.var(x), SHAPES, dtypes=ALL),
    Case("var_dim", lambda m, x: x.var(0, keepdim=True), SHAPES, dtypes=ALL),
    Case("var_biased", lambda m, x: x.var((0, 1), unbiased=False), SHAPES, dtypes=ALL),
    Case("var_first_argument", lambda m, x: x.var(False), SHAPES),
    Case("std", lambda m, x: m.std(x, -1), SHAPES, dtypes=ALL),
    Case("std_correction", lambda m, x: x.std(dim=0, correction=0), SHAPES, dtypes=ALL),
    Case("var_mean", lambda m, x: tuple(m.var_mean(x, 1)), SHAPES, dtypes=ALL),
    Case("std_mean", lambda m, x: tuple(m.std_mean(x, dim=(0, -1), keepdim=True)), SHAPES),
    Case("cov", lambda m, x: m.cov(x), SHAPES[:1]),
    Case("cov_biased", lambda m, x: x.cov(correction=0), [[(4, 6)], [(7,)]]),
    Case("corrcoef", lambda m, x: m.corrcoef(x), [[(4, 6)]]),
    Case("trace", lambda m, x: m.trace(x), [[(4, 6)], [(3, 3)]]),
]
globals().update(make_tests(CASES))


def test_variance_far_from_zero():
    x = np.random.default_rng(0).standard_normal((3, 100_000)).astype(np.float32) + 1000
    t = minitorch.tensor(x)
    np.testing.assert_allclose(t.var(1).numpy(), x.astype(np.float64).var(1, ddof=1), rtol=1e-5)
    np.testing.assert_allclose(t.t().contiguous().var(0).numpy(), t.var(1).numpy(), rtol=1e-5)


def test_too_few_elements():
    x = minitorch.ones(1)
    assert x.var().isnan().item() and x.var(unbiased=False).item() == 0
    assert minitorch.ones(2, 0).std(1).isnan().all().item()


def test_std_of_equal_elements_has_gradient_zero():
    x = minitorch.ones(4, requires_grad=True)
    x.std().backward()
    assert x.grad.tolist() == [0] * 4


def test_weighted_covariance():
    rng = np.random.default_rng(0)
    x, f, a = rng.standard_normal((3, 8)), rng.integers(1, 4, 8), rng.uniform(0.5, 1, 8)
    got = minitorch.cov(
        minitorch.tensor(x), fweights=minitorch.tensor(f), aweights=minitorch.tensor(a)
    )
    np.testing.assert_allclose(got.numpy(), np.cov(x, fweights=f, aweights=a), rtol=1e-10)


def test_names_and_errors():
    r = minitorch.var_mean(minitorch.tensor([1.0, 3.0]))
    assert r.var.item() == 2 and r.mean.item() == 2
    with pytest.raises(RuntimeError, match="floating"):
        minitorch.tensor([1, 2]).var()
    with pytest.raises(RuntimeError, match="matrix"):
        minitorch.ones(3).trace()
    with pytest.raises(RuntimeError, match="numel"):
        minitorch.cov(minitorch.ones(2, 3), fweights=minitorch.tensor([1, 2]))
