"""Einstein summation, tensordot and kron."""

import numpy as np
import pytest

import minitorch as mt

from .harness import Case, make_tests

LOOSE = {"float32": (1e-4, 1e-5), "bfloat16": (2e-2, 5e-2)}
FLOATS = ("float32", "float64")

EQUATIONS = {
    "ij->ji": [(2, 3)],
    "ij": [(2, 3)],
    "ji": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "iij->ji": [(2, 2, 3)],
    "ijk->": [(2, 3, 2)],
    "ij->j": [(2, 3)],
    "i,i": [(3,), (3,)],
    "i,i->": [(3,), (3,)],
    "i,j->ij": [(2,), (3,)],
    "i,j->ji": [(2,), (3,)],
    "ij,jk": [(2, 3), (3, 2)],
    "ij,jk->ki": [(2, 3), (3, 2)],
    "ij,kj->ik": [(2, 3), (4, 3)],
    "ij,ij->ij": [(2, 3), (2, 3)],
    "ij,ij->i": [(2, 3), (2, 3)],
    "ij,j": [(2, 3), (3,)],
    "bij,bjk->bik": [(2, 2, 3), (2, 3, 2)],
    "bhqd,bhkd->bhqk": [(1, 2, 2, 2), (1, 2, 3, 2)],
    "bqhd,bkhd->bhqk": [(2, 3, 2, 4), (2, 5, 2, 4)],
    "...ij,...jk->...ik": [(2, 2, 3), (2, 3, 2)],
    "...ij,jk": [(2, 2, 2, 3), (3, 2)],
    "i...,...j->ij...": [(2, 3), (3, 2)],
    "b...,b...->b": [(2, 2, 3), (2, 2, 3)],
    "...,...": [(2, 3), (3,)],
    "ijk,jil->kl": [(2, 3, 2), (3, 2, 2)],
    "ik,jkl,il->ij": [(2, 2), (3, 2, 2), (2, 2)],
    "ij,jk,kl,lm->im": [(2, 3), (3, 1), (1, 3), (3, 2)],
    "ij,jk->ik ": [(2, 1), (3, 2)],
    "a,b,c->abc": [(2,), (3,), (2,)],
    "aij,jk->ik": [(2, 2, 3), (3, 2)],
    "Ab,bA->A": [(2, 3), (3, 2)],
    "ij , jk -> ik": [(0, 3), (3, 2)],
    "ij,jk->ik": [(2, 0), (0, 3)],
    "i,->i": [(3,), ()],
}

CASES = [
    Case(
        f"einsum {equation}",
        lambda m, *xs, equation=equation: m.einsum(equation, *xs),
        [shapes],
        dtypes=FLOATS,
        tolerance=LOOSE,
    )
    for equation, shapes in EQUATIONS.items()
]
CASES += [
    Case(
        "einsum_sublists",
        lambda m, x, y: m.einsum(x, [0, 1], y, [1, 2], [2, 0]),
        [[(2, 3), (3, 2)]],
        dtypes=FLOATS,
    ),
    Case(
        "einsum_sublists_ellipsis",
        lambda m, x, y: m.einsum(x, [..., 0, 1], y, [..., 1, 2]),
        [[(2, 2, 3), (2, 3, 2)]],
        dtypes=FLOATS,
    ),
    Case("einsum_list", lambda m, x, y: m.einsum("i,i", [x, y]), [[(3,), (3,)]], dtypes=FLOATS),
    Case(
        "tensordot_number",
        lambda m, x, y: m.tensordot(x, y, dims=2),
        [[(2, 3, 2), (3, 2, 2)], [(4, 5, 6), (5, 6, 7)]],
        dtypes=FLOATS,
        tolerance=LOOSE,
    ),
    Case("tensordot_none", lambda m, x, y: m.tensordot(x, y, 0), [[(2,), (3,)]], dtypes=FLOATS),
    Case(
        "tensordot_lists",
        lambda m, x, y: m.tensordot(x, y, dims=([1, 0], [0, -1])),
        [[(2, 3, 2), (3, 2, 2)]],
        dtypes=FLOATS,
        tolerance=LOOSE,
    ),
    Case(
        "kron",
        lambda m, x, y: m.kron(x, y),
        [[(2, 3), (2, 2)], [(3,), (2, 2)], [(2, 1, 2), (2,)], [(0, 2), (2, 2)]],
        dtypes=FLOATS,
    ),
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("size", [1, 5, 40])
def test_against_numpy_on_integers(size):
    rng = np.random.default_rng(size)
    x, y = rng.integers(-5, 5, (3, size, 7)), rng.integers(-5, 5, (7, size, 4))
    for equation in ("bik,kij->bj", "bik,kij->jb", "bik,kij->bij", "bik,kij->kbj"):
        got = mt.einsum(equation, mt.from_numpy(x), mt.from_numpy(y)).numpy()
        assert np.array_equal(got, np.einsum(equation, x, y)), equation


def test_sums_keep_the_dtype_of_integers():
    x = mt.ones(2, 3, dtype=mt.int32)
    assert mt.einsum("ij->i", x).dtype == mt.int32
    assert mt.tensordot(x, mt.ones(1, dtype=mt.int32), dims=([1], [0])).dtype == mt.int32


def test_the_order_of_a_long_chain_is_a_cheap_one(monkeypatch):
    """A vector first meets the matrices one by one; matrix by matrix would be 1000 times the work."""
    from minitorch.ops import einsum as module

    sizes = []
    real = module.matmul

    def count(x, y):
        z = real(x, y)
        sizes.append(z.numel())
        return z

    monkeypatch.setattr(module, "matmul", count)
    m = mt.ones(50, 50)
    mt.einsum("ij,jk,kl,l->i", m, m, m, mt.ones(50))
    assert max(sizes) == 50


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mt.einsum("ij,jk", mt.ones(2, 2)), "2 operands, but 1"),
        (lambda: mt.einsum("ijk", mt.ones(2, 2)), "number of subscripts"),
        (lambda: mt.einsum("i", mt.ones(2, 2)), "number of subscripts"),
        (lambda: mt.einsum("ij,jk", mt.ones(2, 3), mt.ones(4, 2)), "do not broadcast"),
        (lambda: mt.einsum("ii", mt.ones(2, 3)), "sizes don't match"),
        (lambda: mt.einsum("ij->ii", mt.ones(2, 2)), "more than once"),
        (lambda: mt.einsum("ij->k", mt.ones(2, 2)), "does not appear"),
        (lambda: mt.einsum("i1", mt.ones(2, 2)), "invalid subscript"),
        (lambda: mt.einsum("i..j", mt.ones(2, 2)), "not part of any ellipsis"),
        (lambda: mt.einsum("...i...", mt.ones(2, 2)), "twice"),
        (lambda: mt.einsum("i"), "at least one operand"),
        (lambda: mt.tensordot(mt.ones(2, 3), mt.ones(2, 3), 1), "need to match"),
        (lambda: mt.tensordot(mt.ones(2), mt.ones(2), 2), "dims"),
        (lambda: mt.tensordot(mt.ones(2), mt.ones(2), -1), "dims >= 0"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


@pytest.mark.parametrize(
    ("equation", "x", "y"),
    [
        ("ij,jk->ik", (3, 4), (4, 5)),
        ("ij,jk->ki", (3, 4), (4, 5)),
        ("ij,jk->ik", (3, 4), (1, 5)),
        ("ij,jk->ik", (3, 1), (4, 5)),
        ("i,i->", (4,), (4,)),
        ("ij,ij->", (3, 4), (3, 4)),
        ("ijk,jk->i", (2, 3, 4), (3, 4)),
        ("jk,ijkl->il", (3, 4), (2, 3, 4, 5)),
        ("ij,j->i", (3, 4), (4,)),
        ("j,ij->i", (4,), (3, 4)),
        ("bij,bj->bi", (2, 3, 4), (2, 4)),
        ("bij,bj->ib", (2, 3, 4), (2, 4)),
        ("bij,bjk->bik", (2, 3, 4), (1, 4, 5)),
        ("bhqd,bkhd->bhqk", (2, 3, 4, 5), (2, 6, 3, 5)),
        ("abcd,cbe->ade", (2, 3, 4, 5), (4, 3, 6)),
        ("ij,jk->ik", (0, 4), (4, 5)),
        ("ij,jk->ik", (3, 0), (0, 5)),
    ],
)
def test_products_of_two(equation, x, y):
    rng = np.random.default_rng(0)
    a, b = rng.integers(-5, 5, x).astype("float64"), rng.integers(-5, 5, y).astype("float64")
    for _ in range(2):  # the second call finds its plan
        got = mt.einsum(equation, mt.tensor(a), mt.tensor(b))
        np.testing.assert_array_equal(got.numpy(), np.einsum(equation, a, b))
