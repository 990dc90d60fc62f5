"""flip, fliplr, flipud, roll, rot90."""

import pytest

import minitorch
from tests.ops.harness import Case, make_tests

CASES = [
    Case("flip", lambda m, x: m.flip(x, (0, -1)), shapes=[[(2, 3)], [(2, 2, 3)], [(0, 3)], [(40, 33)]]),
    Case("flip_last", lambda m, x: x.flip(-1), shapes=[[(3,)], [(2, 5)]]),
    Case("flip_first", lambda m, x: x.flip(0), shapes=[[(3, 4)], [(3, 2, 2)]]),
    Case("flip_none", lambda m, x: x.flip(()), shapes=[[(3, 4)], [()]]),
    Case("fliplr", lambda m, x: m.fliplr(x), shapes=[[(2, 3)]]),
    Case("flipud", lambda m, x: m.flipud(x), shapes=[[(3, 2)], [(3,)]]),
    Case("roll", lambda m, x: m.roll(x, 2), shapes=[[(5,)], [(2, 3)], [()], [(0,)]]),
    Case("roll_dims", lambda m, x: x.roll((1, -5), (0, 1)), shapes=[[(2, 3)], [(3, 4, 2)]]),
    Case("roll_twice", lambda m, x: x.roll((1, 1), dims=(0, 0)), shapes=[[(4, 2)]]),
    *(Case(f"rot90_{k}", lambda m, x, k=k: m.rot90(x, k), shapes=[[(2, 3)], [(2, 3, 2)]]) for k in (-1, 0, 1, 2, 3, 5)),
    Case("rot90_dims", lambda m, x: x.rot90(1, (-1, 0)), shapes=[[(2, 3, 2)]]),
]  # fmt: skip

globals().update(make_tests(CASES))


def test_errors():
    x = minitorch.ones(2, 3)
    with pytest.raises(RuntimeError, match="dim 1 appears multiple times"):
        x.flip(1, -1)
    with pytest.raises(IndexError, match="flip.*out of range"):
        x.flip(2)
    with pytest.raises(RuntimeError, match="must align"):
        x.roll((1, 2), 0)
    with pytest.raises(RuntimeError, match="rotation dims to be different"):
        x.rot90(1, (0, -2))
    with pytest.raises(RuntimeError, match="2-d"):
        x[0].fliplr()
