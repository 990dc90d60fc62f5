"""repeat, tile, repeat_interleave."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

CASES = [
    Case("repeat", lambda m, x: x.repeat(2, 3), shapes=[[(2, 3)], [(3,)], [()], [(0, 2)], [(1, 1)]]),
    Case("repeat_more", lambda m, x: x.repeat((2, 1, 3)), shapes=[[(2, 3)], [(2, 1, 2)]]),
    Case("repeat_nothing", lambda m, x: x.repeat(0, 2), shapes=[[(2, 3)]]),
    Case("repeat_once", lambda m, x: x.repeat(1, 1), shapes=[[(2, 3)]]),
    Case("tile", lambda m, x: m.tile(x, (2,)), shapes=[[(2, 3)], [(3,)]]),
    Case("tile_more", lambda m, x: x.tile(2, 1, 2), shapes=[[(2, 3)]]),
    Case("interleave", lambda m, x: m.repeat_interleave(x, 2), shapes=[[(2, 3)], [()]]),
    Case("interleave_dim", lambda m, x: x.repeat_interleave(3, dim=1), shapes=[[(2, 3)], [(2, 2, 2)]]),
    Case("interleave_tensor", lambda m, x: x.repeat_interleave(m.tensor([2, 0, 3]).to(x.device), dim=-1), shapes=[[(2, 3)], [(3,)]]),
    Case("interleave_one", lambda m, x: x.repeat_interleave(m.tensor([2]).to(x.device), 0, output_size=6), shapes=[[(3, 2)]]),
    Case("expand", lambda m, x: x.expand(4, -1, 3), shapes=[[(2, 1)], [(2, 3)]]),
]  # fmt: skip

globals().update(make_tests(CASES))


def test_places():
    assert minitorch.repeat_interleave(minitorch.tensor([1, 0, 2])).tolist() == [0, 2, 2]


def test_large():
    x = np.arange(50_000, dtype=np.float32).reshape(100, 500)
    np.testing.assert_array_equal(minitorch.tensor(x).repeat(3, 2).numpy(), np.tile(x, (3, 2)))


def test_errors():
    x = minitorch.ones(2, 3)
    with pytest.raises(RuntimeError, match="repeat.*smaller than number of dimensions"):
        x.repeat(2)
    with pytest.raises(RuntimeError, match="negative"):
        x.repeat(2, -1)
    with pytest.raises(RuntimeError, match="negative"):
        x.repeat_interleave(minitorch.tensor([1, -1]), 0)
    with pytest.raises(RuntimeError, match="same size as input along dim"):
        x.repeat_interleave(minitorch.tensor([1, 1, 1]), 0)
    with pytest.raises(RuntimeError, match="output_size 3 is not the sum"):
        x.repeat_interleave(minitorch.tensor([1, 1]), 0, output_size=3)


@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("times", [2, 5, 40])
def test_interleave_of_a_large_tensor(dim, times):
    x = np.arange(300 * 170, dtype=np.float32).reshape(300, 170)
    got = minitorch.tensor(x).repeat_interleave(times, dim=dim)
    np.testing.assert_array_equal(got.numpy(), np.repeat(x, times, dim))
