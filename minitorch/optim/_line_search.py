"""Line search for a step that satisfies the strong Wolfe conditions.

Nocedal and Wright, Numerical Optimization, algorithms 3.5 and 3.6, with cubic interpolation.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..tensor import Tensor

# A step t with the loss, the gradient and the slope (gradient along the direction) there.
_Point = namedtuple("_Point", ["t", "loss", "grad", "slope"])


def _cubic_minimum(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through both losses and slopes is smallest, within `bounds`."""
    low, high = bounds if bounds is not None else sorted((a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square**0.5
    if a.t <= b.t:
        t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        t = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(t, low), high)


def strong_wolfe(
    evaluate: Callable[[float], tuple[float, Tensor]],
    t: float,
    direction: Tensor,
    loss: float,
    grad: Tensor,
    slope: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_iter: int = 25,
) -> tuple[float, Tensor, float, int]:
    """A step along `direction` after which loss and slope are small enough.

    Args:
        evaluate: Loss and gradient after a step of length t.
        t: The first length to try.
        direction: The direction, (n,).
        loss: Loss before the step.
        grad: Gradient before the step, (n,).
        slope: Gradient along the direction, negative.
        c1: Share of the slope by which the loss must fall.
        c2: Share of the slope that may remain.
        tolerance_change: Smallest bracket.
        max_iter: Largest number of evaluations after the first.

    Returns:
        Loss and gradient after the step, its length, and the number of evaluations.
    """
    largest = float(direction.abs().max())

    def at(t: float) -> _Point:
        new_loss, new_grad = evaluate(t)
        return _Point(t, new_loss, new_grad, float(new_grad.dot(direction)))

    def too_high(point: _Point) -> bool:
        return point.loss > loss + c1 * point.t * slope

    start = _Point(0.0, loss, grad.clone(), slope)
    previous, current = start, at(t)
    count = 0
    # Walk outwards until a minimum lies between two points.
    bracket: list[_Point] = []
    done = False
    while count < max_iter:
        if too_high(current) or (count > 1 and current.loss >= previous.loss):
            bracket = [previous, current]
            break
        if abs(current.slope) <= -c2 * slope:
            bracket = [current]
            done = True
            break
        if current.slope >= 0:
            bracket = [previous, current]
            break
        reach = (current.t + 0.01 * (current.t - previous.t), current.t * 10)
        t = _cubic_minimum(previous, current, reach)
        previous, current = current, at(t)
        count += 1
    if not bracket:
        bracket = [start, current]

    # Narrow the bracket.
    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    while not done and count < max_iter:
        left, right = sorted(p.t for p in bracket)
        if (right - left) * largest < tolerance_change:
            break
        t = _cubic_minimum(bracket[0], bracket[1])
        # Near an end of the bracket twice in a row, or on it: move away from that end.
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        current = at(t)
        count += 1
        if too_high(current) or current.loss >= bracket[low].loss:
            bracket[high] = current
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if abs(current.slope) <= -c2 * slope:
                done = True
            elif current.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = current
    best = bracket[0] if len(bracket) == 1 else bracket[low]
    return best.loss, best.grad, best.t, count + 1
