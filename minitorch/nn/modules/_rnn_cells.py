"""Single steps of recurrent layers."""

from __future__ import annotations

import math

from ...ops import empty, zeros
from .. import functional as F
from .. import init
from ..parameter import Parameter
from ._recurrence import gru_step, lstm_step, rnn_step
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...tensor import Tensor


class RNNCellBase(Module):
    """Parameters, checks and repr of every recurrent cell."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size

        def new(*shape: int) -> Parameter:
            return Parameter(empty(shape, device=device, dtype=dtype))

        self.weight_ih = new(rows, input_size)
        self.weight_hh = new(rows, hidden_size)
        if bias:
            self.bias_ih = new(rows)
            self.bias_hh = new(rows)
        else:
            self.register_parameter("bias_ih", None)
            self.register_parameter("bias_hh", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        nonlinearity = self.__dict__.get("nonlinearity", "tanh")
        return s if nonlinearity == "tanh" else s + f", nonlinearity={nonlinearity}"

    def _prepare(self, input: Tensor, hx: Any) -> tuple[Tensor, Any, bool]:
        """Input projected to the gates, state and whether there is a batch dimension."""
        if input.dim() not in (1, 2):
            raise ValueError(
                f"{type(self).__name__}: Expected input to be 1D or 2D, got {input.dim()}D instead"
            )
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input has inconsistent input_size: got {input.size(-1)} expected "
                f"{self.input_size}"
            )
        batched = input.dim() == 2
        lstm = isinstance(self, LSTMCell)
        x = input if batched else input.unsqueeze(0)
        if hx is None:
            h = zeros((x.size(0), self.hidden_size), dtype=x.dtype, device=x.device)
            state = (h, h) if lstm else h
        elif batched:
            state = hx
        else:
            state = tuple(s.unsqueeze(0) for s in hx) if lstm else hx.unsqueeze(0)
        states: Any = state if lstm else (state,)
        for s in states:
            if s.dim() != 2:
                raise ValueError(
                    f"{type(self).__name__}: Expected hidden to be 1D or 2D, got {s.dim()}D instead"
                )
            if tuple(s.shape) != (x.size(0), self.hidden_size):
                raise RuntimeError(
                    f"{type(self).__name__}: hidden has shape {list(s.shape)}, expected "
                    f"{[x.size(0), self.hidden_size]}"
                )
        return F.linear(x, self.weight_ih, self.bias_ih), state, batched


class RNNCell(RNNCellBase):
    """One step of `RNN`: (N, I) and h (N, H) to h' (N, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        gx, h, batched = self._prepare(input, hx)
        activation = F.tanh if self.nonlinearity == "tanh" else F.relu
        h = rnn_step(activation, gx, h, self.weight_hh, self.bias_hh)
        return h if batched else h.squeeze(0)


class LSTMCell(RNNCellBase):
    """One step of `LSTM`: (N, I) and (h, c), each (N, H), to (h', c')."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        gx, (h, c), batched = self._prepare(input, hx)
        h, c = lstm_step(gx, h, c, self.weight_hh, self.bias_hh)
        return (h, c) if batched else (h.squeeze(0), c.squeeze(0))


class GRUCell(RNNCellBase):
    """One step of `GRU`: (N, I) and h (N, H) to h' (N, H)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        gx, h, batched = self._prepare(input, hx)
        h = gru_step(gx, h, self.weight_hh, self.bias_hh)
        return h if batched else h.squeeze(0)
