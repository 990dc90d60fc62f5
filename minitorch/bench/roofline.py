"""The roofline: attained GFLOP/s over arithmetic intensity, under the measured roofs."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

WIDTH, HEIGHT = 1180, 760
LEFT, RIGHT, TOP, BOTTOM = 76, 30, 64, 62
COLOURS = {"L1": "#8a6fc4", "L2": "#3d7fc1", "L3": "#2a9d8f", "memory": "#c8553d"}
BOUND_COLOURS = {"compute": "#1f2933", **COLOURS}


class Axes:
    """Log-log coordinates to pixels."""

    def __init__(self, xs: tuple[float, float], ys: tuple[float, float]) -> None:
        self.x0, self.x1 = (math.log10(v) for v in xs)
        self.y0, self.y1 = (math.log10(v) for v in ys)

    def x(self, value: float) -> float:
        return LEFT + (math.log10(value) - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        share = (math.log10(value) - self.y0) / (self.y1 - self.y0)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


class Dot:
    """A case: intensity in flop per byte, attained GFLOP/s, and the roof that binds."""

    def __init__(self, name: str, case: dict[str, Any]) -> None:
        self.name = name
        self.intensity = case["flops"] / case["bytes"]
        self.rate = case["flops"] / case["seconds"]["minitorch"] * 1e-9
        self.bound = case["floor"]["bound"].removesuffix(" bandwidth")


def dots_of(result: dict[str, Any]) -> list[Dot]:
    """The kernels that do arithmetic, from left to right."""
    cases = result["cases"].items()
    dots = [Dot(n, c) for n, c in cases if c["group"] == "kernel" and c["flops"] and c["bytes"]]
    return sorted(dots, key=lambda d: (d.intensity, d.rate))


def axes_of(dots: list[Dot], result: dict[str, Any]) -> Axes:
    peak = result["ceilings"]["flops"] * 1e-9
    xs = [d.intensity for d in dots] + [0.1, 300]
    ys = [d.rate for d in dots] + [peak * 2]
    return Axes((min(xs) / 1.6, max(xs) * 1.6), (min(ys) / 1.6, max(ys) * 1.6))


def overlap(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    """The area that two boxes (left, top, right, bottom) share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


def place_labels(
    points: list[tuple[float, float]], texts: list[str], ridge: float, roof: float
) -> list[tuple[float, float]]:
    """Left baselines of labels, each as near to its point as the ones before leave room for.

    The horizontal roof, which its label follows from (ridge, roof) on, stays free.
    """
    height = 11.0
    taken: list[tuple[float, ...]] = [(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    taken += [(LEFT, roof - 1.5, WIDTH, roof + 1.5), (ridge, roof - 17, ridge + 190, roof)]
    places = []
    for (x, y), text in zip(points, texts):
        width = 6.0 * len(text)
        best, best_cost = (x, y), math.inf
        for ring in range(16):
            for step in range(24):
                angle, radius = step * math.pi / 12, 9 + 9 * ring
                cx, cy = x + radius * math.cos(angle), y + radius * math.sin(angle)
                left = cx if math.cos(angle) > 0.3 else cx - width
                left = cx - width / 2 if abs(math.cos(angle)) <= 0.3 else left
                box = (left, cy - height / 2, left + width, cy + height / 2)
                outside = box[0] < LEFT or box[2] > WIDTH - 4
                outside = outside or box[1] < TOP or box[3] > HEIGHT - BOTTOM
                cost = radius + 1e4 * outside + 50 * sum(overlap(box, other) for other in taken)
                if cost < best_cost:
                    best, best_cost = (left, cy + height / 2 - 2), cost
            if best_cost < 9 + 9 * (ring + 1):
                break
        taken.append((best[0], best[1] + 2 - height, best[0] + width, best[1] + 2))
        places.append(best)
    return places


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def roofs(result: dict[str, Any]) -> list[tuple[str, float]]:
    levels = result["ceilings"]["levels"]
    return [(name, max(v["copy"], v["read"]) * 1e-9) for name, v in levels.items()]


def grid(axes: Axes) -> list[str]:
    parts = []
    for low, high, vertical in ((axes.x0, axes.x1, True), (axes.y0, axes.y1, False)):
        for power in range(math.floor(low), math.ceil(high) + 1):
            for digit in range(1, 10):
                value = digit * 10.0**power
                if not low <= math.log10(value) <= high:
                    continue
                stroke = "#d5dae0" if digit == 1 else "#f0f2f5"
                if vertical:
                    x = axes.x(value)
                    line = f'x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{HEIGHT - BOTTOM}"'
                    label = f'x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle"'
                else:
                    y = axes.y(value)
                    line = f'x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"'
                    label = f'x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end"'
                parts.append(f'<line {line} stroke="{stroke}"/>')
                if digit == 1:
                    parts.append(f'<text {label} font-size="12" fill="#52606d">{value:g}</text>')
    return parts


def label(attributes: str, fill: str, text: str) -> str:
    """A text with a white rim: drawn twice, because not every viewer knows paint-order."""
    rim = 'fill="none" stroke="#ffffff" stroke-width="3" stroke-linejoin="round"'
    return f'<text {attributes} {rim}>{text}</text><text {attributes} fill="{fill}">{text}</text>'


def roof_lines(axes: Axes, result: dict[str, Any]) -> list[str]:
    peak = result["ceilings"]["flops"] * 1e-9
    right, bottom = 10**axes.x1, 10**axes.y0
    parts = []
    ridges = []
    for name, bandwidth in roofs(result):
        x0 = max(10**axes.x0, bottom / bandwidth)
        ridge = peak / bandwidth
        ridges.append(ridge)
        ax, ay, bx, by = axes.x(x0), axes.y(x0 * bandwidth), axes.x(ridge), axes.y(peak)
        colour = COLOURS[name]
        parts.append(
            f'<line x1="{ax:.1f}" y1="{ay:.1f}" x2="{bx:.1f}" y2="{by:.1f}" stroke="{colour}" stroke-width="2"/>'
        )
        angle = math.degrees(math.atan2(by - ay, bx - ax))
        # Along the line, where it has just entered the picture.
        tx, ty = ax + (bx - ax) * 0.04, ay + (by - ay) * 0.04
        parts.append(
            label(
                f'transform="translate({tx:.1f},{ty - 5:.1f}) rotate({angle:.1f})" font-size="12" '
                'font-weight="600"',
                colour,
                f"{name} {bandwidth:.0f} GB/s",
            )
        )
    y, x = axes.y(peak), axes.x(min(ridges))
    parts.append(
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{axes.x(right):.1f}" y2="{y:.1f}" stroke="#1f2933" stroke-width="2"/>'
        f'<text x="{x + 6:.1f}" y="{y - 6:.1f}" font-size="12" font-weight="600" '
        f'fill="#1f2933">multiply-add {peak:.0f} GFLOP/s</text>'
    )
    return parts


def svg(result: dict[str, Any]) -> str:
    """The drawing, as text."""
    dots = dots_of(result)
    if not dots:
        raise ValueError("a roofline needs a kernel case that does arithmetic")
    axes = axes_of(dots, result)
    peak = result["ceilings"]["flops"] * 1e-9
    head = f"{result['machine']}, {result['threads']} threads, {result['isa']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="28" font-size="17" font-weight="600" fill="#1f2933">Roofline of '
        f"minitorch&#8217;s kernels</text>",
        f'<text x="{LEFT}" y="48" font-size="12" fill="#52606d">{escape(head)}; a dot has the colour of '
        "the roof that binds it</text>",
        *grid(axes),
        *roof_lines(axes, result),
    ]
    points = [(axes.x(d.intensity), axes.y(d.rate)) for d in dots]
    ridge = axes.x(min(peak / bandwidth for _, bandwidth in roofs(result)))
    places = place_labels(points, [d.name for d in dots], ridge, axes.y(peak))
    for dot, (x, y), (tx, ty) in zip(dots, points, places):
        middle = min(max(x, tx), tx + 6.0 * len(dot.name))
        if math.hypot(middle - x, ty - 4 - y) > 16:
            parts.append(
                f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{middle:.1f}" y2="{ty - 4:.1f}" stroke="#9aa5b1" stroke-width="0.7"/>'
            )
        parts.append(
            label(f'x="{tx:.1f}" y="{ty:.1f}" font-size="10"', "#1f2933", escape(dot.name))
        )
    for dot, (x, y) in zip(dots, points):
        colour = BOUND_COLOURS.get(dot.bound, "#1f2933")
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}" stroke="#ffffff">'
            f"<title>{escape(dot.name)}: {dot.rate:.0f} GFLOP/s</title></circle>"
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 18}" text-anchor="middle" font-size="13" '
        f'fill="#323f4b">arithmetic intensity, flop per byte</text>'
        f'<text transform="translate(22,{HEIGHT / 2}) rotate(-90)" text-anchor="middle" font-size="13" '
        f'fill="#323f4b">GFLOP/s, float32</text></svg>\n'
    )
    return "\n".join(parts)


def png(result: dict[str, Any], path: str) -> None:
    """The same picture through matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    dots = dots_of(result)
    axes = axes_of(dots, result)
    peak = result["ceilings"]["flops"] * 1e-9
    figure, plot = pyplot.subplots(figsize=(WIDTH / 100, HEIGHT / 100))
    low, high = 10**axes.x0, 10**axes.x1
    for name, bandwidth in roofs(result):
        plot.plot([low, peak / bandwidth], [low * bandwidth, peak], color=COLOURS[name])
        plot.text(low * 1.05, low * bandwidth * 1.1, f"{name} {bandwidth:.0f} GB/s", size=8)
    plot.axhline(peak, color="#1f2933", label=f"multiply-add {peak:.0f} GFLOP/s")
    points = [(axes.x(d.intensity), axes.y(d.rate)) for d in dots]
    ridge = axes.x(min(peak / bandwidth for _, bandwidth in roofs(result)))
    places = place_labels(points, [d.name for d in dots], ridge, axes.y(peak))
    for dot, (x, y), (tx, ty) in zip(dots, points, places):
        plot.plot(dot.intensity, dot.rate, "o", ms=5, color=BOUND_COLOURS.get(dot.bound, "#1f2933"))
        at = ((tx - x) * 0.72, (y - ty) * 0.72)
        plot.annotate(
            dot.name, (dot.intensity, dot.rate), xytext=at, textcoords="offset points", size=6
        )
    plot.set(xscale="log", yscale="log", xlim=(low, high), ylim=(10**axes.y0, 10**axes.y1))
    plot.set(xlabel="arithmetic intensity, flop per byte", ylabel="GFLOP/s, float32")
    plot.set_title(f"Roofline of minitorch's kernels: {result['machine']}, {result['isa']}")
    plot.legend()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def write(result: dict[str, Any], path: str) -> None:
    """Draw to an .svg or .png file."""
    if path.endswith(".png"):
        png(result, path)
        return
    if not path.endswith(".svg"):
        raise ValueError(f"--roofline: expected a file name ending in .svg or .png, got {path!r}")
    with open(path, "w") as f:
        f.write(svg(result))
