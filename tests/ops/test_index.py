"""index_put, take, put and unravel_index; x[...] itself is tested in test_indexing.py."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def ints(*values):
    """A maker of int64 tensors for either module."""
    return lambda m: m.tensor(np.array(values[0] if len(values) == 1 else values, dtype=np.int64))


ROWS, COLS, AGAIN = ints([0, 2, 1]), ints([1, 1, 3]), ints([2, 2, 0])
PLACES = ints([[0, 5], [-1, 3]])

CASES = [
    Case(
        "index_put",
        lambda m, x, v: m.index_put(x, (ROWS(m), COLS(m)), v),
        shapes=[[(3, 4), (3,)], [(3, 4), (1,)], [(3, 4), ()]],
    ),
    Case(
        "index_put_rows",
        lambda m, x, v: m.index_put(x, (ROWS(m),), v),
        shapes=[[(3, 4), (3, 4)], [(3, 2, 2), (2,)], [(3, 0), (3, 0)]],
    ),
    Case(
        "index_put_accumulate",
        lambda m, x, v: m.index_put(x, (AGAIN(m), COLS(m)), v, accumulate=True),
        shapes=[[(3, 4), (3,)], [(3, 4), ()], [(3, 4, 2), (3, 2)]],
    ),
    Case(
        "index_put_column",
        lambda m, x, v: x.clone().index_put_((None, AGAIN(m)), v, True) if m is minitorch else x.clone().index_put_((m.arange(4)[:, None], AGAIN(m)), v, True),
        shapes=[[(4, 3), (4, 3)], [(4, 3), (3,)]],
    ),
    Case("take", lambda m, x: m.take(x, PLACES(m)), shapes=[[(2, 3)], [(6,)], [(3, 2, 2)]]),
    Case(
        "put",
        lambda m, x, v: x.put(PLACES(m), v),
        shapes=[[(3, 3), (2, 2)], [(3, 2, 2), (2, 2)]],
    ),
    Case(
        "put_accumulate",
        lambda m, x, v: x.put(ints([0, 5, 5, -1])(m), v, accumulate=True),
        shapes=[[(2, 3), (4,)], [(2, 3), (2, 2)]],
    ),
    Case(
        "put_in_place_of_view",
        lambda m, x, v: (lambda y: (y.t().put_(ints([0, 4])(m), v), y)[1])(x * 2),
        shapes=[[(2, 3), (2,)]],
    ),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "bool", "float16"])
def test_index_put_dtypes(dtype):
    torch = pytest.importorskip("torch")

    def run(m, accumulate):
        x = m.tensor([[1, 0, 1], [0, 1, 0]]).to(getattr(m, dtype))
        v = m.tensor([1, 1, 0]).to(getattr(m, dtype))
        return x.index_put_((m.tensor([0, 0, 1]), m.tensor([1, 1, 2])), v, accumulate).tolist()

    for accumulate in (False, True):
        assert run(minitorch, accumulate) == run(torch, accumulate)


def test_sums_of_16_bit_floats_are_accurate():
    x = minitorch.zeros(1, dtype=minitorch.bfloat16)
    x.index_put_((minitorch.zeros(1000).long(),), minitorch.ones(1000).bfloat16(), accumulate=True)
    assert float(x[0]) == 1000


def test_masks_in_index_put():
    x = minitorch.zeros(2, 3)
    mask = minitorch.tensor([[True, False, True], [False, True, False]])
    x.index_put_((mask,), minitorch.tensor([1.0, 2.0, 3.0]))
    assert x.tolist() == [[1, 0, 2], [0, 3, 0]]


def test_errors():
    x = minitorch.zeros(2, 3)
    with pytest.raises(IndexError, match=r"index 2 is out of bounds for dimension 0 with size 2"):
        x.index_put_((minitorch.tensor([2]),), minitorch.tensor(1.0))
    with pytest.raises(RuntimeError, match="dtypes match"):
        x.index_put_((minitorch.tensor([0]),), minitorch.tensor(1).long())
    with pytest.raises(IndexError, match="take.*index 6 is out of bounds.*size 6"):
        minitorch.take(x, minitorch.tensor([6]))
    with pytest.raises(IndexError, match="put_.*index -7"):
        x.put_(minitorch.tensor([-7]), minitorch.tensor([1.0]))
    with pytest.raises(RuntimeError, match="same number of elements"):
        x.put_(minitorch.tensor([0, 1]), minitorch.tensor([1.0]))
    with pytest.raises(RuntimeError, match="single memory location"):
        minitorch.zeros(1, 3).expand(2, 3).index_put_(
            (minitorch.tensor([0]),), minitorch.tensor(1.0)
        )
    assert x.tolist() == [[0, 0, 0]] * 2


def test_unravel_index():
    places = np.array([[0, 5], [23, 7]])
    got = minitorch.unravel_index(minitorch.tensor(places), (2, 3, 4))
    for a, b in zip(got, np.unravel_index(places, (2, 3, 4)), strict=True):
        np.testing.assert_array_equal(a.numpy(), b)
    with pytest.raises(ValueError, match="integer"):
        minitorch.unravel_index(minitorch.tensor([1.0]), (2, 3))
