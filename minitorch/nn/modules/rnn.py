"""Recurrent layers and cells."""

from __future__ import annotations

import math

from ...ops import empty, zeros
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from ._recurrence import run_layers
from ._rnn_cells import GRUCell, LSTMCell, RNNCell, RNNCellBase
from .module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """Parameters, checks and repr of every recurrent layer."""

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                "element being zeroed"
            )
        if dropout > 0 and num_layers == 1:
            import warnings

            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                f"num_layers={num_layers}",
                stacklevel=3,
            )
        if not isinstance(hidden_size, int):
            raise TypeError(f"hidden_size should be of type int, got: {type(hidden_size).__name__}")
        if hidden_size <= 0:
            raise ValueError("hidden_size must be greater than zero")
        if num_layers <= 0:
            raise ValueError("num_layers must be greater than zero")
        if proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections"
            )
        if proj_size >= hidden_size:
            raise ValueError("proj_size has to be smaller than hidden_size")
        if mode not in _GATES:
            raise ValueError("Unrecognized RNN mode: " + mode)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        directions = 2 if bidirectional else 1
        gates = _GATES[mode] * hidden_size
        out = proj_size if proj_size > 0 else hidden_size
        self._flat_weights_names: list[str] = []
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            fan_in = input_size if layer == 0 else out * directions
            for side in range(directions):
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (gates, fan_in),
                    "weight_hh": (gates, out),
                }
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size > 0:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                names = []
                for name, shape in shapes.items():
                    full = f"{name}_l{layer}" + ("_reverse" if side else "")
                    setattr(self, full, Parameter(empty(shape, device=device, dtype=dtype)))
                    names.append(full)
                self._all_weights.append(names)
                self._flat_weights_names.extend(names)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh initial values."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> list[Tensor]:
        return [getattr(self, name) for name in self._flat_weights_names]

    def flatten_parameters(self) -> None:
        """Accepted for compatibility: the parameters need no special layout."""

    def extra_repr(self) -> str:
        s = f"{self.input_size}, {self.hidden_size}"
        if self.proj_size != 0:
            s += f", proj_size={self.proj_size}"
        if self.num_layers != 1:
            s += f", num_layers={self.num_layers}"
        if self.bias is not True:
            s += f", bias={self.bias}"
        if self.batch_first is not False:
            s += f", batch_first={self.batch_first}"
        if self.dropout != 0:
            s += f", dropout={self.dropout}"
        if self.bidirectional is not False:
            s += f", bidirectional={self.bidirectional}"
        return s

    def _check_input(self, input: Tensor, packed: bool) -> None:
        dims = (2,) if packed else (2, 3)
        if input.dim() not in dims:
            names = "2" if packed else "2D or 3D"
            raise ValueError(
                f"{type(self).__name__}: Expected input to be {names}, got {input.dim()}D instead"
            )
        if input.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{input.size(-1)}"
            )

    def _check_state(self, state: Tensor, name: str, rows: int, size: int) -> None:
        want = (self.num_layers * (2 if self.bidirectional else 1), rows, size)
        if tuple(state.shape) != want:
            raise RuntimeError(f"Expected hidden {name} size {want}, got {list(state.shape)}")

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Run over a sequence.

        Args:
            input: (T, N, I), (N, T, I) with `batch_first`, (T, I) or a PackedSequence.
            hx: Initial h (layers directions, N, H), for LSTM a pair (h, c); zeros by default.

        Returns:
            The output of the last layer, shaped as the input, and the last hx.
        """
        lstm = self.mode == "LSTM"
        packed = isinstance(input, PackedSequence)
        parts: Any = input if packed else (input, None, None, None)
        data, batch_sizes, sorted_indices, unsorted_indices = parts
        self._check_input(data, packed)
        sizes: Any = batch_sizes.tolist() if packed else None
        batched = packed or data.dim() == 3
        if not batched:
            data = data.unsqueeze(1)
        elif self.batch_first and not packed:
            data = data.transpose(0, 1)
        rows = sizes[0] if packed else data.size(1)
        out_size = self.proj_size or self.hidden_size
        widths = (out_size, self.hidden_size) if lstm else (out_size,)
        if hx is None:
            count = self.num_layers * (2 if self.bidirectional else 1)
            state = tuple(
                zeros((count, rows, w), dtype=data.dtype, device=data.device) for w in widths
            )
        else:
            state = tuple(hx) if lstm else (hx,)
            for s in state:
                if s.dim() != (3 if batched else 2):
                    kind = "batched 3-D" if batched else "unbatched 2-D"
                    raise RuntimeError(
                        f"For {kind} input, hx should also be {3 if batched else 2}-D but got "
                        f"{s.dim()}-D tensor"
                    )
            if not batched:
                state = tuple(s.unsqueeze(1) for s in state)
            for i, (s, width) in enumerate(zip(state, widths, strict=True)):
                self._check_state(s, f"[{i}]" if lstm else "", rows, width)
            if sorted_indices is not None:
                state = tuple(s.index_select(1, sorted_indices) for s in state)
        output: Any
        output, last = run_layers(
            self.mode,
            data,
            sizes,
            state,
            self._layer_weights(),
            self.bidirectional,
            self.dropout,
            self.training,
        )
        if packed:
            output = PackedSequence(output, batch_sizes, sorted_indices, unsorted_indices)
            if unsorted_indices is not None:
                last = tuple(s.index_select(1, unsorted_indices) for s in last)
        elif not batched:
            output = output.squeeze(1)
            last = tuple(s.squeeze(1) for s in last)
        elif self.batch_first:
            output = output.transpose(0, 1)
        return output, (last if lstm else last[0])

    def _layer_weights(self) -> list[tuple[Any, ...]]:
        """W_ih, W_hh, b_ih, b_hh, W_hr of every layer and direction, None where absent."""
        out = []
        for names in self._all_weights:
            found = [getattr(self, name) for name in names]
            b_ih, b_hh = found[2:4] if self.bias else (None, None)
            out.append((found[0], found[1], b_ih, b_hh, found[-1] if self.proj_size else None))
        return out


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh) at every step, or relu with `nonlinearity`.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Layers, each on the output of the one before.
        nonlinearity: "tanh" or "relu".
        bias: Whether there are b_ih and b_hh.
        batch_first: Input and output are (N, T, *) instead of (T, N, *).
        dropout: Probability of a zero between layers, while training.
        bidirectional: Also run backwards in time.
        device: Where the parameters are.
        dtype: Their element type.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if len(args) > 3:
            nonlinearity = args[3]
            args = (*args[:3], *args[4:])
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if kwargs.get("proj_size", 0):
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__("RNN_" + nonlinearity.upper(), *args, **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """The long short-term memory; gates in the order i, f, g, o.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: Layers, each on the output of the one before.
        bias: Whether there are b_ih and b_hh.
        batch_first: Input and output are (N, T, *) instead of (T, N, *).
        dropout: Probability of a zero between layers, while training.
        bidirectional: Also run backwards in time.
        proj_size: Size that h is projected to; 0 for no projection.
        device: Where the parameters are.
        dtype: Their element type.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """The gated recurrent unit; gates in the order r, z, n; arguments as in `RNN`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("proj_size", 0):
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)
