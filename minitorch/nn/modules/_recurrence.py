"""The arithmetic of recurrent layers: one step of each cell, and its loop over time.

Sequences are given as one tensor per time step. Packed sequences have fewer rows at later steps,
so the loop drops finished rows (or, backwards in time, takes rows in as they begin).
"""

from __future__ import annotations

from ...ops import cat, rnn, stack
from .. import functional as F

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ...tensor import Tensor


def rnn_step(
    activation: Callable[[Tensor], Tensor], gx: Tensor, h: Tensor, w_hh: Any, b_hh: Any
) -> Tensor:
    """h' = act(W_ih x + b_ih + W_hh h + b_hh), with gx = W_ih x + b_ih."""
    return activation(gx + F.linear(h, w_hh, b_hh))


def lstm_step(gx: Tensor, h: Tensor, c: Tensor, w_hh: Any, b_hh: Any) -> tuple[Tensor, Tensor]:
    """c' = sig(f) c + sig(i) tanh(g), h' = sig(o) tanh(c'); gates in the order i, f, g, o."""
    i, f, g, o = (gx + F.linear(h, w_hh, b_hh)).chunk(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru_step(gx: Tensor, h: Tensor, w_hh: Any, b_hh: Any) -> Tensor:
    """n = tanh(gx_n + sig(r) gh_n), h' = n + sig(z) (h - n), gates in the order r, z, n."""
    rx, zx, nx = gx.chunk(3, -1)
    rh, zh, nh = F.linear(h, w_hh, b_hh).chunk(3, -1)
    n = (nx + (rx + rh).sigmoid() * nh).tanh()
    return n + (zx + zh).sigmoid() * (h - n)


def _step(mode: str, gx: Tensor, state: tuple[Tensor, ...], w: Sequence[Any]) -> tuple[Any, ...]:
    w_hh, b_hh, w_hr = w
    if mode == "LSTM":
        h, c = lstm_step(gx, state[0], state[1], w_hh, b_hh)
        return (h if w_hr is None else F.linear(h, w_hr)), c
    if mode == "GRU":
        return (gru_step(gx, state[0], w_hh, b_hh),)
    activation = F.tanh if mode == "RNN_TANH" else F.relu
    return (rnn_step(activation, gx, state[0], w_hh, b_hh),)


def run_direction(
    mode: str, gates: Sequence[Tensor], state: tuple[Tensor, ...], w: Sequence[Any], reverse: bool
) -> tuple[list[Tensor], tuple[Tensor, ...]]:
    """One direction of one layer.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        gates: W_ih x + b_ih of every step, (rows of the step, gates).
        state: h, or h and c, of every sequence, (rows, size).
        w: W_hh, b_hh and W_hr (or None).
        reverse: Go from the last step to the first.

    Returns:
        The output of every step in the order of time, and the last state of every sequence.
    """
    outputs: list[Tensor] = []
    first = gates[-1] if reverse else gates[0]
    rows = first.size(0)
    current = tuple(s.narrow(0, 0, rows) if s.size(0) != rows else s for s in state)
    finished: list[tuple[Tensor, ...]] = []
    for gx in reversed(gates) if reverse else gates:
        n = gx.size(0)
        if n > rows:
            begun = tuple(s.narrow(0, rows, n - rows) for s in state)
            current = tuple(cat([c, b]) for c, b in zip(current, begun, strict=True))
        elif n < rows:
            finished.append(tuple(c.narrow(0, n, rows - n) for c in current))
            current = tuple(c.narrow(0, 0, n) for c in current)
        rows = n
        current = _step(mode, gx, current, w)
        outputs.append(current[0])
    if finished:
        parts = [current, *reversed(finished)]
        current = tuple(cat(list(column)) for column in zip(*parts, strict=True))
    if reverse:
        outputs.reverse()
    return outputs, current


def _fused(
    mode: str, input: Tensor, state: tuple[Tensor, ...], w: Sequence[Any], reverse: bool
) -> tuple[Tensor, ...]:
    """One direction of one layer over whole sequences as one node: output and last states."""
    if mode == "LSTM":
        return rnn.lstm_layer(input, *state, *w, reverse=reverse)
    if mode == "GRU":
        return rnn.gru_layer(input, *state, *w, reverse=reverse)
    return rnn.rnn_layer(
        input, *state, *w, reverse=reverse, nonlinearity=mode.removeprefix("RNN_").lower()
    )


def run_layers(
    mode: str,
    input: Tensor,
    batch_sizes: list[int] | None,
    state: tuple[Tensor, ...],
    weights: Sequence[Sequence[Any]],
    bidirectional: bool,
    dropout: float,
    training: bool,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All layers and directions of a recurrent network.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input: (T, N, I), or the packed rows (sum of batch_sizes, I).
        batch_sizes: Rows per step of a packed sequence, else None.
        state: Initial h, or h and c, (layers directions, N, size).
        weights: W_ih, W_hh, b_ih, b_hh, W_hr of every layer and direction (None where absent).
        bidirectional: Whether each layer also runs backwards in time.
        dropout: Probability of a zero between layers.
        training: Whether dropout applies.

    Returns:
        The output of the last layer, shaped as the input, and the last states.
    """
    directions = 2 if bidirectional else 1
    layers = len(weights) // directions
    last: list[tuple[Tensor, ...]] = []
    for layer in range(layers):
        sides: list[Tensor] = []
        for side in range(directions):
            k = layer * directions + side
            w_ih, w_hh, b_ih, b_hh, w_hr = weights[k]
            if batch_sizes is None and w_hr is None and input.size(0):
                own = tuple(s[k] for s in state)
                fused = _fused(mode, input, own, (w_ih, w_hh, b_ih, b_hh), side == 1)
                sides.append(fused[0])
                last.append(fused[1:])
                continue
            projected = F.linear(input, w_ih, b_ih)
            gates = projected.split(batch_sizes) if batch_sizes else projected.unbind(0)
            outputs, end = run_direction(
                mode, gates, tuple(s[k] for s in state), (w_hh, b_hh, w_hr), side == 1
            )
            sides.append(cat(outputs) if batch_sizes else stack(outputs))
            last.append(end)
        input = sides[0] if directions == 1 else cat(sides, -1)
        if dropout and training and layer < layers - 1:
            input = F.dropout(input, dropout, True)
    return input, tuple(stack(list(column)) for column in zip(*last, strict=True))
