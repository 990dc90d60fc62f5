"""unique, unique_consecutive, isin."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int32", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(0,), (1,), (50,), (7, 30), (3, 4000)])
def test_unique_against_numpy(dtype, shape):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 9, shape).astype(dtype)
    values, inverse, counts = minitorch.unique(
        minitorch.tensor(x), return_inverse=True, return_counts=True
    )
    want, where, number = np.unique(x, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values.numpy(), want)
    np.testing.assert_array_equal(inverse.numpy(), where.reshape(shape))
    np.testing.assert_array_equal(counts.numpy(), number)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_unique_slices(dim):
    x = np.random.default_rng(0).integers(0, 2, (40, 3, 2))
    values, inverse, counts = minitorch.tensor(x).unique(
        dim=dim, return_inverse=True, return_counts=True
    )
    want, where, number = np.unique(x, axis=dim, return_inverse=True, return_counts=True)
    np.testing.assert_array_equal(values.numpy(), want)
    np.testing.assert_array_equal(inverse.numpy(), where.reshape(-1))
    np.testing.assert_array_equal(counts.numpy(), number)


def test_unique_consecutive():
    x = minitorch.tensor([1, 1, 2, 2, 3, 1, 1, 2])
    values, inverse, counts = x.unique_consecutive(return_inverse=True, return_counts=True)
    assert values.tolist() == [1, 2, 3, 1, 2]
    assert inverse.tolist() == [0, 0, 1, 1, 2, 3, 3, 4] and counts.tolist() == [2, 2, 1, 2, 1]
    rows = minitorch.tensor([[1, 2], [1, 2], [0, 0], [1, 2]])
    assert rows.unique_consecutive(dim=0).tolist() == [[1, 2], [0, 0], [1, 2]]


def test_nan_is_equal_to_nothing_and_the_zeros_are_one():
    nan = float("nan")
    assert minitorch.tensor([nan, 1.0, nan]).unique().isnan().sum().item() == 2
    assert minitorch.tensor([0.0, -0.0, 0.0]).unique().tolist() == [0]


def test_isin():
    x = minitorch.tensor([[1, 2], [3, 4]])
    assert minitorch.isin(x, minitorch.tensor([2, 3, 9])).tolist() == [[False, True], [True, False]]
    assert minitorch.isin(x, 4, invert=True).tolist() == [[True, True], [True, False]]
    assert minitorch.isin(3, x).item()
    assert minitorch.isin(x, minitorch.tensor([2.5, 4.0])).tolist() == [
        [False, False],
        [False, True],
    ]
    assert not minitorch.isin(x, x.new_empty(0)).any().item()
