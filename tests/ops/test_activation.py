"""Activations against torch: values, layouts, dtypes, gradients."""

import pytest

import minitorch

from .harness import Case, make_tests

SHAPES = [[(7,)], [(3, 6)], [(0,)], [(2, 17)]]


def f(name, *args, **kwargs):
    return lambda m, x: getattr(m.nn.functional, name)(x, *args, **kwargs)


CASES = [
    Case("gelu", f("gelu"), SHAPES),
    Case("gelu_tanh", f("gelu", approximate="tanh"), SHAPES),
    Case("silu", f("silu"), SHAPES),
    Case("mish", f("mish"), SHAPES),
    Case("elu", f("elu", alpha=0.7), SHAPES),
    Case("celu", f("celu", alpha=1.3), SHAPES),
    Case("selu", f("selu"), SHAPES),
    Case("leaky_relu", f("leaky_relu", 0.2), SHAPES),
    Case("relu6", f("relu6"), SHAPES, low=-4, high=8),
    Case("softplus", f("softplus", beta=2, threshold=3), SHAPES),
    Case("hardtanh", f("hardtanh", -0.5, 0.75), SHAPES),
    Case("hardsigmoid", f("hardsigmoid"), SHAPES, low=-5, high=5),
    Case("hardswish", f("hardswish"), SHAPES, low=-5, high=5),
    Case("softsign", f("softsign"), SHAPES),
    Case("tanhshrink", f("tanhshrink"), SHAPES),
    Case("logsigmoid", f("logsigmoid"), SHAPES),
    Case("hardshrink", f("hardshrink", 0.4), SHAPES),
    Case("softshrink", f("softshrink", 0.4), SHAPES),
    Case("threshold", f("threshold", 0.1, -2.0), SHAPES),
    Case("relu", f("relu"), SHAPES),
    Case("glu", f("glu", dim=-1), [[(4,)], [(3, 6)]]),
    Case("prelu", lambda m, x, w: m.nn.functional.prelu(x, w), [[(3, 4), (1,)], [(2, 3, 2), (3,)]]),
]  # fmt: skip
globals().update(make_tests(CASES))


@pytest.mark.parametrize(
    "name", ["relu", "elu", "leaky_relu", "selu", "celu", "hardtanh", "relu6", "silu", "mish"]
)
def test_in_place(name):
    functional = minitorch.nn.functional
    x = minitorch.randn(50)
    want = getattr(functional, name)(x)
    y = x.clone()
    assert getattr(functional, name)(y, inplace=True) is y
    assert y.equal(want)


def test_bad_arguments():
    functional = minitorch.nn.functional
    with pytest.raises(RuntimeError, match="3"):
        functional.glu(minitorch.zeros(3))
    with pytest.raises(RuntimeError):
        functional.prelu(minitorch.zeros(2, 3), minitorch.zeros(5))
    with pytest.raises((RuntimeError, ValueError), match="none"):
        functional.gelu(minitorch.zeros(2), approximate="sometimes")
