"""Wrappers for several devices; with one device they call the module itself."""

from __future__ import annotations

from .modules.module import Module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DataParallel", "DistributedDataParallel", "data_parallel"]


class DataParallel(Module):
    """Holds a module as `module`, so that state dicts match, and calls it on one device.

    Args:
        module: The wrapped module.
        device_ids: Accepted for compatibility.
        output_device: Accepted for compatibility.
        dim: Accepted for compatibility.
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module
        self.device_ids = device_ids
        self.output_device = output_device
        self.dim = dim

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)


class DistributedDataParallel(DataParallel):
    """`DataParallel` under its name for several processes, for the case of one process."""

    def __init__(self, module: Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(module, *args[:3])


def data_parallel(
    module: Module,
    inputs: Any,
    device_ids: Any = None,
    output_device: Any = None,
    dim: int = 0,
    module_kwargs: dict[str, Any] | None = None,
) -> Any:
    """`module` called on `inputs` (a tensor or a tuple) on one device."""
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return module(*inputs, **(module_kwargs or {}))
