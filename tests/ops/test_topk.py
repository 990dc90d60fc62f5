"""topk, kthvalue, median, nanmedian, mode, quantile, nanquantile."""

from __future__ import annotations

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests, torch_or_none

SHAPES = [[(3, 5)], [(2, 6, 4)], [(4, 70)], [(90, 4)]]
FLOATS = ("float32", "float64")


def _q(m, x):
    return m.tensor([0.0, 0.3, 0.5, 1.0], dtype=x.dtype)


CASES = [
    Case("topk", lambda m, x: tuple(m.topk(x, 2)), SHAPES, dtypes=FLOATS),
    Case("topk_smallest", lambda m, x: tuple(x.topk(2, 0, largest=False)), SHAPES, dtypes=FLOATS),
    Case("topk_all", lambda m, x: tuple(x.topk(x.shape[-1])), SHAPES, dtypes=FLOATS),
    Case("kthvalue", lambda m, x: tuple(m.kthvalue(x, 2, -1)), SHAPES, dtypes=FLOATS),
    Case("kthvalue_keep", lambda m, x: tuple(x.kthvalue(1, 0, True)), SHAPES, dtypes=FLOATS),
    Case("median", lambda m, x: x.median(), SHAPES, dtypes=FLOATS),
    Case("median_dim", lambda m, x: tuple(m.median(x, -1)), SHAPES, dtypes=FLOATS),
    Case("nanmedian", lambda m, x: tuple(x.nanmedian(0, True)), SHAPES, dtypes=FLOATS),
    Case("quantile", lambda m, x: m.quantile(x, _q(m, x), dim=-1), SHAPES, dtypes=FLOATS),
    Case("quantile_all", lambda m, x: x.quantile(0.4), SHAPES, dtypes=FLOATS),
    Case(
        "quantile_keep", lambda m, x: x.quantile(_q(m, x), 0, keepdim=True), SHAPES, dtypes=FLOATS
    ),
    Case("nanquantile", lambda m, x: m.nanquantile(x, 0.6, 0), SHAPES, dtypes=FLOATS),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize(
    "dtype", ["float32", "float64", "bfloat16", "int64", "int32", "int16", "int8", "uint8"]
)
@pytest.mark.parametrize("n", [1, 40, 300, 20_000, 300_000])
def test_ranks_against_numpy(dtype, n):
    x = np.random.default_rng(n).standard_normal(n) * 50
    t = minitorch.tensor(np.abs(x) if dtype == "uint8" else x).to(getattr(minitorch, dtype))
    reference = t.double().numpy() if "float" in dtype else t.numpy()
    ascending = np.sort(reference)
    for k in {1, (n + 1) // 2, n}:
        value, index = t.kthvalue(k)
        assert value.item() == ascending[k - 1] == t[index.item()].item()
    for k in {1, min(n, 5), min(n, 200), min(n, 1000)}:
        for largest in (True, False):
            values, indices = t.topk(k, largest=largest)
            want = ascending[::-1][:k] if largest else ascending[:k]
            values = values.double() if "float" in dtype else values
            np.testing.assert_array_equal(values.numpy(), want)
            np.testing.assert_array_equal(reference[indices.numpy()], want)
            assert len(set(indices.tolist())) == k
    assert t.median().item() == ascending[(n - 1) // 2]


def test_nan():
    nan = float("nan")
    x = minitorch.tensor([[3.0, nan, 1.0, 2.0], [nan, nan, nan, nan], [4.0, 3.0, 2.0, 1.0]])
    values, indices = x.median(1)
    assert (
        values[:2].isnan().all().item() and values[2].item() == 2 and indices[:2].tolist() == [1, 0]
    )
    values, _ = x.nanmedian(1)
    assert values[0].item() == 2 and values[1].isnan().item() and values[2].item() == 2
    assert x.topk(2, 1).values[0][0].isnan().item() and x.topk(2, 1).values[0][1].item() == 3
    assert x.topk(3, 1, largest=False).values[0].tolist() == [1, 2, 3]
    assert x.quantile(0.5, 1)[0].isnan().item() and x.quantile(0.5, 1)[2].item() == 2.5
    assert x.nanquantile(0.5, 1)[0].item() == 2 and x.nanquantile(0.5, 1)[1].isnan().item()
    assert minitorch.zeros(0).median().isnan().item()


@pytest.mark.parametrize("interpolation", ["linear", "lower", "higher", "midpoint", "nearest"])
def test_interpolations(interpolation):
    torch = torch_or_none()
    x = np.random.default_rng(0).standard_normal((3, 10))
    got = minitorch.tensor(x).quantile(0.33, 1, interpolation=interpolation).numpy()
    want = np.quantile(x, 0.33, axis=1, method=interpolation)
    np.testing.assert_allclose(got, want, rtol=1e-12)
    if torch is not None:
        theirs = torch.tensor(x).quantile(0.33, 1, interpolation=interpolation).numpy()
        np.testing.assert_allclose(got, theirs, rtol=1e-12)


def test_mode():
    x = minitorch.tensor([[2.0, 1.0, 2.0, 1.0, 3.0], [5.0, 5.0, 4.0, 4.0, 4.0]], requires_grad=True)
    values, indices = x.mode()
    assert values.tolist() == [1, 4] and indices.tolist() == [3, 4]
    values.sum().backward()
    assert x.grad.tolist() == [[0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
    assert minitorch.tensor([[1, 1], [1, 2]]).mode(0).values.tolist() == [1, 1]


def test_wrong_arguments():
    x = minitorch.zeros(3)
    with pytest.raises(RuntimeError, match="k out of range"):
        x.topk(4)
    with pytest.raises(RuntimeError, match="k out of range"):
        x.kthvalue(0)
    with pytest.raises(IndexError, match="non-zero size"):
        minitorch.zeros(2, 0).median(1)
    with pytest.raises(RuntimeError, match="range"):
        x.quantile(1.5)
    with pytest.raises(RuntimeError, match="interpolation"):
        x.quantile(0.5, interpolation="cubic")
