"""Elementwise functions of one tensor."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

words = str.split

# Around the vector widths, several blocks of the driver, and rows shorter than a block.
SHAPES = [[(3, 5)], [()], [(0, 3)], [(17,)], [(2, 3, 4)], [(5, 1030)]]


def unary(name, low=-2.0, high=2.0, shapes=SHAPES, **options):
    return Case(
        name, lambda m, x: getattr(m, name)(x), shapes=shapes, low=low, high=high, **options
    )


LOOSE = {"bfloat16": (2e-2, 2e-2), "float16": (4e-3, 4e-3)}
CASES = [
    *(unary(n) for n in ("exp", "exp2", "expm1", "sin", "cos", "tanh", "erf", "erfc", "sigmoid")),
    *(unary(n) for n in ("atan", "sinh", "cosh", "asinh", "square", "neg", "deg2rad", "rad2deg")),
    *(unary(n, 0.1, 4.0) for n in ("log", "log2", "log10", "sqrt", "rsqrt", "reciprocal")),
    unary("log1p", -0.9, 3.0),
    unary("tan", -1.4, 1.4, tolerance=LOOSE),
    unary("asin", -0.9, 0.9),
    unary("acos", -0.9, 0.9),
    unary("acosh", 1.1, 5.0),
    unary("atanh", -0.9, 0.9),
    unary("logit", 0.1, 0.9),
    unary("sinc", 0.1, 3.0),
    unary("nan_to_num"),
    # Kinks and steps: no second derivatives worth checking, and none at the kink itself.
    unary("abs", 0.1, 2.0),
    unary("relu", 0.1, 2.0),
    unary("frac", 0.1, 0.9),
    *(unary(n, 0.1, 0.4) for n in ("sign", "floor", "ceil", "trunc", "round")),
    unary("sgn", grad=False),
    Case("round2", lambda m, x: m.round(x, decimals=2), shapes=SHAPES[:2], grad=False),
    Case("round-1", lambda m, x: m.round(x, decimals=-1), shapes=SHAPES[:2], high=99.0, grad=False),
    Case("logit_eps", lambda m, x: m.logit(x, 0.2), shapes=[[(3, 5)]], low=0.3, high=0.7),
]
globals().update(make_tests(CASES))

EDGES = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1e-40, -1e-40, 3e38, -3e38, np.inf, -np.inf, np.nan]
EDGE_OPS = words(
    "exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal sin cos tan asin acos atan sinh cosh tanh "
    "asinh acosh atanh erf erfc sigmoid neg abs sign square relu floor ceil trunc round frac isnan isinf "
    "isfinite isposinf isneginf signbit logical_not nan_to_num sinc"
)


@pytest.mark.parametrize("name", EDGE_OPS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
def test_edges_as_in_torch(name, dtype):
    torch = pytest.importorskip("torch")
    # Repeated, so that the vectorised part of the loop meets them as well.
    data = np.array((EDGES[:-1] if name == "signbit" else EDGES) * 5)
    ours = getattr(minitorch, name)(minitorch.tensor(data).to(getattr(minitorch, dtype)))
    theirs = getattr(torch, name)(torch.tensor(data).to(getattr(torch, dtype)))
    a, b = ours.double().numpy(), theirs.double().numpy()
    wide = {"float32": 1e-5, "float64": 1e-12, "float16": 2e-3, "bfloat16": 1.6e-2}[dtype]
    np.testing.assert_allclose(a, b, rtol=wide, atol=0 if dtype == "float64" else 1e-38)
    if name not in ("tan", "round", "frac", "sinc"):
        np.testing.assert_array_equal(np.signbit(a[a == 0]), np.signbit(b[a == 0]))


@pytest.mark.parametrize("name", ["abs", "neg", "sign", "square", "relu", "floor", "bitwise_not"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers(name, dtype):
    torch = pytest.importorskip("torch")
    info = minitorch.iinfo(getattr(minitorch, dtype))
    data = [info.min, info.max, 0, 1, 7, 100] * 3
    ours = getattr(minitorch, name)(minitorch.tensor(data, dtype=getattr(minitorch, dtype)))
    theirs = getattr(torch, name)(torch.tensor(data, dtype=getattr(torch, dtype)))
    assert str(ours.dtype).split(".")[1] == dtype
    assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("name", ["exp", "sin", "sigmoid", "sqrt", "frac"])
def test_integers_become_float32(name):
    y = getattr(minitorch, name)(minitorch.tensor([1, 2, 3]))
    assert y.dtype is minitorch.float32
    want = getattr(minitorch, name)(minitorch.tensor([1.0, 2.0, 3.0]))
    assert y.tolist() == want.tolist()


def test_bool():
    b = minitorch.tensor([True, False] * 40)
    assert (~b).tolist() == [False, True] * 40
    assert minitorch.logical_not(b).tolist() == [False, True] * 40
    with pytest.raises(RuntimeError):
        minitorch.neg(b)
    with pytest.raises(RuntimeError):
        minitorch.positive(b)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_large_angles(name):
    x = np.array([1e5, 1e6, 3e6, 1e10, 1e20, 3e38, -1e7] + [0.5] * 300, np.float32)
    got = getattr(minitorch, name)(minitorch.from_numpy(x)).numpy()
    want = getattr(np, name)(x.astype(np.float64))
    np.testing.assert_allclose(got, want, rtol=3e-7)


@pytest.mark.parametrize(
    "name", ["exp", "sin", "sigmoid", "sqrt", "abs", "floor", "relu", "round", "deg2rad", "logit"]
)
def test_in_place(name):
    x = minitorch.tensor([[0.2, 0.4, 0.7], [0.1, 0.3, 0.9]])
    want = getattr(minitorch, name)(x)
    for view in (lambda t: t, lambda t: t.t(), lambda t: t[:, 1:]):
        y = x.clone()
        part = view(y)
        assert getattr(part, name + "_")() is part
        assert view(y).tolist() == view(want).tolist()
    with pytest.raises(RuntimeError):
        getattr(minitorch.ones(3, requires_grad=True), name + "_")()


def test_in_place_gradient():
    x = minitorch.tensor([0.5, -0.3], requires_grad=True, dtype=minitorch.float64)
    y = x * 2
    y.sin_()
    y[0:1].cos_()
    y.sum().backward()
    want = [-np.sin(np.sin(1.0)) * np.cos(1.0) * 2, np.cos(-0.6) * 2]
    np.testing.assert_allclose(x.grad.tolist(), want)
    # exp_ saved its result, which is overwritten.
    z = (x * 2).exp_()
    z[0:1].sin_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()


def test_out():
    x = minitorch.tensor([1.0, 4.0])
    out = minitorch.empty(2)
    assert minitorch.sqrt(x, out=out) is out
    assert out.tolist() == [1.0, 2.0]
    with pytest.raises(RuntimeError, match="can't be cast"):
        minitorch.sqrt(x, out=minitorch.empty(2, dtype=minitorch.int64))


def test_results_keep_the_layout_of_a_dense_input():
    x = minitorch.randn(4, 6).t()
    assert x.exp().stride() == x.stride()
    assert minitorch.isnan(x).stride() == x.stride()


def test_whole_tensor_comparisons():
    x = minitorch.tensor([1.0, float("nan"), float("inf")])
    near = minitorch.tensor([1.0 + 1e-7, float("nan"), float("inf")])
    assert minitorch.isclose(x, near).tolist() == [True, False, True]
    assert minitorch.isclose(x, near, equal_nan=True).all()
    assert not minitorch.allclose(x, near)
    assert minitorch.allclose(x, near, equal_nan=True)
    assert minitorch.equal(x[:1], x[:1]) and not minitorch.equal(x, x)
    assert not minitorch.equal(x, x[:2])
    with pytest.raises(RuntimeError):
        minitorch.isclose(x, x.double())


def test_frexp_and_nan_to_num():
    x = np.array([0.0, 1.0, -3.5, 1e-40, 3e38, 0.5, -0.25], np.float32)
    mantissa, exponent = minitorch.frexp(minitorch.from_numpy(x))
    m, e = np.frexp(x)
    assert exponent.dtype is minitorch.int32
    np.testing.assert_array_equal(mantissa.numpy(), m)
    np.testing.assert_array_equal(exponent.numpy(), e)
    y = minitorch.nan_to_num(minitorch.tensor([np.nan, np.inf, -np.inf, 2.0]), 7.0, 8.0, 9.0)
    assert y.tolist() == [7.0, 8.0, 9.0, 2.0]
