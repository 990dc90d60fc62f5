"""nn.functional.pad."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def pad(*args, **kwargs):
    return lambda m, x: m.nn.functional.pad(x, *args, **kwargs)


IMAGE = [[(1, 2, 3, 3)], [(2, 3, 4)]]

CASES = [
    Case("constant", pad((1, 2)), shapes=[[(3,)], [(2, 3)], [(2, 0)]]),
    Case("constant_2d", pad((1, 0, 2, 1), value=1.5), shapes=[[(2, 3)], [(2, 2, 3)], [(2, 1, 20, 30)]]),
    Case("constant_first", pad((0, 0, 1, 1)), shapes=[[(2, 3)]]),
    Case("constant_cut", pad((-1, 2, 1, -1)), shapes=[[(3, 4)]]),
    Case("constant_cut_only", pad((-1, -1)), shapes=[[(2, 4)]]),
    Case("constant_none", pad(()), shapes=[[(2, 3)]]),
    Case("constant_nd", lambda m, x: m.constant_pad_nd(x, (1, 1, 0, 2), 3), shapes=[[(2, 2)]]),
    Case("reflect_1d", pad((2, 1), mode="reflect"), shapes=[[(2, 3)], [(1, 2, 4)]]),
    Case("reflect_2d", pad((1, 2, 2, 0), mode="reflect"), shapes=IMAGE),
    Case("reflect_3d", pad((1, 1, 1, 0, 0, 1), mode="reflect"), shapes=[[(1, 2, 2, 2)], [(1, 2, 3, 2, 4)]]),
    Case("replicate_1d", pad((4, 1), mode="replicate"), shapes=[[(2, 3)], [(1, 2, 1)]]),
    Case("replicate_2d", pad((1, 2, 5, 0), mode="replicate"), shapes=IMAGE),
    Case("replicate_3d", pad((1, 1, 1, 0, 0, 3), mode="replicate"), shapes=[[(1, 2, 2, 2)]]),
    Case("replicate_cut", pad((-1, 1, 2, -1), mode="replicate"), shapes=IMAGE),
    Case("circular_1d", pad((3, 2), mode="circular"), shapes=[[(2, 3)], [(1, 2, 4)]]),
    Case("circular_2d", pad((1, 2, 3, 0), mode="circular"), shapes=[[(1, 2, 3, 3)], [(2, 3, 4)]]),
    Case("circular_3d", pad((1, 1, 1, 0, 0, 1), mode="circular"), shapes=[[(1, 2, 2, 2)]]),
    Case("circular_cut", pad((-1, 1, -2, 1), mode="circular"), shapes=[[(1, 2, 4, 4)]]),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize(
    ("mode", "numpy_mode"), [("constant", "constant"), ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)  # fmt: skip
def test_large_against_numpy(mode, numpy_mode):
    x = np.random.default_rng(0).standard_normal((3, 5, 60, 70)).astype(np.float32)
    got = minitorch.nn.functional.pad(minitorch.tensor(x), (3, 4, 5, 6), mode)
    want = np.pad(x, ((0, 0), (0, 0), (5, 6), (3, 4)), numpy_mode)
    np.testing.assert_array_equal(got.numpy(), want)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64"])
def test_other_dtypes(dtype):
    torch = pytest.importorskip("torch")

    def run(m, **kwargs):
        return m.nn.functional.pad(m.ones(2, 2).to(getattr(m, dtype)), (1, 0), **kwargs).tolist()

    assert run(minitorch, value=0) == run(torch, value=0)
    assert run(minitorch) == run(torch)


def test_errors():
    f, x = minitorch.nn.functional.pad, minitorch.ones(1, 2, 3)
    with pytest.raises(RuntimeError, match="divisible by 2"):
        f(x, (1,))
    with pytest.raises(RuntimeError, match="two times the input dimension"):
        f(x, (1,) * 8)
    with pytest.raises(RuntimeError, match="negative output size, for dimension 2"):
        f(x, (-2, -2))
    with pytest.raises(
        RuntimeError, match=r"Padding size should be less.*dimension 2 of input \[1, 2, 3\]"
    ):
        f(x, (3, 0), "reflect")
    with pytest.raises(RuntimeError, match="wrapping around more than once"):
        f(x, (4, 0), "circular")
    with pytest.raises(RuntimeError, match="doesn't take in value"):
        f(x, (1, 0), "reflect", 2.0)
    with pytest.raises(NotImplementedError, match="non-constant"):
        f(x[0, 0], (1, 0), "reflect")
    with pytest.raises(NotImplementedError, match="Unrecognised padding mode mirror"):
        f(x, (1, 0), "mirror")
