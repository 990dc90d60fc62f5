"""where, clamp, lerp, addcmul, addcdiv."""

import numpy as np
import pytest

import minitorch
from tests.ops.harness import Case, make_tests

THREE = [
    [(3, 5), (3, 5), (3, 5)],
    [(3, 5), (5,), (3, 1)],
    [(), (2, 3), (3,)],
    [(0, 3), (3,), (1, 3)],
    [(2, 700), (700,), (2, 1)],
]


def apart(rng, shapes):
    """x, a lower and an upper limit, never close to each other."""
    return [
        rng.integers(-3, 4, shapes[0]) + 0.25,
        rng.integers(-2, 0, shapes[1]) + 0.5,
        rng.integers(1, 3, shapes[2]) + 0.6,
    ]


def condition(rng, shapes):
    return [
        rng.uniform(size=shapes[0]) < 0.5,
        rng.uniform(size=shapes[1]),
        rng.uniform(size=shapes[2]),
    ]


CASES = [
    Case("where", lambda m, c, x, y: m.where(c, x, y), THREE, make=condition),
    Case(
        "where_number",
        lambda m, c, x, y: m.where(c, x, 2.5) + m.where(c, 0.5, y),
        THREE,
        make=condition,
    ),
    Case("where_method", lambda m, c, x, y: x.where(c, y), THREE, make=condition),
    # torch does not reduce the gradient of an x that both limits broadcast.
    Case("clamp", lambda m, x, lo, hi: m.clamp(x, lo, hi), THREE[:2] + THREE[3:], make=apart),
    Case("clamp_numbers", lambda m, x, lo, hi: x.clamp(-0.5, 1.6), THREE[:1], make=apart),
    Case("clamp_lower", lambda m, x, lo, hi: m.clamp(x, min=lo), THREE, make=apart),
    Case("clamp_upper", lambda m, x, lo, hi: m.clamp(x, max=hi), THREE, make=apart),
    Case("clamp_min", lambda m, x, lo, hi: m.clamp_min(x, -0.5), THREE[:1], make=apart),
    Case("clamp_max", lambda m, x, lo, hi: m.clamp_max(x, 0.5), THREE[:1], make=apart),
    Case("lerp", lambda m, x, y, w: m.lerp(x, y, w), THREE, low=0.0, high=1.0),
    Case("lerp_number", lambda m, x, y, w: m.lerp(x, y, 0.3) + m.lerp(x, y, 0.8), THREE),
    Case("addcmul", lambda m, x, y, w: m.addcmul(x, y, w, value=-0.5), THREE),
    Case("addcdiv", lambda m, x, y, w: m.addcdiv(x, y, w, value=2), THREE, low=0.5),
]
globals().update(make_tests(CASES))


def test_clamp_edges():
    nan = float("nan")
    x = minitorch.tensor([nan, 1.0, 5.0, -5.0])
    assert np.isnan(x.clamp(0, 2)[0].item())
    assert x.clamp(0, 2)[1:].tolist() == [1.0, 2.0, 0.0]
    assert x.clamp(3, 1)[1:].tolist() == [1.0, 1.0, 1.0]  # min > max gives max
    assert np.isnan(x.clamp(minitorch.tensor(nan), minitorch.tensor(1.0)).numpy()).all()
    with pytest.raises(RuntimeError, match="At least one"):
        x.clamp()
    assert minitorch.tensor([1, 5]).clamp(2, 4).tolist() == [2, 4]
    assert minitorch.clip is minitorch.clamp


def test_where_forms():
    c = minitorch.tensor([True, False, True])
    assert [t.tolist() for t in minitorch.where(c)] == [[0, 2]]
    assert minitorch.where(c, 1, 0).dtype is minitorch.int64
    assert minitorch.where(c, 1.0, 0).tolist() == [1.0, 0.0, 1.0]
    assert minitorch.where(c, minitorch.tensor([1, 2, 3]), 0.5).tolist() == [1.0, 0.5, 3.0]
    with pytest.raises(RuntimeError, match="boolean"):
        minitorch.where(minitorch.tensor([1.0]), 1, 0)
    with pytest.raises(RuntimeError):
        minitorch.where(c, minitorch.ones(2), 0)


def test_where_keeps_nan_out_of_the_gradient():
    x = minitorch.tensor([0.0, 4.0], requires_grad=True)
    minitorch.where(x > 0, x.sqrt(), 0.0)[1].backward()
    assert x.grad[1].item() == 0.25


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float16", "bfloat16"])
def test_where_moves_any_dtype(dtype):
    kind = getattr(minitorch, dtype)
    c = minitorch.tensor([True, False] * 600)
    x, y = minitorch.ones(1200, dtype=kind), minitorch.zeros(1200, dtype=kind)
    z = minitorch.where(c, x, y)
    assert z.dtype is kind and z.to(minitorch.int64).tolist() == [1, 0] * 600


def test_in_place():
    x = minitorch.tensor([[1.0, 2.0], [3.0, 4.0]])
    y = x.clone().t()
    assert y.clamp_(2, 3) is y and y.tolist() == [[2.0, 3.0], [2.0, 3.0]]
    assert x.clone().clamp_min_(2.5).tolist() == [[2.5, 2.5], [3.0, 4.0]]
    assert x.clone().addcmul_(x, x, value=2).tolist() == (x + 2 * x * x).tolist()
    assert x.clone().addcdiv_(x, x, value=2).tolist() == (x + 2).tolist()
    assert x.clone().lerp_(x + 1, 0.5).tolist() == (x + 0.5).tolist()
    w = minitorch.tensor([1.0, 5.0], requires_grad=True)
    v = w * 2
    v.clamp_(max=4).addcmul_(w, w)
    v.sum().backward()
    assert w.grad.tolist() == [2 + 2.0, 0 + 10.0]
    with pytest.raises(RuntimeError):
        minitorch.ones(2).addcmul_(minitorch.ones(3, 2), minitorch.ones(2))


def test_dtype_errors():
    i = minitorch.ones(2, dtype=minitorch.int64)
    assert minitorch.addcmul(i, i, i, value=2).tolist() == [3, 3]
    for bad in (
        lambda: minitorch.addcdiv(i, i, i),
        lambda: minitorch.addcmul(i, i, i, value=0.5),
        lambda: minitorch.lerp(i, i, 0.5),
        lambda: minitorch.lerp(i.float(), i.double(), 0.5),
    ):
        with pytest.raises(RuntimeError):
            bad()
