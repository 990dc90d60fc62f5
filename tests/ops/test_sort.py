"""sort, argsort, msort."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

SHAPES = [[(3, 5)], [(2, 3, 4)], [(4, 70)], [(90, 3)], [()], [(0, 3)]]
ALL = ("float32", "float64", "bfloat16", "float16")
CASES = [
    Case("sort", lambda m, x: tuple(m.sort(x, stable=True, dim=-1)), SHAPES, dtypes=ALL),
    Case("sort_dim0", lambda m, x: tuple(m.sort(x, stable=True, dim=0)), SHAPES, dtypes=ALL),
    Case(
        "sort_descending",
        lambda m, x: tuple(m.sort(x, stable=True, dim=-1, descending=True)),
        SHAPES,
        dtypes=ALL,
    ),
    Case("argsort", lambda m, x: x.argsort(dim=-1, stable=True), SHAPES, grad=False),
    Case("msort", lambda m, x: m.msort(x), SHAPES[:4]),
]
globals().update(make_tests(CASES))

DTYPES = ["float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"]


def _values(n, dtype, spread):
    x = np.random.default_rng(n).standard_normal(n) * spread
    return np.abs(x).astype(dtype) if dtype in ("uint8", "bool") else x.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 63, 64, 65, 66, 1000, 8192, 8193, 70_000, 140_001])
def test_stable_in_both_directions(dtype, n):
    x = _values(n, dtype, 30)
    t = minitorch.tensor(x)
    order = np.argsort(x, kind="stable")
    values, indices = t.sort()
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_array_equal(values.numpy(), x[order])
    # Descending and stable: equal elements keep their order, so flip the order of the flipped.
    order = (n - 1 - np.argsort(x[::-1], kind="stable"))[::-1]
    values, indices = t.sort(descending=True)
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_array_equal(values.numpy(), x[order])


def test_integers_of_a_wide_and_of_a_narrow_range():
    rng = np.random.default_rng(0)
    for low, high in [(-(2**63), 2**63 - 1), (2**62, 2**62 + 1000), (-5, 5), (-(2**31), 2**31)]:
        for n in (50, 3000, 70_000):
            x = rng.integers(low, high, n)
            got = minitorch.tensor(x).sort()
            order = np.argsort(x, kind="stable")
            np.testing.assert_array_equal(got.indices.numpy(), order)
            np.testing.assert_array_equal(got.values.numpy(), x[order])


@pytest.mark.parametrize("n", [20, 300, 20_000, 70_000])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_is_last_and_zeros_keep_order_and_sign(n, dtype):
    rng = np.random.default_rng(n)
    x = rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5], n).astype(dtype)
    values, indices = minitorch.tensor(x).sort()
    order = np.argsort(x, kind="stable")
    np.testing.assert_array_equal(indices.numpy(), order)
    np.testing.assert_array_equal(values.numpy(), x[order])
    np.testing.assert_array_equal(np.signbit(values.numpy()), np.signbit(x[order]))
    down = minitorch.tensor(x).sort(descending=True).values.numpy()
    count = np.isnan(x).sum()
    assert np.isnan(down[:count]).all() and not np.isnan(down[count:]).any()


def test_the_gradient_goes_where_the_element_was():
    x = minitorch.tensor([[3.0, 1.0, 2.0]], requires_grad=True)
    (x.sort(1).values * minitorch.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert x.grad.tolist() == [[100, 1, 10]]


def test_the_same_for_any_number_of_threads():
    x = minitorch.tensor(np.random.default_rng(0).integers(0, 9, 200_000))
    threads = minitorch.get_num_threads()
    results = []
    for k in (1, 3):
        minitorch.set_num_threads(k)
        results.append(x.argsort().numpy())
    minitorch.set_num_threads(threads)
    assert (results[0] == results[1]).all()


def test_names_out_and_errors():
    r = minitorch.sort(minitorch.tensor([2, 1]))
    assert r.values.tolist() == [1, 2] and r.indices.tolist() == [1, 0]
    out = (minitorch.empty(2, dtype=minitorch.int64), minitorch.empty(2, dtype=minitorch.int64))
    minitorch.sort(minitorch.tensor([2, 1]), out=out)
    assert out[0].tolist() == [1, 2]
    with pytest.raises(IndexError, match="Dimension out of range"):
        minitorch.zeros(2).sort(1)
