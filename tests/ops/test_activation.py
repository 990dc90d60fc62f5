"""Activation functions."""

import numpy as np
import pytest

import minitorch
from minitorch.nn import functional as F
from tests.ops.harness import Case, make_tests

words = str.split

SHAPES = [[(3, 5)], [()], [(0, 3)], [(17,)], [(2, 3, 4)], [(5, 1030)]]


def away_from_kinks(rng, shapes):
    """Values that are at least 0.05 away from the multiples of 1/2."""
    return [rng.integers(-8, 9, shapes[0]) / 2 + rng.uniform(0.05, 0.45, shapes[0])]


def activation(name, *args, label=None, make=None, **options):
    return Case(
        label or name,
        lambda m, x: getattr(m.nn.functional, name)(x, *args),
        shapes=SHAPES,
        make=make,
        low=options.pop("low", -4.0),
        high=options.pop("high", 4.0),
        **options,
    )


CASES = [
    *(
        activation(n, make=away_from_kinks)
        for n in words(
            "relu elu celu selu leaky_relu hardtanh relu6 hardsigmoid hardswish hardshrink softshrink "
            "softsign"
        )
    ),
    *(activation(n) for n in words("sigmoid tanh gelu silu mish tanhshrink logsigmoid softplus")),
    Case("gelu_tanh", lambda m, x: m.nn.functional.gelu(x, approximate="tanh"), SHAPES, low=-4.0),
    activation("elu", 0.4, label="elu_alpha", make=away_from_kinks),
    activation("celu", 1.7, label="celu_alpha", make=away_from_kinks),
    activation("leaky_relu", 0.2, label="leaky_relu_slope", make=away_from_kinks),
    activation("softplus", 2.0, 3.0, label="softplus_beta", make=away_from_kinks),
    activation("hardtanh", -0.6, 1.2, label="hardtanh_range", make=away_from_kinks),
    activation("hardshrink", 0.7, label="hardshrink_lambda", make=away_from_kinks),
    activation("softshrink", 0.7, label="softshrink_lambda", make=away_from_kinks),
    activation("threshold", 0.2, -3.0, label="threshold", make=away_from_kinks),
    Case(
        "glu",
        lambda m, x: m.nn.functional.glu(x, 1),
        shapes=[[(3, 4)], [(2, 6, 5)], [(0, 2)]],
    ),
    Case(
        "prelu",
        lambda m, x, w: m.nn.functional.prelu(x, w),
        shapes=[[(3, 4), (4,)], [(2, 3, 5), (3,)], [(7,), (1,)], [(2, 3), (1,)]],
        low=0.1,
        high=1.0,
    ),
    Case(
        "prelu_negative",
        lambda m, x, w: m.nn.functional.prelu(-x, w),
        shapes=[[(3, 4), (4,)], [(2, 3, 5), (1,)]],
        low=0.1,
        high=1.0,
    ),
]
globals().update(make_tests(CASES))

EDGES = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 20.0, -20.0, 95.0, -95.0, 1e20, -1e20, np.inf, -np.inf, np.nan]  # fmt: skip
NAMES = words(
    "relu elu celu selu leaky_relu hardtanh relu6 hardsigmoid hardswish hardshrink softshrink sigmoid tanh "
    "gelu silu mish logsigmoid softplus"
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NAMES)
def test_edges(name, dtype):
    torch = pytest.importorskip("torch")
    data = np.array(EDGES * 5).astype(dtype)
    ours = getattr(F, name)(minitorch.from_numpy(data)).numpy()
    theirs = getattr(torch.nn.functional, name)(torch.from_numpy(data)).numpy()
    if name in ("silu", "gelu", "mish", "hardswish"):
        # Infinity times 0: torch gives NaN for most of these instead of the limit.
        ours, theirs = ours[~np.isinf(data)], theirs[~np.isinf(data)]
    # torch's gelu loses digits in the lower tail.
    rtol = 2e-4 if name == "gelu" else 2e-5
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=1e-30)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_at_edges(name):
    torch = pytest.importorskip("torch")
    data = np.array([v for v in EDGES if np.isfinite(v) and abs(v) < 1e19] * 5)
    x = minitorch.from_numpy(data.copy()).requires_grad_()
    y = torch.from_numpy(data).requires_grad_()
    getattr(F, name)(x).sum().backward()
    getattr(torch.nn.functional, name)(y).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(
    "name",
    words("relu elu celu selu leaky_relu hardtanh relu6 hardsigmoid hardswish silu mish"),
)
def test_in_place(name):
    f = getattr(F, name)
    x = minitorch.randn(3, 5)
    want = f(x)
    y = x.clone()
    assert f(y, inplace=True) is y
    assert y.tolist() == want.tolist()
    # Under autograd the input that the derivative needs is kept.
    w = minitorch.randn(3, 5, dtype=minitorch.float64, requires_grad=True)
    a, b = w * 1, w * 1
    f(a, inplace=True).sum().backward()
    first, w.grad = w.grad, None
    f(b).sum().backward()
    np.testing.assert_allclose(first.numpy(), w.grad.numpy())
    with pytest.raises(RuntimeError):
        f(w, inplace=True)


@pytest.mark.parametrize("name", ["relu_", "elu_", "celu_", "selu_", "leaky_relu_", "hardtanh_"])
def test_names_with_underscore(name):
    x = minitorch.tensor([-2.0, 3.0])
    want = getattr(F, name[:-1])(x).tolist()
    assert getattr(F, name)(x) is x and x.tolist() == want


def test_errors():
    x = minitorch.ones(2, 3)
    for bad in (
        lambda: F.gelu(x, approximate="erf"),
        lambda: F.glu(x, 1),
        lambda: F.prelu(x, minitorch.ones(2)),
        lambda: F.softshrink(x, -1),
        lambda: F.celu(x, 0),
        lambda: F.silu(x.long()),
        lambda: F.rrelu(x, 0.5, 0.1),
    ):
        with pytest.raises(RuntimeError):
            bad()
    with pytest.raises(ValueError):
        F.hardtanh(x, 1, -1)


def test_rrelu():
    x = minitorch.full((2000,), -1.0, requires_grad=True)
    y = F.rrelu(x, 0.2, 0.6, training=True)
    assert -0.6 <= y.min().item() < -0.55 and -0.25 < y.max().item() <= -0.2
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), -y.detach().numpy())
    assert F.rrelu(x, 0.2, 0.6)[0].item() == pytest.approx(-0.4)
    z = minitorch.full((5,), -1.0)
    assert F.rrelu_(z, 0.2, 0.6, training=True) is z and z[0].item() != -1


def test_gelu_keeps_its_relative_accuracy_in_the_tail():
    x = minitorch.linspace(-9, 3, 500, dtype=minitorch.float64)
    np.testing.assert_allclose(F.gelu(x.float()).numpy(), F.gelu(x).numpy(), rtol=1e-5, atol=1e-8)
    import math

    want = [0.5 * v * math.erfc(-v / math.sqrt(2)) for v in x.tolist()]
    np.testing.assert_allclose(F.gelu(x).numpy(), want, rtol=1e-12)
