"""Nested containers as a flat list of leaves and a description of the nesting.

Dicts, lists, tuples, named tuples and OrderedDicts are nodes; everything else, None included, is a leaf.
"""

from __future__ import annotations

from collections import OrderedDict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any


class TreeSpec:
    """The nesting of a structure: its type, what else it takes to rebuild it, and its children."""

    __slots__ = ("children", "context", "kind")

    def __init__(self, kind: Any, context: Any, children: list[TreeSpec]) -> None:
        self.kind = kind  # None for a leaf
        self.context = context
        self.children = children

    @property
    def num_leaves(self) -> int:
        return 1 if self.kind is None else sum(child.num_leaves for child in self.children)

    def is_leaf(self) -> bool:
        return self.kind is None

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TreeSpec)
            and self.kind is other.kind
            and self.context == other.context
            and self.children == other.children
        )

    def __hash__(self) -> int:
        return hash((self.kind, len(self.children)))

    def __repr__(self) -> str:
        if self.kind is None:
            return "*"
        return f"TreeSpec({self.kind.__name__}, {self.context}, {self.children})"


def _open(tree: Any) -> tuple[Any, Any, list[Any]] | None:
    """(type, context, children) of a node, None for a leaf."""
    kind = type(tree)
    if kind in (dict, OrderedDict):
        return kind, list(tree), list(tree.values())
    if kind in (list, tuple) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        return kind, None, list(tree)
    return None


def _close(kind: Any, context: Any, children: list[Any]) -> Any:
    if kind in (dict, OrderedDict):
        return kind(zip(context, children, strict=True))
    return kind(*children) if hasattr(kind, "_fields") else kind(children)


def tree_flatten(
    tree: Any, is_leaf: Callable[[Any], bool] | None = None
) -> tuple[list[Any], TreeSpec]:
    """The leaves of a structure, from left to right, and its nesting.

    Args:
        tree: the structure.
        is_leaf: function that says which nodes to keep whole.
    """
    leaves: list[Any] = []

    def visit(node: Any) -> TreeSpec:
        opened = None if is_leaf is not None and is_leaf(node) else _open(node)
        if opened is None:
            leaves.append(node)
            return TreeSpec(None, None, [])
        kind, context, children = opened
        return TreeSpec(kind, context, [visit(child) for child in children])

    spec = visit(tree)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The structure of a nesting with these leaves.

    Raises:
        ValueError: if their number is not the nesting's.
    """
    values = list(leaves)
    if len(values) != treespec.num_leaves:
        raise ValueError(f"tree_unflatten: {len(values)} leaves for {treespec.num_leaves} places")
    rest = iter(values)

    def build(spec: TreeSpec) -> Any:
        if spec.kind is None:
            return next(rest)
        return _close(spec.kind, spec.context, [build(child) for child in spec.children])

    return build(treespec)


def tree_leaves(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> list[Any]:
    """The leaves of a structure."""
    return tree_flatten(tree, is_leaf)[0]


def tree_structure(tree: Any, is_leaf: Callable[[Any], bool] | None = None) -> TreeSpec:
    """The nesting of a structure."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(
    func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: Callable[[Any], bool] | None = None
) -> Any:
    """The structure with each leaf replaced by func(leaf, leaves of rests at the same place...).

    Raises:
        ValueError: if the structures differ.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = []
    for rest in rests:
        other, other_spec = tree_flatten(rest, is_leaf)
        if other_spec != spec:
            raise ValueError(f"tree_map: structures differ: {spec} and {other_spec}")
        others.append(other)
    return tree_unflatten([func(*args) for args in zip(leaves, *others, strict=True)], spec)


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any) -> Any:
    """tree_map over the leaves of a type; the others stay."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)
