"""Products of matrices and vectors: values, gradients, in-place and out= forms, errors."""

import numpy as np
import pytest

import minitorch as mt

from .harness import Case, make_tests

HALF = ("float32", "float64", "bfloat16", "float16")
LOOSE = {"float32": (1e-4, 1e-5), "bfloat16": (2e-2, 5e-2), "float16": (5e-3, 5e-3)}


def product(name, f, shapes, **options):
    return Case(name, f, shapes, dtypes=HALF, tolerance=LOOSE, **options)


CASES = [
    product(
        "matmul",
        lambda m, x, y: m.matmul(x, y),
        [
            [(3,), (3,)],
            [(3,), (3, 4)],
            [(2, 3), (3,)],
            [(2, 3), (3, 4)],
            [(2, 3), (2, 3, 2)],
            [(2, 2, 3), (3, 2)],
            [(2, 2, 3), (3,)],
            [(3,), (2, 3, 2)],
            [(2, 2, 3), (2, 3, 2)],
            [(2, 1, 2, 3), (2, 3, 2)],
            [(1, 2, 3), (4, 3, 2)],
            [(0, 3), (3, 4)],
            [(2, 0), (0, 3)],
            [(0, 2, 3), (3, 4)],
            [(4, 0, 3), (4, 3, 2)],
            [(3, 17, 33), (3, 33, 19)],
            [(70, 65), (65, 130)],
            [(2, 3, 40, 20), (2, 3, 20, 9)],
        ],
    ),
    product(
        "matmul_of_transposes",
        lambda m, x, y: x.transpose(-2, -1) @ y.transpose(0, 1),
        [[(3, 2), (4, 3)], [(33, 18), (70, 33)], [(0, 2), (4, 0)]],
    ),
    product(
        "matmul_of_heads",
        lambda m, x, y: x.transpose(1, 2) @ y.permute(0, 2, 3, 1),
        [[(2, 3, 1, 2), (2, 2, 1, 2)], [(2, 9, 4, 8), (2, 11, 4, 8)]],
    ),
    product("mm", lambda m, x, y: m.mm(x, y), [[(2, 3), (3, 4)], [(50, 40), (40, 60)]]),
    product("bmm", lambda m, x, y: m.bmm(x, y), [[(2, 2, 3), (2, 3, 2)], [(5, 20, 7), (5, 7, 30)]]),
    product("mv", lambda m, x, y: m.mv(x, y), [[(2, 3), (3,)], [(200, 90), (90,)], [(3, 0), (0,)]]),
    product("dot", lambda m, x, y: m.dot(x, y), [[(3,), (3,)], [(1000,), (1000,)], [(0,), (0,)]]),
    Case("vdot", lambda m, x, y: m.vdot(x, y), [[(3,), (3,)]]),
    Case("outer", lambda m, x, y: m.outer(x, y), [[(3,), (4,)], [(0,), (4,)]]),
    Case("ger", lambda m, x, y: m.ger(x, y), [[(3,), (4,)]]),
    Case(
        "inner",
        lambda m, x, y: m.inner(x, y),
        [[(3,), (3,)], [(2, 3), (4, 3)], [(2, 2, 3), (3,)], [(), (2, 3)]],
        tolerance=LOOSE,
    ),
    Case(
        "chain_matmul",
        lambda m, *xs: m.chain_matmul(*xs),
        [[(2, 3), (3, 1), (1, 4)], [(5, 20), (20, 3), (3, 30), (30, 4)]],
        dtypes=("float32", "float64"),
        tolerance=LOOSE,
    ),
]

SCALARS = [{}, {"beta": 0.5, "alpha": 2.0}, {"beta": 0}, {"beta": 2.0}, {"alpha": -1.5}]
ADDED = {
    "addmm": [
        [(2, 3), (2, 2), (2, 3)],
        [(3,), (2, 2), (2, 3)],
        [(2, 1), (2, 2), (2, 3)],
        [(), (2, 2), (2, 3)],
        [(2, 3), (2, 0), (0, 3)],
        [(40, 50), (40, 20), (20, 50)],
    ],
    "addmv": [[(2,), (2, 3), (3,)], [(1,), (2, 3), (3,)], [(40,), (40, 70), (70,)]],
    "baddbmm": [
        [(2, 2, 2), (2, 2, 3), (2, 3, 2)],
        [(2,), (2, 2, 3), (2, 3, 2)],
        [(2, 2, 2), (2, 2, 0), (2, 0, 2)],
    ],
    "addbmm": [
        [(2, 2), (2, 2, 3), (2, 3, 2)],
        [(2,), (2, 2, 3), (2, 3, 2)],
        [(2, 2), (0, 2, 3), (0, 3, 2)],
    ],
    "addr": [[(2, 3), (2,), (3,)], [(3,), (2,), (3,)]],
}
CASES += [
    Case(
        f"{name}-{i}",
        lambda m, c, x, y, name=name, kw=kw: getattr(m, name)(c, x, y, **kw),
        shapes,
        tolerance=LOOSE,
    )
    for name, shapes in ADDED.items()
    for i, kw in enumerate(SCALARS)
]
globals().update(make_tests(CASES))


@pytest.mark.parametrize("name", sorted(ADDED))
@pytest.mark.parametrize("kw", SCALARS)
def test_added_in_place(name, kw):
    rng = np.random.default_rng(0)
    c, x, y = (mt.from_numpy(rng.standard_normal(s)) for s in ADDED[name][0])
    want = getattr(mt, name)(c, x, y, **kw)
    view = c[...]
    got = getattr(c, name + "_")(x, y, **kw)
    assert got is c
    np.testing.assert_allclose(view.numpy(), want.numpy(), rtol=1e-12, atol=1e-12)
    # recorded: the gradient flows to all three
    leaves = [mt.from_numpy(rng.standard_normal(s)).requires_grad_() for s in ADDED[name][0]]
    z = leaves[0] * 1
    getattr(z, name + "_")(*leaves[1:], **kw).sum().backward()
    again = [t.detach().clone().requires_grad_() for t in leaves]
    getattr(mt, name)(*again, **kw).sum().backward()
    for a, b in zip(leaves, again, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12, atol=1e-12)


def test_out():
    x, y = mt.ones(2, 3), mt.ones(3, 4)
    out = mt.empty(2, 4)
    assert mt.matmul(x, y, out=out) is out
    assert out.tolist() == [[3.0] * 4] * 2
    with pytest.raises(RuntimeError, match="out="):
        mt.mm(x.requires_grad_(), y, out=out)


def test_saves_only_what_a_gradient_needs():
    x, w = mt.ones(2, 3), mt.ones(3, 4, requires_grad=True)
    y = x @ w
    w.data.mul_(1)
    y.sum().backward()
    # w was not saved, so that changing it is no error; x was
    z = x @ w
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_nan_in_an_input_that_beta_switches_off():
    c = mt.full((2, 2), float("nan"))
    assert mt.addmm(c, mt.ones(2, 3), mt.ones(3, 2), beta=0).tolist() == [[3.0, 3.0]] * 2


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: mt.ones(2, 3) @ mt.ones(2, 3), r"matmul.*cannot be multiplied \(2x3 and 2x3\)"),
        (lambda: mt.mm(mt.ones(2, 3), mt.ones(3)), "mm.*2D"),
        (lambda: mt.bmm(mt.ones(2, 2, 3), mt.ones(3, 3, 2)), "bmm.*first two dimensions"),
        (lambda: mt.dot(mt.ones(3), mt.ones(4)), "dot.*same number of elements"),
        (lambda: mt.dot(mt.ones(3, 1), mt.ones(3)), "dot.*1D tensors expected"),
        (lambda: mt.mv(mt.ones(2, 3), mt.ones(2)), "mv.*cannot be multiplied"),
        (lambda: mt.ones(2, 2) @ mt.tensor(1.0), "at least 1D"),
        (lambda: mt.ones(2, 2) @ mt.ones(2, 2).double(), "same dtype.*float"),
        (lambda: mt.ones(2, 2).bool() @ mt.ones(2, 2).bool(), "not implemented for 'Bool'"),
        (lambda: mt.ones(2, 3, 4) @ mt.ones(3, 4, 5), "matmul"),
        (lambda: mt.addmm(mt.ones(3, 3), mt.ones(2, 3), mt.ones(3, 4)), "addmm"),
        (lambda: mt.ones(4).addmm_(mt.ones(2, 3), mt.ones(3, 4)), "addmm_"),
        (lambda: mt.ones(1, 4).expand(2, 4).addmm_(mt.ones(2, 3), mt.ones(3, 4)), "single memory"),
        (
            lambda: mt.addmm(
                mt.ones(2, 2).long(), mt.ones(2, 2).long(), mt.ones(2, 2).long(), alpha=0.5
            ),
            "integral",
        ),
        (lambda: mt.outer(mt.ones(2, 2), mt.ones(2)), "outer.*1-D"),
        (lambda: mt.chain_matmul(mt.ones(2, 2), mt.ones(2)), "2D"),
    ],
)
def test_errors(call, text):
    with pytest.raises(RuntimeError, match=text):
        call()


def test_not_a_tensor():
    with pytest.raises(TypeError, match="matmul"):
        mt.matmul(mt.ones(2, 2), 3)
