"""masked_fill, masked_select, masked_scatter, nonzero."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def mask_of(shape, m):
    n = int(np.prod(shape, dtype=int))
    return m.tensor((np.arange(n) * 7 % 5 < 2).reshape(shape))


def same(m, x):
    return mask_of(tuple(x.shape), m).to(x.device)


CASES = [
    Case("masked_fill", lambda m, x: m.masked_fill(x, same(m, x), 0.5), shapes=[[(3, 4)], [()], [(0, 2)], [(67,)]]),
    Case("masked_fill_broadcast", lambda m, x: m.masked_fill(x, mask_of((3, 1), m).to(x.device), -1.0), shapes=[[(3, 4)], [(2, 3, 2)], [(1, 4)]]),
    Case("masked_fill_tensor", lambda m, x, v: m.masked_fill(x, same(m, x), v), shapes=[[(3, 4), ()]]),
    Case("masked_fill_in_place", lambda m, x: (x * 1).masked_fill_(mask_of((4,), m).to(x.device), 2.0), shapes=[[(3, 4)]]),
    Case("masked_select", lambda m, x: m.masked_select(x, same(m, x)), shapes=[[(3, 4)], [(0,)], [(130,)], [()]]),
    Case("masked_select_broadcast", lambda m, x: x.masked_select(mask_of((3, 1), m).to(x.device)), shapes=[[(4,)], [(3, 2)]]),
    Case("masked_scatter", lambda m, x, v: m.masked_scatter(x, same(m, x), v), shapes=[[(3, 4), (12,)], [(2, 3), (3, 2)]]),
    Case("masked_scatter_in_place", lambda m, x, v: (x * 1).masked_scatter_(mask_of((4,), m).to(x.device), v), shapes=[[(3, 4), (12,)]]),
    Case("nonzero", lambda m, x: m.nonzero(x > 0), shapes=[[(3, 4)], [(5,)], [()], [(0, 3)], [(2, 3, 4)]], grad=False),
    Case("nonzero_tuple", lambda m, x: m.nonzero(x > 0, as_tuple=True), shapes=[[(3, 4)], [(5,)], [()]], grad=False),
    Case("argwhere", lambda m, x: m.argwhere(x > 0), shapes=[[(3, 4)]], grad=False),
    Case("nonzero_static", lambda m, x: (m.nonzero_static(x > 0, size=3), m.nonzero_static(x > 0, size=40, fill_value=7)), shapes=[[(3, 4)]], grad=False),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize("n", [16383, 16384, 16385, 100_001])
@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_chunks(n, density):
    rng = np.random.default_rng(n)
    mask, x = rng.random(n) < density, rng.standard_normal(n).astype(np.float32)
    m, t = minitorch.tensor(mask), minitorch.tensor(x)
    np.testing.assert_array_equal(t[m].numpy(), x[mask])
    np.testing.assert_array_equal(m.nonzero().numpy(), np.argwhere(mask))
    got = minitorch.zeros(n).masked_scatter_(m, t).numpy()
    want = np.zeros(n, np.float32)
    want[mask] = x[: mask.sum()]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("dtype", ["float64", "bfloat16", "int64", "int32", "uint8", "bool"])
def test_every_element_size(dtype):
    rng = np.random.default_rng(3)
    x = minitorch.tensor(rng.integers(0, 2, (5, 9))).to(getattr(minitorch, dtype))
    mask = rng.random((5, 9)) < 0.5
    m = minitorch.tensor(mask)
    plain = np.array(x.tolist())
    assert x[m].tolist() == plain[mask].tolist()
    assert x.masked_fill(m, 1).tolist() == np.where(mask, 1, plain).tolist()
    assert x.nonzero().tolist() == np.argwhere(plain).tolist()


def test_nan_is_not_zero():
    assert minitorch.tensor([0.0, float("nan"), -0.0]).nonzero().tolist() == [[1]]


def test_errors():
    x = minitorch.zeros(2, 3)
    with pytest.raises(RuntimeError, match="mask of dtype bool"):
        x.masked_fill(x, 1)
    with pytest.raises(RuntimeError, match=r"masked_fill.*\[2, 3\].*\[2\]"):
        x.masked_fill(minitorch.tensor([True, False]), 1)
    with pytest.raises(RuntimeError, match="0-dimensional value"):
        x.masked_fill(x > 0, minitorch.ones(3))
    with pytest.raises(RuntimeError, match="smaller than the number of true elements"):
        x.masked_scatter(x == 0, minitorch.ones(5))
