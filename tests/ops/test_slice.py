"""Views of a part."""

import pytest

import minitorch as mt

from .harness import Case, make_tests

CASES = [
    Case("select", lambda m, x: m.select(x, 1, -1), shapes=[[(2, 3)], [(2, 3, 2)]]),
    Case("narrow", lambda m, x: m.narrow(x, 1, 1, 2), shapes=[[(2, 4)], [(0, 3)]]),
    Case("narrow_copy", lambda m, x: m.narrow_copy(x, 0, 1, 1), shapes=[[(2, 4)]]),
    Case("diagonal", lambda m, x: m.diagonal(x, 1), shapes=[[(3, 4)], [(4, 3, 2)]]),
    Case("diagonal_below", lambda m, x: m.diagonal(x, -1, 1, 2), shapes=[[(2, 3, 3)]]),
    Case("as_strided", lambda m, x: m.as_strided(x.contiguous(), (3, 2), (1, 1)), shapes=[[(5,)]]),
    Case("unfold", lambda m, x: x.unfold(0, 3, 2), shapes=[[(7,)], [(5, 2)]]),
]
globals().update(make_tests(CASES))


def test_errors():
    x = mt.zeros(2, 3)
    with pytest.raises(IndexError, match=r"index 3 out of range.*\[2, 3\]"):
        x.select(1, 3)
    with pytest.raises(RuntimeError, match="exceeds dimension size"):
        x.narrow(0, 1, 2)
    with pytest.raises(RuntimeError, match="identical"):
        x.diagonal(0, 1, 1)
    with pytest.raises(RuntimeError, match="maximum size"):
        x.unfold(0, 5, 1)
