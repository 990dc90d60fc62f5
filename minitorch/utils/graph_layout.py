"""A small layered layout for acyclic graphs, drawn as SVG.

In the manner of Sugiyama, Tagawa and Toda (1981): nodes get layers by their longest path, long edges get a stand-in
in each layer they cross, layers are ordered by the mean place of their neighbours, and places are then
relaxed towards those neighbours.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LINE, _CHAR, _GAP, _LAYER, _MARGIN = 15.0, 7.0, 18.0, 64.0, 16.0


def layers_of(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Layer of each node; each edge leads to a higher one, and sources sit just above what uses them."""
    after: list[list[int]] = [[] for _ in range(count)]
    waiting = [0] * count
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    order = [n for n in range(count) if waiting[n] == 0]
    for n in order:
        for m in after[n]:
            waiting[m] -= 1
            if waiting[m] == 0:
                order.append(m)
    if len(order) < count:
        raise ValueError("the graph has a cycle")
    height = [0] * count  # longest path to an end
    for n in reversed(order):
        height[n] = max((height[m] + 1 for m in after[n]), default=0)
    top = max(height, default=0)
    return [top - h for h in height]


def place(
    layers: Sequence[int], widths: Sequence[float], edges: Sequence[tuple[int, int]]
) -> tuple[list[float], list[list[int]]]:
    """Horizontal places of nodes and of the edges' stand-ins, and the chain of places of each edge.

    Args:
        layers: layer of each node.
        widths: width of each node.
        edges: pairs of nodes.

    Returns:
        Places, nodes first; and per edge the numbers of its places from start to end.
    """
    level, width = list(layers), list(widths)
    chains: list[list[int]] = []
    for a, b in edges:
        chain = [a]
        for layer in range(layers[a] + 1, layers[b]):
            chain.append(len(level))
            level.append(layer)
            width.append(6.0)
        chains.append([*chain, b])
    up: list[list[int]] = [[] for _ in level]
    down: list[list[int]] = [[] for _ in level]
    for chain in chains:
        for a, b in zip(chain, chain[1:], strict=False):
            down[a].append(b)
            up[b].append(a)
    rows: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    for n, layer in enumerate(level):
        rows[layer].append(n)
    x = [0.0] * len(level)
    for row in rows:
        _pack(row, x, width)
    for turn in range(12):
        downwards = turn % 2 == 0
        for row in rows if downwards else reversed(rows):
            for n in row:
                near = (up[n] if downwards else down[n]) or up[n] + down[n]
                if near:
                    x[n] = sum(x[m] for m in near) / len(near)
            row.sort(key=lambda n: x[n])
            _spread(row, x, width)
    return x, chains


def _pack(row: list[int], x: list[float], width: list[float]) -> None:
    at = 0.0
    for n in row:
        x[n] = at + width[n] / 2
        at += width[n] + _GAP
    for n in row:
        x[n] -= at / 2


def _spread(row: list[int], x: list[float], width: list[float]) -> None:
    """Push overlapping neighbours apart; the row keeps its mean place."""
    wanted = sum(x[n] for n in row) / max(len(row), 1)
    for a, b in zip(row, row[1:], strict=False):
        x[b] = max(x[b], x[a] + (width[a] + width[b]) / 2 + _GAP)
    shift = wanted - sum(x[n] for n in row) / max(len(row), 1)
    for n in row:
        x[n] += shift


def svg(
    nodes: Sequence[tuple[str, str]],
    edges: Sequence[tuple[int, int]],
    colours: Mapping[str, str],
) -> str:
    """The graph as an SVG document.

    Args:
        nodes: (label, kind) of each node; a label may have several lines.
        edges: pairs of nodes, drawn downwards.
        colours: colour of each kind.
    """
    texts = [label.split("\n") for label, _ in nodes]
    widths = [max(map(len, lines)) * _CHAR + 16 for lines in texts]
    heights = [len(lines) * _LINE + 8 for lines in texts]
    layers = layers_of(len(nodes), edges)
    x, chains = place(layers, widths, edges)
    level = list(layers)
    for (a, _), chain in zip(edges, chains, strict=True):
        level += [layers[a] + k for k in range(1, len(chain) - 1)]
    left = min((x[n] - widths[n] / 2 for n in range(len(nodes))), default=0.0) - _MARGIN
    left = min([left, *(v - _MARGIN for v in x)])
    right = max((x[n] + widths[n] / 2 for n in range(len(nodes))), default=0.0) + _MARGIN
    right = max([right, *(v + _MARGIN for v in x)])
    tall = (max(level, default=0) + 1) * _LAYER
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right - left:.0f}" height="{tall:.0f}" '
        f'viewBox="{left:.1f} 0 {right - left:.1f} {tall:.1f}" font-family="sans-serif" '
        'font-size="11">',
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="#555"/></marker></defs>',
    ]

    def y(n: int) -> float:
        return (level[n] + 0.5) * _LAYER

    for chain in chains:
        first, last = chain[0], chain[-1]
        points = [(x[n], y(n)) for n in chain]
        points[0] = (x[first], y(first) + heights[first] / 2)
        points[-1] = (x[last], y(last) - heights[last] / 2)
        path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
        for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
            middle = (ay + by) / 2
            path += f"C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}"
        out.append(f'<path d="{path}" fill="none" stroke="#555" marker-end="url(#tip)"/>')
    for n, (lines, (_, kind)) in enumerate(zip(texts, nodes, strict=True)):
        out.append(
            f'<rect x="{x[n] - widths[n] / 2:.1f}" y="{y(n) - heights[n] / 2:.1f}" rx="4" '
            f'width="{widths[n]:.1f}" height="{heights[n]:.1f}" fill="{colours[kind]}" stroke="#555"/>'
        )
        for k, line in enumerate(lines):
            base = y(n) + (k - (len(lines) - 1) / 2) * _LINE + 4
            out.append(
                f'<text x="{x[n]:.1f}" y="{base:.1f}" text-anchor="middle">{_escape(line)}</text>'
            )
    return "\n".join([*out, "</svg>"]) + "\n"


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
