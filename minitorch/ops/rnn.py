"""One layer and direction of a recurrent network over a whole sequence."""

from __future__ import annotations

from .. import _autocast as _amp
from .._load import _C
from ._compose import gradients
from ._register import FUNCTIONS, Node, record

_LSTM, _GRU, _TANH, _RELU = range(4)


class RnnLayer(Node):
    """out, h_n, c_n of a sequence; gates are saved, time is walked backwards in one kernel"""

    __slots__ = ("kind", "reverse")

    def backward(self, dout, dh_n=None, dc_n=None):
        x, h0, c0, w_ih, w_hh, b_ih, b_hh, out, gates, extra = self.saved
        kind, reverse = self.kind, self.reverse
        if _C.is_grad_enabled():
            return gradients(
                lambda *inputs: _composed(kind, reverse, *inputs),
                (x, h0, c0, w_ih, w_hh, b_ih, b_hh),
                self.needs_input_grad,
                (dout, dh_n, dc_n),
            )
        grads = _C.rnn_layer_backward(
            kind, x, h0, c0, w_ih, w_hh, b_hh, reverse, out, gates, extra, dout, dh_n, dc_n
        )
        return (
            *grads[:5],
            grads[5] if b_ih is not None else None,
            grads[6] if b_hh is not None else None,
        )


def _composed(kind, reverse, x, h, c, w_ih, w_hh, b_ih, b_hh):
    """The same, step by step in recorded ops."""
    hidden = w_hh.shape[1]
    gx = x @ w_ih.t()
    gx = gx if b_ih is None else gx + b_ih
    outs = []
    order = range(x.shape[0])
    for t in reversed(order) if reverse else order:
        gh = h @ w_hh.t()
        gh = gh if b_hh is None else gh + b_hh
        part = [gx[t].narrow(1, k * hidden, hidden) for k in range(gx.shape[2] // hidden)]
        part_h = [gh.narrow(1, k * hidden, hidden) for k in range(len(part))]
        if kind == _LSTM:
            i, f, g, o = (a + b for a, b in zip(part, part_h))
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        elif kind == _GRU:
            r, z = ((a + b).sigmoid() for a, b in zip(part[:2], part_h[:2]))
            n = (part[2] + r * part_h[2]).tanh()
            h = n + z * (h - n)
        else:
            h = part[0] + part_h[0]
            h = h.tanh() if kind == _TANH else h.relu()
        outs.append(h)
    if reverse:
        outs.reverse()
    out = FUNCTIONS["stack"](outs)
    return (out, h, c) if kind == _LSTM else (out, h)


def _layer(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse):
    if _amp.enabled:
        x, h0, c0, w_ih, w_hh, b_ih, b_hh = _amp.low(x, h0, c0, w_ih, w_hh, b_ih, b_hh)
    out, h_n, c_n, gates, extra = _C.rnn_layer(kind, x, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse)
    outs = (out, h_n) if c_n is None else (out, h_n, c_n)
    if out.requires_grad:
        inputs = (x, h0, c0, w_ih, w_hh, b_ih, b_hh)
        node = record(RnnLayer, outs, inputs, (*inputs, out, gates, extra))
        node.kind = kind
        node.reverse = reverse
    return outs


def lstm_layer(x, h0, c0, w_ih, w_hh, b_ih=None, b_hh=None, reverse=False):
    """An LSTM layer: c' = f c + i g, h' = o tanh(c'), gates i, f, g, o.

    Args:
        x: [T, N, I].
        h0, c0: [N, H].
        w_ih: [4 H, I]; w_hh: [4 H, H]; b_ih, b_hh: [4 H].
        reverse: walk from the last step to the first.

    Returns:
        (out [T, N, H], h_n [N, H], c_n [N, H]).

    Raises:
        RuntimeError: shapes or dtypes that do not fit.
    """
    return _layer(_LSTM, x, h0, c0, w_ih, w_hh, b_ih, b_hh, reverse)


def gru_layer(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, reverse=False):
    """A GRU layer: h' = n + z (h - n), gates r, z, n; arguments as in lstm_layer with 3 H.

    Returns:
        (out [T, N, H], h_n [N, H]).
    """
    return _layer(_GRU, x, h0, None, w_ih, w_hh, b_ih, b_hh, reverse)


def rnn_layer(x, h0, w_ih, w_hh, b_ih=None, b_hh=None, reverse=False, nonlinearity="tanh"):
    """An Elman layer: h' = tanh or relu of W_ih x + b_ih + W_hh h + b_hh; arguments as in lstm_layer.

    Args:
        nonlinearity: "tanh" or "relu".

    Returns:
        (out [T, N, H], h_n [N, H]).
    """
    if nonlinearity not in ("tanh", "relu"):
        raise ValueError(
            f"rnn_layer(): nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}"
        )
    kind = _TANH if nonlinearity == "tanh" else _RELU
    return _layer(kind, x, h0, None, w_ih, w_hh, b_ih, b_hh, reverse)
