"""unfold and fold against torch."""

from __future__ import annotations

import pytest

import minitorch
from tests.ops.harness import Case, make_tests


def blocks(name, *args):
    return lambda m, x: getattr(m.nn.functional, name)(x, *args)


CASES = [
    Case("unfold", blocks("unfold", 2), shapes=[[(1, 2, 3, 4)], [(0, 2, 3, 4)], [(3, 5, 6)]]),
    Case("unfold_all", blocks("unfold", (3, 2), (2, 1), (1, 2), (2, 3)), shapes=[[(2, 3, 11, 35)]]),
    Case("fold", blocks("fold", (3, 4), 2), shapes=[[(1, 8, 6)], [(4, 6)]]),
    Case(
        "fold_all", blocks("fold", (9, 11), (3, 2), (2, 1), (1, 2), (2, 3)), shapes=[[(2, 12, 20)]]
    ),
]
globals().update(make_tests(CASES))


def test_fold_sums_what_unfold_repeats():
    x = minitorch.ones(1, 1, 4, 4)
    back = minitorch.nn.functional.fold(minitorch.nn.functional.unfold(x, 2), (4, 4), 2)
    assert back[0, 0, 0, 0].item() == 1
    assert back[0, 0, 1, 1].item() == 4


def test_errors_say_what_is_wrong():
    f = minitorch.nn.functional
    with pytest.raises(RuntimeError, match="components must be at least one"):
        f.unfold(minitorch.ones(1, 1, 2, 2), 3)
    with pytest.raises(RuntimeError, match="divisible by the product of kernel_size"):
        f.fold(minitorch.ones(1, 3, 4), (3, 3), 2)
    with pytest.raises(RuntimeError, match="number of sliding blocks"):
        f.fold(minitorch.ones(1, 4, 5), (3, 3), 2)
