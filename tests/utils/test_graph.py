"""Drawings of the autograd graph."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

import minitorch
from minitorch.utils import graph
from minitorch.utils.graph_layout import layers_of, place


def example():
    w = minitorch.ones(2, 3, requires_grad=True)
    b = minitorch.ones(3, requires_grad=True)
    h = (w * b).exp()
    return h + h * b, {"w": w, "b": b}


def test_trace():
    result, params = example()
    traced = graph.trace(result, params)
    labels = [label.split("\n")[0] for label, _ in traced.nodes]
    assert sorted(labels) == sorted(
        ["w", "b", "MulBackward", "ExpBackward", "MulBackward", "AddBackward", "result"]
    )
    named = {(labels[a], labels[b]) for a, b in traced.edges}
    assert named == {
        ("w", "MulBackward"),
        ("b", "MulBackward"),
        ("MulBackward", "ExpBackward"),
        ("ExpBackward", "MulBackward"),
        ("ExpBackward", "AddBackward"),
        ("MulBackward", "AddBackward"),
        ("AddBackward", "result"),
    }
    assert len(traced.edges) == 8  # b is used twice
    assert ("w\n2 × 3", "leaf") in traced.nodes  # noqa: RUF001


def test_constants_leaves_and_several_results():
    x = minitorch.ones(2, requires_grad=True)
    constant = minitorch.ones(2)
    traced = graph.trace([x * constant, x])
    assert [kind for _, kind in traced.nodes].count("leaf") == 1
    assert {label for label, kind in traced.nodes if kind == "result"} == {
        "result 0\n2",
        "result 1\n2",
    }
    assert len(graph.trace(x.sum()).nodes) == 3 and len(graph.trace(constant).nodes) == 2


def test_dot():
    result, params = example()
    text = graph.dot(result, params={'"quoted" \\ name': params["w"]}.items())
    assert text.startswith("digraph {") and text.rstrip().endswith("}")
    assert '\\"quoted\\" \\\\ name\\n' in text and "leaf" in text
    numbers = {int(n) for n in re.findall(r"n(\d+) \[label", text)}
    ends = {int(n) for pair in re.findall(r"n(\d+) -> n(\d+)", text) for n in pair}
    assert ends == numbers == set(range(7))


@pytest.mark.parametrize("program", [None, "found"])
def test_save(tmp_path, monkeypatch, program):
    import shutil

    if program is None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
    elif shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    result, params = example()
    graph.save(result, tmp_path / "g.dot", params)
    assert (tmp_path / "g.dot").read_text() == graph.dot(result, params)
    graph.save(result, tmp_path / "g.svg", params)
    root = ET.parse(tmp_path / "g.svg").getroot()
    texts = ["".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")]
    assert {"w", "b", "ExpBackward", "result"} <= set(texts)
    with pytest.raises(ValueError, match=r"\.svg"):
        graph.save(result, tmp_path / "g.png")


def test_layers():
    edges = [(0, 1), (1, 2), (0, 2), (3, 2)]
    assert layers_of(4, edges) == [0, 1, 2, 1]
    with pytest.raises(ValueError, match="cycle"):
        layers_of(2, [(0, 1), (1, 0)])


def test_nodes_of_a_layer_do_not_overlap():
    g = minitorch.Generator()
    g.manual_seed(0)
    edges = []
    for b in range(1, 40):
        sources = {int(minitorch.randint(0, b, (1,), generator=g).item()) for _ in range(2)}
        edges += [(a, b) for a in sources]
    layers, widths = layers_of(40, edges), [60.0 + n for n in range(40)]
    x, chains = place(layers, widths, edges)
    for i in range(40):
        for j in range(i):
            if layers[i] == layers[j]:
                assert abs(x[i] - x[j]) > (widths[i] + widths[j]) / 2
    for (a, b), chain in zip(edges, chains, strict=True):
        assert (chain[0], chain[-1]) == (a, b) and len(chain) == layers[b] - layers[a] + 1


def test_deep_graphs_do_not_recurse(tmp_path):
    x = minitorch.ones(1, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0
    assert len(graph.trace(y).nodes) == 3002
    graph.save(y, tmp_path / "deep.svg")
