"""cat, stack, split, unbind and their relatives."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

THREE = [[(2, 3), (2, 3), (2, 3)], [(4,), (4,), (4,)], [(0, 2), (0, 2), (0, 2)]]

CASES = [
    Case("cat_0", lambda m, *xs: m.cat(xs), shapes=[*THREE, [(2, 3), (1, 3), (4, 3)], [(3,), (0,), (2,)]]),
    Case("cat_1", lambda m, *xs: m.cat(xs, dim=1), shapes=[[(2, 3), (2, 1), (2, 0)], [(2, 2, 2), (2, 1, 2)]]),
    Case("cat_last", lambda m, *xs: m.concatenate(xs, -1), shapes=[[(2, 3), (2, 1)], [(5, 1), (5, 1), (5, 1)]]),
    Case("cat_nothing", lambda m, x: m.cat([m.zeros(0, dtype=x.dtype, device=x.device), x], 1), shapes=[[(2, 3)]]),
    Case("cat_itself", lambda m, x: m.concat([x, x, x * x], 0), shapes=[[(2, 3)]]),
    Case("stack_0", lambda m, *xs: m.stack(xs), shapes=[*THREE, [(), ()]]),
    Case("stack_last", lambda m, *xs: m.stack(xs, -1), shapes=THREE),
    Case("stack_1", lambda m, *xs: m.stack(xs, dim=1), shapes=[[(2, 3), (2, 3)]]),
    Case("split", lambda m, x: m.split(x, 2), shapes=[[(5, 2)], [(4,)], [(1, 3)]]),
    Case("split_sizes", lambda m, x: x.split([1, 0, 2], dim=-1), shapes=[[(2, 3)]]),
    Case("split_with_sizes", lambda m, x: m.split_with_sizes(x, (2, 1), 1), shapes=[[(2, 3)]]),
    Case("split_used_in_part", lambda m, x: x.split(1)[1] * 2, shapes=[[(3, 2)]]),
    Case("chunk", lambda m, x: m.chunk(x, 3, -1), shapes=[[(2, 7)], [(5,)], [(2, 2)], [(3, 0)]]),
    Case("unbind", lambda m, x: x.unbind(1), shapes=[[(2, 3)], [(2, 3, 2)]]),
    Case("iteration", lambda m, x: [row * row for row in x], shapes=[[(3, 2)]]),
    Case("unbind_used_in_part", lambda m, x: m.unbind(x)[-1] * 2, shapes=[[(3, 2)]]),
    Case("tensor_split", lambda m, x: m.tensor_split(x, 3), shapes=[[(7, 2)], [(2,)]]),
    Case("tensor_split_places", lambda m, x: x.tensor_split((1, 4, -1, 9), dim=1), shapes=[[(2, 6)]]),
    Case("hsplit", lambda m, x: m.hsplit(x, 2), shapes=[[(4,)], [(3, 4)]]),
    Case("vsplit", lambda m, x: m.vsplit(x, [1, 3]), shapes=[[(4, 2)]]),
    Case("dsplit", lambda m, x: m.dsplit(x, 2), shapes=[[(2, 1, 4)]]),
    Case("hstack", lambda m, *xs: m.hstack(xs), shapes=[[(2,), (3,)], [(2, 2), (2, 1)], [(), ()]]),
    Case("vstack", lambda m, *xs: m.vstack(xs), shapes=[[(3,), (3,)], [(2, 2), (2,)]]),
    Case("row_stack", lambda m, *xs: m.row_stack(xs), shapes=[[(3,), (3,)]]),
    Case("dstack", lambda m, *xs: m.dstack(xs), shapes=[[(3,), (3,)], [(2, 2), (2, 2)]]),
    Case("column_stack", lambda m, *xs: m.column_stack(xs), shapes=[[(3,), (3, 2)], [(), ()]]),
    Case("block_diag", lambda m, *xs: m.block_diag(*xs), shapes=[[(2, 3), (), (2,)]]),
    Case("cartesian_prod", lambda m, *xs: m.cartesian_prod(*xs), shapes=[[(2,), (3,)], [(2,), (1,), (2,)], [(3,)]]),
    Case("combinations", lambda m, x: m.combinations(x, 2), shapes=[[(4,)], [(1,)]]),
    Case("combinations_again", lambda m, x: m.combinations(x, 3, with_replacement=True), shapes=[[(3,)]]),
    Case("meshgrid_ij", lambda m, *xs: m.meshgrid(*xs, indexing="ij"), shapes=[[(2,), (3,)], [(2,), (), (2,)]]),
    Case("meshgrid_xy", lambda m, *xs: m.meshgrid(list(xs), indexing="xy"), shapes=[[(2,), (3,)], [(2,), (3,), (2,)], [(2,)]]),
    Case("atleast_1d", lambda m, *xs: m.atleast_1d(*xs), shapes=[[(), (2, 2)], [()]]),
    Case("atleast_2d", lambda m, *xs: m.atleast_2d(xs), shapes=[[(), (2,), (2, 2)]]),
    Case("atleast_3d", lambda m, *xs: m.atleast_3d(*xs), shapes=[[(), (2,), (2, 3), (1, 2, 3)]]),
]  # fmt: skip

globals().update(make_tests(CASES))


@pytest.mark.parametrize(
    "types", [("float32", "float64"), ("int64", "float16"), ("bool", "uint8"), ("int8", "uint8")]
)
def test_promotion(types):
    torch = pytest.importorskip("torch")

    def run(m):
        xs = [m.ones(2).to(getattr(m, t)) for t in types]
        return [str(y.dtype).split(".")[-1] for y in (m.cat(xs), m.stack(xs), m.hstack(xs))]

    assert run(minitorch) == run(torch)


def test_gradients_of_promoted_inputs_keep_their_dtype():
    x = minitorch.ones(2, requires_grad=True)
    y = minitorch.ones(2, dtype=minitorch.float64, requires_grad=True)
    minitorch.cat([x, y]).sum().backward()
    assert x.grad.dtype is minitorch.float32
    assert y.grad.dtype is minitorch.float64


def test_parts_are_views():
    x = minitorch.zeros(4, 3)
    x.split(2)[1][0, 0] = 1
    x.unbind(1)[2].fill_(2)
    x.chunk(2, 1)[0][3, 1] = 3
    assert x.tolist() == [[0, 0, 2], [0, 0, 2], [1, 0, 2], [0, 3, 2]]


def test_many_inputs():
    rng = np.random.default_rng(0)
    xs = [rng.standard_normal((3, n)) for n in range(1, 60)]
    got = minitorch.cat([minitorch.tensor(x) for x in xs], 1)
    np.testing.assert_array_equal(got.numpy(), np.concatenate(xs, 1))


def test_out():
    x, out = minitorch.ones(2, 2), minitorch.empty(4, 2)
    assert minitorch.cat([x, x * 2], out=out) is out
    assert out.tolist() == [[1, 1], [1, 1], [2, 2], [2, 2]]


@pytest.mark.parametrize(
    ("f", "error", "text"),
    [
        (lambda m, x: m.cat([]), ValueError, "non-empty"),
        (lambda m, x: m.cat([x, x.t()]), RuntimeError, r"dimension 0. Expected shape \[2, 3\] but got \[3, 2\]"),
        (lambda m, x: m.cat([x[0, 0]]), RuntimeError, "zero-dimensional"),
        (lambda m, x: m.cat([x, 1]), TypeError, "must be Tensor, not int"),
        (lambda m, x: m.cat([x], 2), IndexError, "Dimension out of range"),
        (lambda m, x: m.stack([x, x.t()]), RuntimeError, "equal size.*entry 1"),
        (lambda m, x: m.stack([]), RuntimeError, "non-empty"),
        (lambda m, x: x.split([1, 1], 1), RuntimeError, "sum exactly to 3"),
        (lambda m, x: x.split(-1), RuntimeError, "non-negative"),
        (lambda m, x: x.split(0), RuntimeError, "only be 0"),
        (lambda m, x: x.chunk(0), RuntimeError, "greater than 0"),
        (lambda m, x: x[0, 0].unbind(), IndexError, "0-dim"),
        (lambda m, x: x.tensor_split(0), RuntimeError, "larger than 0"),
        (lambda m, x: x.hsplit(2), RuntimeError, "not divisible"),
        (lambda m, x: m.meshgrid(x), RuntimeError, "0D or 1D"),
        (lambda m, x: m.combinations(x), RuntimeError, "1D vector"),
    ],
)  # fmt: skip
def test_errors(f, error, text):
    with pytest.raises(error, match=text):
        f(minitorch, minitorch.ones(2, 3))
