"""Linear and bilinear layers as functions."""

import pytest

import minitorch as mt

from .harness import Case, make_tests

F = mt.ops.FUNCTIONAL
LOOSE = {"float32": (1e-4, 1e-5), "bfloat16": (2e-2, 5e-2), "float16": (5e-3, 5e-3)}


def functional(m):
    return m.nn.functional if m is not mt else _Ours


class _Ours:
    linear = staticmethod(lambda *a: F["linear"](*a))
    bilinear = staticmethod(lambda *a: F["bilinear"](*a))


CASES = [
    Case(
        "linear",
        lambda m, x, w, b: functional(m).linear(x, w, b),
        [
            [(2, 3), (2, 3), (2,)],
            [(3,), (2, 3), (2,)],
            [(2, 2, 3), (2, 3), (2,)],
            [(0, 3), (2, 3), (2,)],
            [(2, 0), (3, 0), (3,)],
            [(2, 3), (1, 3), (1,)],
            [(64, 100), (33, 100), (33,)],
            [(3, 50, 20), (70, 20), (70,)],
        ],
        dtypes=("float32", "float64", "bfloat16", "float16"),
        tolerance=LOOSE,
    ),
    Case(
        "linear_without_bias",
        lambda m, x, w: functional(m).linear(x, w),
        [[(2, 3), (2, 3)], [(1, 300), (40, 300)], [(300, 8), (9, 8)], [(2, 3), (3,)]],
        tolerance=LOOSE,
    ),
    Case(
        "linear_of_a_transpose",
        lambda m, x, w, b: functional(m).linear(x.transpose(0, 1), w, b),
        [[(2, 3, 2), (2, 2), (2,)], [(6, 7, 20), (9, 20), (9,)]],
        tolerance=LOOSE,
    ),
    Case(
        "bilinear",
        lambda m, x, y, w, b: functional(m).bilinear(x, y, w, b),
        [[(2, 2), (2, 3), (2, 2, 3), (2,)], [(2, 3, 4), (2, 3, 5), (6, 4, 5), (6,)]],
        dtypes=("float32", "float64"),
        tolerance=LOOSE,
    ),
]
globals().update(make_tests(CASES))


def test_is_one_node():
    x, w, b = (mt.ones(s, requires_grad=True) for s in ((2, 3), (4, 3), (4,)))
    y = F["linear"](x, w, b)
    assert [fn for fn, _ in y.grad_fn.next_functions if type(fn).__name__ != "AccumulateGrad"] == []
    assert y.grad_fn.name() == "LinearBackward"


def test_frozen_weight_or_input():
    x, w, b = mt.ones(2, 3), mt.ones(4, 3, requires_grad=True), mt.ones(4)
    F["linear"](x, w, b).sum().backward()
    assert w.grad.tolist() == [[2.0] * 3] * 4
    x, w = mt.ones(2, 3, requires_grad=True), mt.ones(4, 3)
    y = F["linear"](x, w)
    x.data.add_(1)  # x is not needed for its own gradient
    y.sum().backward()
    assert x.grad.tolist() == [[4.0] * 3] * 2


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (((2, 3), (4, 2)), r"linear.*cannot be multiplied \(2x3 and 2x4\)"),
        (((2, 3), (4, 3), (5,)), "linear"),
        (((2, 3), (4, 3, 1)), "2D"),
    ],
)
def test_errors(shapes, text):
    with pytest.raises(RuntimeError, match=text):
        F["linear"](*(mt.ones(*s) for s in shapes))


def test_dtypes_must_agree():
    with pytest.raises(RuntimeError, match="same dtype"):
        F["linear"](mt.ones(2, 3), mt.ones(4, 3).double())


@pytest.mark.parametrize("use_gelu", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "float16"])
def test_activation_after_the_product(dtype, use_gelu):
    """Every way of the kernel (vector, dot, direct, packed by rows and by columns)."""
    mt.manual_seed(0)
    rtol, atol = {**LOOSE, "float64": (1e-12, 1e-12)}[dtype]
    for m, n, k in [(1, 9, 70), (3, 4, 300), (20, 30, 40), (300, 130, 500), (130, 300, 500)]:
        a, b = mt.randn(m, k).to(getattr(mt, dtype)), mt.randn(k, n).to(getattr(mt, dtype))
        for shape, beta, alpha in [((n,), 1, 1), ((m, n), 0.5, 0.1), ((m, 1), 1, -1), ((), 0, 1)]:
            c = mt.randn(*shape).to(a.dtype)
            z = mt._addmm_activation(c, a, b, beta=beta, alpha=alpha, use_gelu=use_gelu)
            want = beta * c.double() + alpha * (a.double() @ b.double())
            want = F["gelu"](want) if use_gelu else want.relu()
            assert z.dtype == a.dtype
            assert mt.allclose(z.double(), want, rtol=rtol, atol=atol * k**0.5), (m, n, k, shape)


def test_activation_after_the_product_gradients_and_errors():
    c, a, b = (mt.randn(*s, dtype=mt.float64, requires_grad=True) for s in ((4,), (3, 5), (5, 4)))
    for use_gelu in (False, True):
        z = mt._addmm_activation(c, a, b, use_gelu=use_gelu)
        y = mt.addmm(c, a, b)
        y = F["gelu"](y) if use_gelu else y.relu()
        got = mt.autograd.grad(z.sum(), (c, a, b))
        want = mt.autograd.grad(y.sum(), (c, a, b))
        assert all(mt.allclose(g, w) for g, w in zip(got, want))
    with mt.no_grad():
        with pytest.raises(RuntimeError, match="cannot be multiplied"):
            mt._addmm_activation(c, a, a)
        with pytest.raises(RuntimeError, match="dtype"):
            mt._addmm_activation(c, a, b.float())
    nan = mt.full((2, 3), float("nan"))
    assert mt._addmm_activation(mt.zeros(3), nan, mt.ones(3, 3)).isnan().all()
