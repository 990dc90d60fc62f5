"""Numerical derivatives."""

import pytest

import minitorch as mt

from .harness import Case, make_tests

CASES = [
    Case("gradient", lambda m, x: tuple(m.gradient(x)), shapes=[[(5,)], [(3, 4)]], gradgrad=False),
    Case("spacing", lambda m, x: m.gradient(x, spacing=0.5, dim=-1)[0], shapes=[[(4, 3)]]),
    Case(
        "coordinates",
        lambda m, x: m.gradient(x, spacing=(m.tensor([0.0, 1.0, 3.0, 7.0]),), edge_order=2)[0],
        shapes=[[(4,)]],
    ),
]
globals().update(make_tests(CASES))


def test_errors():
    with pytest.raises(RuntimeError, match=r"edge_order\+1"):
        mt.gradient(mt.zeros(1))
    with pytest.raises(RuntimeError, match="one per dim"):
        mt.gradient(mt.zeros(3, 3), spacing=[1.0])
