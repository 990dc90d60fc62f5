"""amax, amin, max, min, argmax, argmin, aminmax."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

SHAPES = [[(3, 5)], [(2, 3, 4)], [(7, 1)]]
ALL = ("float32", "float64", "bfloat16", "float16")


def _ties(rng, shapes):
    return [rng.integers(0, 3, shapes[0]).astype(np.float64)]


CASES = [
    Case("amax", lambda m, x: m.amax(x, -1), SHAPES, dtypes=ALL),
    Case("amin", lambda m, x: x.amin((0, 1), keepdim=True), SHAPES, dtypes=ALL),
    Case("max_all", lambda m, x: x.max(), SHAPES),
    Case("min_all", lambda m, x: m.min(x), SHAPES),
    Case(
        "max_dim", lambda m, x: tuple(m.max(x, 0)), [*SHAPES, [(300, 17)], [(17, 5000)]], dtypes=ALL
    ),
    Case(
        "min_dim", lambda m, x: tuple(x.min(-1, keepdim=True)), [*SHAPES, [(300, 17)]], dtypes=ALL
    ),
    Case("max_other", lambda m, x: m.max(x, x.flip(0)), SHAPES, gradgrad=False),
    Case("argmax", lambda m, x: x.argmax(1), [*SHAPES, [(9, 3000)], [(3000, 9)]], grad=False),
    Case("argmax_all", lambda m, x: x.argmax(), [*SHAPES, [(500, 700)]], grad=False),
    Case("argmin_dim0", lambda m, x: x.argmin(0, keepdim=True), SHAPES, grad=False),
    Case("aminmax", lambda m, x: tuple(m.aminmax(x, dim=0)), SHAPES),
]
globals().update(make_tests(CASES))
TIES = make_tests(
    [
        Case(
            "amax_ties", lambda m, x: x.amax(1), [[(3, 6)], [(2, 5, 3)]], make=_ties, gradgrad=False
        ),
        Case("max_all_ties", lambda m, x: x.max(), [[(3, 6)]], make=_ties, gradgrad=False),
        Case("argmax_ties", lambda m, x: x.argmax(0), [[(90, 6)]], make=_ties, grad=False),
    ]
)
test_forward_with_ties = TIES["test_forward"]


def test_ties_share_the_gradient():
    x = minitorch.tensor([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    x.amax(1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0, 0.5, 0.5], [1 / 3] * 3], rtol=1e-6)
    x.grad = None
    x.max(1).values.sum().backward()
    assert x.grad.tolist() == [[0, 1, 0], [1, 0, 0]]


@pytest.mark.parametrize("shape", [(2, 40), (40, 2), (3, 20, 30)])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_nan_wins_and_the_first_one_is_reported(shape, dtype):
    x = np.random.default_rng(0).standard_normal(shape)
    x.reshape(-1)[[5, 7, 37]] = np.nan
    t = minitorch.tensor(x).to(getattr(minitorch, dtype))
    for dim in range(len(shape)):
        want = np.isnan(x).any(dim)
        for values in (t.amax(dim), t.max(dim).values, t.amin(dim), t.min(dim).values):
            np.testing.assert_array_equal(values.isnan().numpy(), want)
        for index in (t.argmax(dim), t.max(dim).indices, t.argmin(dim)):
            np.testing.assert_array_equal(index.numpy()[want], np.isnan(x).argmax(dim)[want])
    assert t.max().isnan().item() and t.argmax().item() == 5


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "bool"])
def test_integers(dtype):
    x = np.random.default_rng(3).integers(0, 2 if dtype == "bool" else 127, (70, 33)).astype(dtype)
    if dtype.startswith("int"):
        x -= np.array(60, dtype)
    t = minitorch.tensor(x)
    for dim in (0, 1):
        np.testing.assert_array_equal(t.amax(dim).numpy(), x.max(dim))
        np.testing.assert_array_equal(t.amin(dim).numpy(), x.min(dim))
        np.testing.assert_array_equal(t.max(dim).indices.numpy(), x.argmax(dim))
    assert t.max().item() == x.max() and t.min().item() == x.min()


def test_infinities():
    x = minitorch.full((2, 70), float("-inf"))
    assert x.amax(1).tolist() == [float("-inf")] * 2 and x.argmax(1).tolist() == [0, 0]
    x[1, 69] = float("inf")
    assert x.argmax(1).tolist() == [0, 69] and x.argmin(1).tolist() == [0, 0]


def test_long_rows_are_cut_by_size():
    x = np.random.default_rng(0).standard_normal(400_000).astype(np.float32)
    x[[5, 399_999]] = 9
    t = minitorch.tensor(x)
    assert t.argmax().item() == 5 and t.max().item() == 9
    assert minitorch.argmin(t).item() == x.argmin()


def test_empty_and_wrong():
    x = minitorch.zeros(2, 0)
    for f in (x.max, x.min, x.amax, x.amin):
        with pytest.raises(RuntimeError, match="Specify the reduction dim"):
            f()
    with pytest.raises(IndexError, match="non-zero size"):
        x.amax(1)
    with pytest.raises(IndexError, match="argmax"):
        x.argmax()
    assert x.amax(0).shape == (0,) and x.max(0).indices.shape == (0,)
    with pytest.raises(RuntimeError, match="bool"):
        minitorch.tensor([True]).argmax()


def test_results_have_names():
    r = minitorch.tensor([1.0, 3.0, 2.0]).max(0)
    assert r.values.item() == 3 and r.indices.item() == 1
    values, indices = r
    assert "values=" in repr(r) and r._fields == ("values", "indices")
    out = (minitorch.empty(0), minitorch.empty(0, dtype=minitorch.int64))
    again = minitorch.max(minitorch.tensor([[1.0, 3.0]]), 1, out=out)
    assert again.values is out[0] and out[1].tolist() == [1]


@pytest.mark.parametrize("n", [3, 15, 16, 17, 56, 64, 70, 200])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32"])
def test_the_first_of_equals_is_found(n, dtype):
    for place in (0, n // 2, n - 1):
        x = minitorch.zeros(2, n, dtype=getattr(minitorch, dtype))
        x[:, place:] = 3
        assert x.argmax(1).tolist() == [place] * 2 and (-x).argmin(1).tolist() == [place] * 2
        if dtype != "int32":
            x[1, place] = float("nan")
            assert x.max(1).indices.tolist() == [place] * 2
