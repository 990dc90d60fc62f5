"""The float32 functions against float64 NumPy over the whole range, within the bounds of math.h."""

import math
from pathlib import Path

import numpy as np
import pytest

import minitorch

# Every 2039th bit pattern, positive and negative, subnormals, infinities and NaN included.
BITS = np.arange(0, 1 << 32, 2039, dtype=np.uint64).astype(np.uint32)
X = BITS.view(np.float32)


def error_in_ulp(got, want):
    """|got - want| in units of the last place of float32 at want; 0 where both are NaN or infinite."""
    got = got.astype(np.float64)
    with np.errstate(all="ignore"):
        exact = want.astype(np.float32)
        same = (np.isnan(got) & np.isnan(want)) | (got == exact)
        unit = np.spacing(np.abs(exact)).astype(np.float64)
        error = np.abs(got - want) / np.where(np.isfinite(unit), unit, 2.0**104)
    # Rounding to infinity one step early or late is an error of one unit.
    overflow = np.isinf(got) != np.isinf(exact)
    error = np.where(overflow & (np.abs(want) > 3.4028e38), 1, error)
    return np.where(same, 0, error)


REFERENCES = {
    "exp": (np.exp, 1.1),
    "exp2": (np.exp2, 1.1),
    "expm1": (np.expm1, 2),
    "log": (np.log, 1.1),
    "log2": (np.log2, 2),
    "log10": (np.log10, 2),
    "log1p": (np.log1p, 2),
    "tanh": (np.tanh, 2),
    "sinh": (np.sinh, 3),
    "cosh": (np.cosh, 3),
    "asinh": (np.arcsinh, 3),
    "acosh": (np.arccosh, 3),
    "atanh": (np.arctanh, 3),
    "asin": (np.arcsin, 3),
    "acos": (np.arccos, 3),
    "atan": (np.arctan, 3),
    "sin": (np.sin, 2),
    "cos": (np.cos, 2),
    "tan": (np.tan, 4),
    "erf": (np.vectorize(math.erf), 3),
    "erfc": (np.vectorize(math.erfc), 8),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_one_argument(name):
    reference, bound = REFERENCES[name]
    x = X
    if name in ("sin", "cos", "tan"):
        # Blocks of small arguments run the vectorised form, mixed ones the C library.
        x = np.concatenate([X[np.abs(X) <= 1e6], X])
    got = getattr(minitorch, name)(minitorch.from_numpy(x.copy())).numpy()
    with np.errstate(all="ignore"):
        error = error_in_ulp(got, reference(x.astype(np.float64)))
    worst = int(error.argmax())
    assert error[worst] <= bound, (
        f"{name}({x[worst]!r}) = {got[worst]!r} is off by {error[worst]} ULP"
    )


def test_sigmoid():
    # Below -88 the exponential overflows, and the result is 0 where it would be subnormal.
    x = X[~(X < -88)]
    got = minitorch.sigmoid(minitorch.from_numpy(x)).numpy()
    with np.errstate(all="ignore"):
        error = error_in_ulp(got, 1 / (1 + np.exp(-x.astype(np.float64))))
    assert error.max() <= 3
    assert (minitorch.sigmoid(minitorch.tensor([-90.0, -1e30])).numpy() < 1e-38).all()


def test_erfinv():
    x = np.linspace(-1, 1, 400_001).astype(np.float32)
    got = minitorch.erfinv(minitorch.from_numpy(x)).numpy()
    want = minitorch.erfinv(minitorch.from_numpy(x.astype(np.float64))).numpy()
    assert error_in_ulp(got, want).max() <= 4
    np.testing.assert_allclose([math.erf(y) for y in want[1:-1]], x[1:-1], rtol=1e-14)


@pytest.mark.skipif(np.finfo(np.longdouble).eps > 1e-18, reason="needs a wider float")
def test_exp_of_float64():
    rng = np.random.default_rng(2)
    x = np.concatenate([rng.uniform(-745, 709.78, 300_000), rng.uniform(-1, 1, 300_000)])
    got = minitorch.exp(minitorch.from_numpy(x)).numpy()
    want = np.exp(x.astype(np.longdouble))
    unit = np.spacing(want.astype(np.float64))
    assert (np.abs(got.astype(np.longdouble) - want) / unit).max() <= 1.2
    edges = np.array(
        [np.inf, -np.inf, np.nan, 0.0, -0.0, 709.782712893384, 709.7827128933841, -746.0]
    )
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(
            minitorch.exp(minitorch.from_numpy(edges)).numpy(), np.exp(edges), rtol=3e-16
        )


def pairs(rng, n):
    """Half of them of any bits, half of moderate size."""
    wide = rng.integers(0, 1 << 32, (2, n), dtype=np.uint32).view(np.float32)
    near = rng.uniform(-20, 20, (2, n)).astype(np.float32)
    return np.concatenate([wide, near, np.abs(near)], axis=1)


@pytest.mark.parametrize(
    ("name", "reference", "bound"),
    [
        ("pow", np.power, 1.1),
        ("atan2", np.arctan2, 4),
        ("hypot", np.hypot, 1.1),
    ],
)
def test_two_arguments(name, reference, bound):
    x, y = pairs(np.random.default_rng(0), 200_000)
    got = getattr(minitorch, name)(minitorch.from_numpy(x), minitorch.from_numpy(y)).numpy()
    with np.errstate(all="ignore"):
        error = error_in_ulp(got, reference(x.astype(np.float64), y.astype(np.float64)))
    worst = int(error.argmax())
    assert error[worst] <= bound, f"{name}({x[worst]!r}, {y[worst]!r}) = {got[worst]!r}"


@pytest.mark.parametrize(
    ("name", "reference"),
    [("fmod", np.fmod), ("remainder", np.mod), ("floor_divide", np.floor_divide)],
)
def test_quotients_are_exact(name, reference):
    rng = np.random.default_rng(1)
    x = rng.uniform(-1e4, 1e4, 100_000).astype(np.float32)
    y = rng.uniform(0.01, 30, 100_000).astype(np.float32) * rng.choice([-1, 1], 100_000)
    y = y.astype(np.float32)
    got = getattr(minitorch, name)(minitorch.from_numpy(x), minitorch.from_numpy(y)).numpy()
    want = reference(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
    np.testing.assert_array_equal(got, want)


def test_sixteen_bit_conversions_of_every_pattern():
    bits = np.arange(1 << 16, dtype=np.uint16)
    half = bits.view(np.float16)
    np.testing.assert_array_equal(
        minitorch.from_numpy(half).float().numpy(), half.astype(np.float32)
    )
    with np.errstate(all="ignore"):
        x = np.concatenate([X, half.astype(np.float32), half.astype(np.float32) * 1.0003])
        want = x.astype(np.float16)
    np.testing.assert_array_equal(minitorch.from_numpy(x).half().numpy(), want)
    wide = (bits.astype(np.uint32) << 16).view(np.float32)
    back = minitorch.from_numpy(wide.copy()).bfloat16().float().numpy()
    np.testing.assert_array_equal(back, wide)
    # Rounding to nearest even: the value is at most half a step away, ties have an even last bit.
    finite = X[np.isfinite(X) & (np.abs(X) < 3e38)]
    rounded = minitorch.from_numpy(finite.copy()).bfloat16().float().numpy()
    step = np.spacing(np.abs(rounded)).astype(np.float64) * 2**16
    error = np.abs(rounded.astype(np.float64) - finite) / step
    assert error.max() <= 0.5
    ties = error == 0.5
    assert not (rounded[ties].view(np.uint32) >> 16 & 1).any()


def test_the_header_states_these_bounds():
    header = Path(__file__).resolve().parents[2] / "csrc/kernels/math.h"
    if not header.exists():
        pytest.skip("needs the source tree")
    text = header.read_text()[:1500]
    for name in REFERENCES:
        assert f" {name} " in text, f"math.h does not state the bound of {name}"
