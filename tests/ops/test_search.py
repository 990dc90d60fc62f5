"""searchsorted, bucketize, bincount, histc."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32"])
def test_searchsorted_against_numpy(side, dtype):
    rng = np.random.default_rng(0)
    edges = np.sort(rng.integers(-50, 50, 40)).astype(dtype)
    x = rng.integers(-60, 60, (30, 20)).astype(dtype)
    want = np.searchsorted(edges, x, side)
    a, b = minitorch.tensor(edges), minitorch.tensor(x)
    np.testing.assert_array_equal(minitorch.searchsorted(a, b, side=side).numpy(), want)
    np.testing.assert_array_equal(minitorch.bucketize(b, a, right=side == "right").numpy(), want)
    rows = minitorch.tensor(np.sort(x, 1))
    got = minitorch.searchsorted(rows, b, side=side, out_int32=True)
    assert got.dtype is minitorch.int32
    for i in range(30):
        np.testing.assert_array_equal(got[i].numpy(), np.searchsorted(np.sort(x[i]), x[i], side))


def test_searchsorted_of_nan_numbers_and_with_a_sorter():
    edges = minitorch.tensor([3.0, 1.0, 2.0])
    order = edges.argsort()
    x = minitorch.tensor([1.5, float("nan"), 9.0])
    assert minitorch.searchsorted(edges, x, sorter=order).tolist() == [1, 3, 3]
    assert minitorch.searchsorted(edges.sort().values, 2.0).item() == 1
    assert minitorch.searchsorted(edges.sort().values, 2.0, right=True).item() == 2


@pytest.mark.parametrize("bins", [3, 900, 5000])
def test_bincount_of_many(bins):
    x = np.random.default_rng(0).integers(0, bins, 20_000)
    got = minitorch.bincount(minitorch.tensor(x)).numpy()
    np.testing.assert_array_equal(got, np.bincount(x))


def test_bincount():
    x = minitorch.tensor([3, 1, 1, 0, 3, 3])
    assert minitorch.bincount(x).tolist() == [1, 2, 0, 3]
    assert x.bincount(minlength=6).tolist() == [1, 2, 0, 3, 0, 0]
    w = minitorch.tensor([0.5, 1.0, 2.0, 3.0, 1.0, 1.0])
    assert x.bincount(w).tolist() == [3, 3, 0, 2.5]
    assert minitorch.bincount(x[:0], minlength=2).tolist() == [0, 0]


def test_histc():
    x = np.random.default_rng(0).uniform(-3, 3, 1000)
    got = minitorch.histc(minitorch.tensor(x), 20, -2, 2).numpy()
    np.testing.assert_array_equal(got, np.histogram(x, 20, (-2, 2))[0])
    assert minitorch.histc(minitorch.tensor([1.0, 2.0, 1.0, 4.0]), bins=3).tolist() == [2, 1, 1]
    assert minitorch.tensor([2.0, 2.0]).histc(2).tolist() == [0, 2]


def test_wrong_arguments():
    x = minitorch.tensor([1.0, 2.0])
    with pytest.raises(RuntimeError, match="same dtype"):
        minitorch.searchsorted(x, x.double())
    with pytest.raises(RuntimeError, match="side"):
        minitorch.searchsorted(x, x, side="left", right=True)
    with pytest.raises(RuntimeError, match="sorter index"):
        minitorch.searchsorted(x, x, sorter=minitorch.tensor([0, 5]))
    with pytest.raises(RuntimeError, match="1 dimension"):
        minitorch.bucketize(x, x.reshape(1, 2))
    with pytest.raises(RuntimeError, match="non-negative"):
        minitorch.bincount(minitorch.tensor([-1]))
    with pytest.raises(RuntimeError, match="not finite"):
        minitorch.histc(minitorch.tensor([float("nan"), 1.0]))
