"""Convolution layers."""

from __future__ import annotations

import math

from ...ops import empty
from .. import functional as F
from .. import init
from ..parameter import Parameter
from .module import Module
from .utils import _ntuple, _reverse_repeat_tuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...tensor import Tensor

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]


class _ConvNd(Module):
    """Arguments, parameters and repr of every convolution.

    `weight` is (out, in / groups, *kernel), or (in, out / groups, *kernel) when transposed.
    """

    _dims = 0
    _function = ""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        transposed: bool,
        output_padding: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if padding_mode not in ("zeros", "reflect", "replicate", "circular"):
            raise ValueError(
                "padding_mode must be one of {'zeros', 'reflect', 'replicate', 'circular'}, "
                f"but got padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.transposed = transposed
        self.output_padding = output_padding
        self.groups = groups
        self.padding_mode = padding_mode
        # Amounts for F.pad: the last dimension first, before and after.
        if isinstance(padding, str):
            both = [0, 0] * len(kernel_size)
            if padding == "same":
                spans = zip(dilation, kernel_size, strict=True)
                for i, (d, k) in enumerate(reversed(list(spans))):
                    total = d * (k - 1)
                    both[2 * i], both[2 * i + 1] = total // 2, total - total // 2
            self._reversed_padding_repeated_twice = both
        else:
            self._reversed_padding_repeated_twice = list(_reverse_repeat_tuple(padding, 2))
        if transposed:
            shape = (in_channels, out_channels // groups, *kernel_size)
        else:
            shape = (out_channels, in_channels // groups, *kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw fresh initial values."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            if fan_in != 0:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        n = len(self.kernel_size)
        s = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        s += f", stride={self.stride}"
        if self.padding != (0,) * n:
            s += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            s += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            s += f", output_padding={self.output_padding}"
        if self.groups != 1:
            s += f", groups={self.groups}"
        if self.bias is None:
            s += ", bias=False"
        if self.padding_mode != "zeros":
            s += f", padding_mode={self.padding_mode}"
        return s

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("padding_mode", "zeros")


class _Conv(_ConvNd):
    """A convolution over `_dims` dimensions."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        tuple_n = _ntuple(self._dims, "tuple")
        super().__init__(
            in_channels,
            out_channels,
            tuple_n(kernel_size),
            tuple_n(stride),
            padding if isinstance(padding, str) else tuple_n(padding),
            tuple_n(dilation),
            False,
            tuple_n(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        conv = getattr(F, self._function)
        if self.padding_mode != "zeros":
            input = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode)
            return conv(input, weight, bias, self.stride, 0, self.dilation, self.groups)
        return conv(input, weight, bias, self.stride, self.padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """Convolution over (N, C_in, L) or (C_in, L).

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: Taps.
        stride: Step between outputs.
        padding: Zeros added on both sides, or "same" or "valid".
        dilation: Distance between taps.
        groups: Number of blocks of channels that do not mix.
        bias: Whether to add one value per output channel.
        padding_mode: "zeros", "reflect", "replicate" or "circular".
        device: Where the parameters are.
        dtype: Their element type.
    """

    _dims = 1
    _function = "conv1d"


class Conv2d(_Conv):
    """Convolution over (N, C_in, H, W) or (C_in, H, W); arguments as in `Conv1d`, each of
    `kernel_size`, `stride`, `padding` and `dilation` an int or a pair."""

    _dims = 2
    _function = "conv2d"


class Conv3d(_Conv):
    """Convolution over (N, C_in, D, H, W) or (C_in, D, H, W); arguments as in `Conv1d`, each of
    `kernel_size`, `stride`, `padding` and `dilation` an int or a triple."""

    _dims = 3
    _function = "conv3d"


class _ConvTransposeNd(_ConvNd):
    """A transposed convolution over `_dims` dimensions."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        tuple_n = _ntuple(self._dims, "tuple")
        super().__init__(
            in_channels,
            out_channels,
            tuple_n(kernel_size),
            tuple_n(stride),
            tuple_n(padding),
            tuple_n(dilation),
            True,
            tuple_n(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _output_padding(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        if output_size is None:
            return self.output_padding
        n = self._dims
        lead = input.dim() - n
        if len(output_size) == input.dim():
            output_size = output_size[lead:]
        if len(output_size) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or "
                f"{input.dim()} elements (got {len(output_size)})"
            )
        extra = []
        for d in range(n):
            low = (
                (input.size(d + lead) - 1) * self.stride[d]
                - 2 * self.padding[d]
                + self.dilation[d] * (self.kernel_size[d] - 1)
                + 1
            )
            high = low + self.stride[d] - 1
            if not low <= output_size[d] <= high:
                raise ValueError(
                    f"requested an output size of {output_size}, but size {d} must be from {low} "
                    f"to {high} (for an input of {input.size()[lead:]})"
                )
            extra.append(output_size[d] - low)
        return tuple(extra)

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return getattr(F, self._function)(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._output_padding(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, L): the gradient of a convolution as a layer.

    Args:
        in_channels: C_in.
        out_channels: C_out.
        kernel_size: Taps.
        stride: Distance between the outputs of neighbouring inputs.
        padding: Elements cut off the output on both sides.
        output_padding: Elements added to the output on one side.
        groups: Number of blocks of channels that do not mix.
        bias: Whether to add one value per output channel.
        dilation: Distance between taps.
        padding_mode: Only "zeros".
        device: Where the parameters are.
        dtype: Their element type.
    """

    _dims = 1
    _function = "conv_transpose1d"


class ConvTranspose2d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, H, W); arguments as in `ConvTranspose1d`."""

    _dims = 2
    _function = "conv_transpose2d"


class ConvTranspose3d(_ConvTransposeNd):
    """Transposed convolution over (N, C_in, D, H, W); arguments as in `ConvTranspose1d`."""

    _dims = 3
    _function = "conv_transpose3d"
