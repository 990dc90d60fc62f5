"""where, clamp, lerp, addcmul, addcdiv."""

import numpy as np
import pytest

import minitorch

from .harness import Case, make_tests


def with_mask(rng, shapes):
    mask, *rest = shapes
    return [rng.random(mask) < 0.5, *(rng.uniform(-2, 2, s) for s in rest)]


CASES = [
    Case("where", lambda m, c, x, y: m.where(c, x, y), [[(3, 4)] * 3, [(3, 1), (4,), ()], [(0,)] * 3], make=with_mask),
    Case("where_number", lambda m, c, x: m.where(c, x, 0.5), [[(5,), (5,)]], make=with_mask),
    Case("clamp", lambda m, x: m.clamp(x, -0.5, 0.75), [[(7,)], [(2, 9)], [(0,)]]),
    Case("clamp_min", lambda m, x: x.clamp(min=0.1), [[(7,)]]),
    Case("clamp_tensors", lambda m, x, lo, hi: m.clamp(x, lo, hi), [[(3, 4), (4,), (3, 1)]]),
    Case("lerp", lambda m, x, y: m.lerp(x, y, 0.3), [[(3, 4), (3, 4)], [(3, 1), (4,)]]),
    Case("lerp_tensor", lambda m, x, y, w: m.lerp(x, y, w), [[(3, 4), (3, 4), (4,)]]),
    Case("addcmul", lambda m, x, a, b: m.addcmul(x, a, b, value=0.5), [[(3, 4), (3, 1), (4,)]]),
    Case("addcdiv", lambda m, x, a, b: m.addcdiv(x, a, b + 5, value=-2), [[(3, 4), (3, 1), (4,)]]),
]  # fmt: skip
globals().update(make_tests(CASES))


def test_in_place_forms():
    x = minitorch.tensor([-2.0, 0.0, 2.0])
    assert x.clone().clamp_(-1, 1).tolist() == [-1.0, 0.0, 1.0]
    assert x.clone().lerp_(x + 1, 0.5).tolist() == [-1.5, 0.5, 2.5]
    assert x.clone().addcmul_(x, x).tolist() == [2.0, 0.0, 6.0]
    assert x.clone().addcdiv_(x, x + 3, value=2).tolist() == pytest.approx([-6.0, 0.0, 2.8])


def test_dtypes_and_nan():
    assert minitorch.where(minitorch.tensor([True, False]), 1, 2.5).tolist() == [1.0, 2.5]
    assert minitorch.arange(5).clamp(1, 3).tolist() == [1, 1, 2, 3, 3]
    assert minitorch.arange(3).clamp(min=0.5).dtype is minitorch.float32
    assert np.isnan(minitorch.tensor([float("nan")]).clamp(0, 1).item())
    with pytest.raises(RuntimeError, match="min"):
        minitorch.ones(2).clamp()
    with pytest.raises(RuntimeError):
        minitorch.where(minitorch.tensor([True, False]), minitorch.ones(3), 0.0)
