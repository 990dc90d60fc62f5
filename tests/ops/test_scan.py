"""cumsum, cumprod, cummax, cummin, logcumsumexp, diff."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

SHAPES = [[(3, 5)], [(2, 3, 4)], [(3, 300)], [(40, 3)], [()], [(0, 3)]]
ALL = ("float32", "float64", "bfloat16", "float16")


def _with_zeros(rng, shapes):
    x = rng.uniform(0.5, 2, shapes[0])
    x.reshape(-1)[::3] = 0
    return [x]


CASES = [
    Case("cumsum", lambda m, x: m.cumsum(x, -1), SHAPES, dtypes=ALL),
    Case("cumsum_dim0", lambda m, x: x.cumsum(0), SHAPES, dtypes=ALL),
    Case(
        "cumprod",
        lambda m, x: m.cumprod(x, -1),
        [s for s in SHAPES if s[0] != (3, 300)],
        low=0.5,
        high=1.4,
    ),
    Case("cumprod_dim0", lambda m, x: x.cumprod(0), SHAPES[:2], low=-1.4, high=1.4),
    Case("cumprod_zeros", lambda m, x: x.cumprod(1), [[(2, 5)]], make=_with_zeros),
    Case("cummax", lambda m, x: tuple(m.cummax(x, -1)), SHAPES, dtypes=ALL),
    Case("cummin", lambda m, x: tuple(x.cummin(0)), SHAPES, dtypes=ALL),
    Case("logcumsumexp", lambda m, x: m.logcumsumexp(x, -1), SHAPES),
    Case("logcumsumexp_dim0", lambda m, x: x.logcumsumexp(0), SHAPES[:4]),
    Case("diff", lambda m, x: m.diff(x), SHAPES[:4]),
    Case("diff_n", lambda m, x: x.diff(2, 0), SHAPES[:4]),
    Case("diff_joined", lambda m, x: m.diff(x, prepend=x, append=x), SHAPES[:2]),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 16, 17, 1000, 40_000])
def test_cumsum_around_vector_edges_and_in_pieces(n):
    x = np.random.default_rng(n).standard_normal(n).astype(np.float32)
    want = x.astype(np.float64).cumsum()
    t = minitorch.tensor(x, requires_grad=True)
    y = t.cumsum(0)
    np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-5, atol=1e-4)
    w = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    (y * minitorch.tensor(w)).sum().backward()
    back = w.astype(np.float64)[::-1].cumsum()[::-1]
    np.testing.assert_allclose(t.grad.numpy(), back, rtol=1e-5, atol=1e-4)


def test_the_same_bits_for_any_number_of_threads():
    x = minitorch.tensor(np.random.default_rng(0).standard_normal(300_000).astype(np.float32))
    threads = minitorch.get_num_threads()
    results = []
    for k in (1, 2, 3):
        minitorch.set_num_threads(k)
        results.append(x.cumsum(0).numpy())
    minitorch.set_num_threads(threads)
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64"])
def test_integers(dtype):
    x = np.random.default_rng(0).integers(0, 2 if dtype == "bool" else 3, (5, 41)).astype(dtype)
    t = minitorch.tensor(x)
    for dim in (0, 1):
        np.testing.assert_array_equal(t.cumsum(dim).numpy(), x.cumsum(dim, dtype=np.int64))
        np.testing.assert_array_equal(t.cumprod(dim).numpy(), x.cumprod(dim, dtype=np.int64))
        np.testing.assert_array_equal(t.cummax(dim).values.numpy(), np.maximum.accumulate(x, dim))
    assert t.cumsum(0).dtype is minitorch.int64
    assert t.cumsum(0, dtype=minitorch.float32).dtype is minitorch.float32


def test_running_extrema_take_the_last_of_equal_ones_and_nan():
    nan = float("nan")
    x = minitorch.tensor([1.0, 3.0, 3.0, nan, 5.0, nan])
    values, indices = x.cummax(0)
    assert values[:3].tolist() == [1, 3, 3] and values[3:].isnan().all().item()
    assert indices.tolist() == [0, 1, 2, 3, 3, 5]
    two = minitorch.stack([x, x], 1)
    assert two.cummin(0).indices[:, 1].tolist() == [0, 0, 0, 3, 3, 5]


def test_logcumsumexp_of_extremes():
    inf = float("inf")
    x = minitorch.tensor([-inf, -inf, 0.0, 1000.0, inf])
    assert x.logcumsumexp(0).tolist() == [-inf, -inf, 0, 1000, inf]


def test_in_place_and_out():
    x = minitorch.ones(4)
    y = x.cumsum_(0)
    assert y is x and x.tolist() == [1, 2, 3, 4]
    x.cumprod_(0)
    assert x.tolist() == [1, 2, 6, 24]
    out = minitorch.empty(4)
    assert minitorch.cumsum(x, 0, out=out) is out and out[3].item() == 33
    with pytest.raises(RuntimeError, match="can't be cast"):
        minitorch.ones(3, dtype=minitorch.int32).cumsum_(0, dtype=minitorch.float32)


def test_wrong_arguments():
    with pytest.raises(IndexError, match="Dimension out of range"):
        minitorch.ones(2).cumsum(1)
    with pytest.raises(RuntimeError, match="at least one-dimensional"):
        minitorch.diff(minitorch.ones(()))
