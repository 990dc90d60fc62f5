"""Draws the graph that autograd has recorded: leaf tensors at the top, the result at the bottom.

>>> import minitorch
>>> from minitorch.utils import graph
>>> w = minitorch.ones(3, requires_grad=True)
>>> print(graph.dot((w * 2).exp(), params={"w": w}).splitlines()[0])
digraph {
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_COLOURS = {"leaf": "#cfe3f7", "op": "#eeeeee", "result": "#d5efcf"}


class Graph:
    """Nodes by number with (label, kind), and the edges between them, from inputs to results."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, str]] = []
        self.edges: list[tuple[int, int]] = []


def trace(tensor: Any, params: Any = None) -> Graph:
    """The graph behind a tensor, or several.

    Args:
        tensor: tensor, or sequence of tensors.
        params: names of leaf tensors: a mapping, or pairs as ``model.named_parameters()`` gives them.
    """
    pairs = params.items() if hasattr(params, "items") else params or ()
    names = {id(value): name for name, value in pairs}
    results = [tensor] if hasattr(tensor, "grad_fn") else list(tensor)
    graph = Graph()
    numbers: dict[Any, int] = {}

    def add(key: Any, label: str, kind: str) -> int:
        numbers[key] = len(graph.nodes)
        graph.nodes.append((label, kind))
        return numbers[key]

    def leaf(variable: Any) -> int:
        key = ("leaf", id(variable))
        if key in numbers:
            return numbers[key]
        name = names.get(id(variable), "leaf")
        return add(key, f"{name}\n{_shape(variable.shape)}", "leaf")

    stack: list[Any] = []

    def op(node: Any) -> int:
        key = id(node)
        if key in numbers:
            return numbers[key]
        stack.append(node)
        return add(key, node.name().removesuffix("0"), "op")

    for i, result in enumerate(results):
        label = "result" if len(results) == 1 else f"result {i}"
        end = add(("result", i), f"{label}\n{_shape(result.shape)}", "result")
        source = op(result.grad_fn) if result.grad_fn is not None else leaf(result)
        graph.edges.append((source, end))
    while stack:
        node = stack.pop()
        for following, _ in node.next_functions:
            if following is not None:
                variable = getattr(following, "variable", None)
                source = op(following) if variable is None else leaf(variable)
                graph.edges.append((source, numbers[id(node)]))
    return graph


def _shape(shape: Any) -> str:
    return " × ".join(str(n) for n in shape) if len(shape) else "scalar"  # noqa: RUF001


def dot(tensor: Any, params: Any = None) -> str:
    """The graph behind a tensor in Graphviz's language.

    Args:
        tensor: tensor, or sequence of tensors.
        params: names of leaf tensors: a mapping, or pairs as ``model.named_parameters()`` gives them.
    """
    graph = trace(tensor, params)
    lines = ["digraph {", '  node [shape=box, style=filled, fontname="sans-serif", fontsize=11]']
    for i, (label, kind) in enumerate(graph.nodes):
        text = label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'  n{i} [label="{text}", fillcolor="{_COLOURS[kind]}"]')
    lines += [f"  n{a} -> n{b}" for a, b in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def save(tensor: Any, path: str | os.PathLike[str], params: Any = None) -> None:
    """Write the graph behind a tensor to a .dot or .svg file.

    SVG is laid out by Graphviz's ``dot`` where it is installed, else by this module.

    Args:
        tensor: tensor, or sequence of tensors.
        path: file name that ends in .dot, .gv or .svg.
        params: names of leaf tensors; see :func:`dot`.
    """
    import shutil
    import subprocess

    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending in (".dot", ".gv"):
        text = dot(tensor, params)
    elif ending == ".svg":
        program = shutil.which("dot")
        if program is not None:
            text = subprocess.run(
                [program, "-Tsvg"],
                input=dot(tensor, params),
                capture_output=True,
                check=True,
                text=True,
            ).stdout
        else:
            from .graph_layout import svg

            graph = trace(tensor, params)
            text = svg(graph.nodes, graph.edges, _COLOURS)
    else:
        raise ValueError(f"graph.save: the path must end in .dot, .gv or .svg, got {path!r}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
