"""Flattening and rebuilding of nested containers."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import pytest

from minitorch.utils._pytree import (
    tree_flatten,
    tree_leaves,
    tree_map,
    tree_map_only,
    tree_structure,
    tree_unflatten,
)

Point = namedtuple("Point", "x y")
TREES = [
    3,
    None,
    [],
    {"b": 1, "a": [2, (3, None)]},
    Point([1, 2], OrderedDict(z=3)),
    [(), {}, [[]]],
    ((1,), [2]),
]


@pytest.mark.parametrize("tree", TREES)
def test_round_trip(tree):
    leaves, spec = tree_flatten(tree)
    again = tree_unflatten(leaves, spec)
    assert again == tree and type(again) is type(tree)
    assert spec.num_leaves == len(leaves)
    assert tree_structure(again) == spec and hash(tree_structure(again)) == hash(spec)


def test_leaves_are_in_order():
    assert tree_leaves({"b": 1, "a": [2, (3, None)]}) == [1, 2, 3, None]
    assert tree_leaves([(1, 2), 3], is_leaf=lambda n: isinstance(n, tuple)) == [(1, 2), 3]


def test_map():
    assert tree_map(lambda a: a * 2, {"a": [1, Point(2, 3)]}) == {"a": [2, Point(4, 6)]}
    assert tree_map(lambda a, b: a + b, [1, (2,)], [10, (20,)]) == [11, (22,)]
    assert tree_map_only(int, lambda a: -a, [1, "x", (2.0, 3)]) == [-1, "x", (2.0, -3)]
    with pytest.raises(ValueError, match="differ"):
        tree_map(lambda a, b: a, [1], (1,))


def test_structures_differ():
    specs = [tree_structure(t) for t in ([1], (1,), {"a": 1}, {"b": 1}, 1, [1, 2], [[1]])]
    assert all((a == b) == (i == j) for i, a in enumerate(specs) for j, b in enumerate(specs))
    with pytest.raises(ValueError, match="2 leaves for 1"):
        tree_unflatten([1, 2], specs[0])
