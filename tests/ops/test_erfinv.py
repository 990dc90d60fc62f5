"""erfinv: values in the centre and in the tails, edges and gradients."""

import numpy as np
import pytest

import minitorch

from .harness import Case, make_tests

CASES = [
    Case(
        "erfinv", lambda m, x: m.erfinv(x), shapes=[[(7,)], [(3, 5)], [(0,)]], low=-0.95, high=0.95
    )
]
globals().update(make_tests(CASES))


def test_tails_and_edges():
    torch = pytest.importorskip("torch")
    x = np.array([0.999999, 1 - 1e-12, -1 + 1e-15, 1e-12, -1e-300, 0.5, -0.5, 1, -1, 1.5, np.nan])
    got = minitorch.erfinv(minitorch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, torch.erfinv(torch.from_numpy(x)).numpy(), rtol=1e-9)
    assert minitorch.erfinv(minitorch.tensor([0, 1])).tolist() == [0, float("inf")]


def test_in_place_inverts_erf():
    x = minitorch.linspace(-2, 2, 9)
    y = x.erf()
    assert y.erfinv_() is y
    np.testing.assert_allclose(y.numpy(), x.numpy(), rtol=1e-4, atol=1e-6)
