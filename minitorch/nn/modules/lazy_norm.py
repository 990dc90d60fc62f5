"""Batch and instance norms that take the number of channels from their first input."""

from __future__ import annotations

from ...ops import empty
from .batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d, _BatchNorm
from .instancenorm import InstanceNorm1d, InstanceNorm2d, InstanceNorm3d
from .lazy import LazyModuleMixin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ...tensor import Tensor

__all__ = [
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _LazyNorm(LazyModuleMixin):
    """Takes `num_features` from the first input."""

    running_mean: Any
    running_var: Any
    _sized = False

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, track_running_stats, device, dtype)  # type: ignore[call-arg]
        self.affine = affine
        if affine:
            self._make_lazy("weight", "bias" if bias else None, device=device, dtype=dtype)

    def has_uninitialized_params(self) -> bool:
        """Whether `num_features` is still unknown."""
        return not self._sized

    def initialize_parameters(self, input: Tensor) -> None:
        """Give parameters and running statistics the size that `input` asks for."""
        size = input.shape[1] if isinstance(self, _BatchNorm) else input.shape[self._channel(input)]
        self.num_features = size
        if self.affine:
            self.weight.materialize((size,))
            if self.bias is not None:
                self.bias.materialize((size,))
        if self.track_running_stats:
            mean: Tensor = self.running_mean
            like = {"device": mean.device, "dtype": mean.dtype}
            self.running_mean = empty(size, **like)
            self.running_var = empty(size, **like)
        self._sized = True
        self.reset_parameters()
        del self._sized

    def _channel(self, input: Tensor) -> int:
        return input.dim() - self._no_batch_dim()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):
    """A `BatchNorm1d` that takes `num_features` from its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):
    """A `BatchNorm2d` that takes `num_features` from its first input."""

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):
    """A `BatchNorm3d` that takes `num_features` from its first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):
    """An `InstanceNorm1d` that takes `num_features` from its first input."""

    cls_to_become = InstanceNorm1d


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):
    """An `InstanceNorm2d` that takes `num_features` from its first input."""

    cls_to_become = InstanceNorm2d


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):
    """An `InstanceNorm3d` that takes `num_features` from its first input."""

    cls_to_become = InstanceNorm3d
