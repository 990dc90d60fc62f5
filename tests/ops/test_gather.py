"""index_select, index_add, index_copy, index_fill, index_reduce, gather, take_along_dim."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def ints(values):
    return lambda m: m.tensor(np.array(values, dtype=np.int64))


PICK, DISTINCT = ints([2, 0, 2]), ints([2, 0])
ELEMENTS = ints([[0, 2, 1], [1, 1, 0]])

CASES = [
    Case("index_select_0", lambda m, x: m.index_select(x, 0, PICK(m)), shapes=[[(3, 4)], [(3,)], [(3, 2, 2)], [(3, 0)], [(3, 40)]]),
    Case("index_select_last", lambda m, x: m.index_select(x, -1, PICK(m)), shapes=[[(2, 3)], [(2, 2, 3)], [(0, 3)]]),
    Case("index_select_middle", lambda m, x: m.index_select(x, 1, PICK(m)), shapes=[[(2, 3, 2)], [(2, 4, 17)]]),
    Case("index_select_scalar", lambda m, x: m.index_select(x, 0, ints(0)(m)), shapes=[[()]]),
    Case("index_add", lambda m, x, v: m.index_add(x, 0, PICK(m), v, alpha=2), shapes=[[(3, 2), (3, 2)], [(3,), (3,)], [(4, 20), (3, 20)]]),
    Case("index_add_last", lambda m, x, v: x.index_add(1, PICK(m), v), shapes=[[(2, 3), (2, 3)], [(2, 3, 2), (2, 3, 2)]]),
    Case("index_add_in_place", lambda m, x, v: (x * 1).index_add_(0, PICK(m), v), shapes=[[(3, 2), (3, 2)]]),
    Case("index_copy", lambda m, x, v: m.index_copy(x, 0, DISTINCT(m), v), shapes=[[(3, 2), (2, 2)], [(3,), (2,)]]),
    Case("index_copy_last", lambda m, x, v: (x * 1).index_copy_(-1, DISTINCT(m), v), shapes=[[(2, 3), (2, 2)]]),
    Case("index_fill", lambda m, x: m.index_fill(x, 1, PICK(m), 0.5), shapes=[[(2, 3)], [(2, 3, 2)]]),
    Case("index_fill_tensor", lambda m, x, v: m.index_fill(x, 0, PICK(m), v), shapes=[[(3, 2), ()]]),
    Case("index_reduce_prod", lambda m, x, v: m.index_reduce(x, 0, PICK(m), v, "prod"), shapes=[[(3, 2), (3, 2)]], low=0.5),
    Case("index_reduce_mean", lambda m, x, v: m.index_reduce(x, 1, PICK(m), v, "mean", include_self=False), shapes=[[(2, 3), (2, 3)]]),
    Case("index_reduce_amax", lambda m, x, v: m.index_reduce(x, 0, PICK(m), v, "amax"), shapes=[[(3, 2), (3, 2)]]),
    Case("gather_0", lambda m, x: m.gather(x, 0, ELEMENTS(m)), shapes=[[(3, 3)], [(4, 5)]]),
    Case("gather_1", lambda m, x: m.gather(x, 1, ELEMENTS(m)), shapes=[[(2, 3)], [(4, 3)]]),
    Case("gather_labels", lambda m, x: x.gather(1, ints([[1], [0], [3]])(m)), shapes=[[(3, 4)]]),
    Case("gather_nothing", lambda m, x: x.gather(1, m.zeros(2, 0).long()), shapes=[[(3, 4)]]),
    Case("gather_scalar", lambda m, x: x.gather(0, ints(0)(m)), shapes=[[()]]),
    Case("take_along_dim", lambda m, x: m.take_along_dim(x, ints([[0, -1]])(m), 1), shapes=[[(3, 3)], [(1, 4)]]),
    Case("take_along_flat", lambda m, x: m.take_along_dim(x, ints([[0, 5]])(m)), shapes=[[(2, 3)]]),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize("shape", [(1000, 64), (300, 7), (70_000, 3), (5, 40_000)])
@pytest.mark.parametrize("dim", [0, 1])
def test_large(shape, dim):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype(np.float32)
    index = rng.integers(0, shape[dim], shape[dim] + 3)
    got = minitorch.index_select(minitorch.tensor(x), dim, minitorch.tensor(index))
    np.testing.assert_array_equal(got.numpy(), np.take(x, index, dim))
    places = rng.integers(0, shape[dim], shape)
    got = minitorch.gather(minitorch.tensor(x), dim, minitorch.tensor(places))
    np.testing.assert_array_equal(got.numpy(), np.take_along_axis(x, places, dim))


@pytest.mark.parametrize("dtype", ["int64", "int16", "uint8", "bool", "float16", "bfloat16"])
def test_dtypes(dtype):
    torch = pytest.importorskip("torch")

    def run(m):
        x = m.tensor([[1, 0, 3], [4, 5, 0]]).to(getattr(m, dtype))
        i = m.tensor([1, 0, 1])
        yield x.index_select(0, i)
        yield x.gather(1, m.tensor([[2, 2], [0, 1]]))
        yield x.clone().index_add_(0, m.tensor([1, 1]), x)
        yield x.clone().index_fill_(1, i, 1)

    for a, b in zip(run(minitorch), run(torch), strict=True):
        assert a.tolist() == b.tolist()


def test_int32_index():
    x = minitorch.arange(6).reshape(3, 2)
    assert x.index_select(0, minitorch.tensor([2, 0]).int()).tolist() == [[4, 5], [0, 1]]
    assert x.gather(0, minitorch.tensor([[2, 0]]).int()).tolist() == [[4, 1]]


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda x, i: x.index_select(0, i + 3), IndexError, "index_select.*index 4.*dimension 0 with size 3"),
        (lambda x, i: x.index_select(0, i - 5), IndexError, "index_select.*index -4"),
        (lambda x, i: x.index_select(2, i), IndexError, "Dimension out of range"),
        (lambda x, i: x.index_select(0, i.float()), IndexError, "integer dtype"),
        (lambda x, i: x.index_select(0, i[None]), IndexError, "vector"),
        (lambda x, i: x.gather(1, i), RuntimeError, "number of dimensions"),
        (lambda x, i: x.gather(1, i[:, None] + 9), IndexError, "gather.*index 10.*dimension 1 with size 2"),
        (lambda x, i: x.gather(0, i[:, None].expand(2, 5)), RuntimeError, "no larger apart from dimension 0"),
        (lambda x, i: x.index_add_(0, i, x), RuntimeError, r"index_add_.*\[3, 2\]"),
        (lambda x, i: x.index_add_(0, i + 2, x[:2]), IndexError, "index_add_.*index 3"),
        (lambda x, i: x.index_copy(0, i, x[:2].double()), RuntimeError, "same dtype"),
        (lambda x, i: x.index_reduce(0, i, x[:2], "sum"), RuntimeError, "Expected reduce"),
    ],
)  # fmt: skip
def test_errors(f, error, text):
    x = minitorch.ones(3, 2)
    with pytest.raises(error, match=text):
        f(x, minitorch.tensor([1, 0]))
    assert x.tolist() == [[1, 1]] * 3
