"""Tensors with a role inside a module: parameters and buffers."""

from __future__ import annotations

from ..tensor import Tensor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Buffer", "Parameter", "UninitializedParameter", "is_lazy"]


class _RoleMeta(type(Tensor)):  # type: ignore[misc]
    """Lets `isinstance(t, Parameter)` accept tensor subclasses that were marked as parameters."""

    def __instancecheck__(cls, instance: Any) -> bool:
        if super().__instancecheck__(instance):
            return True
        if cls is Parameter:
            return isinstance(instance, Tensor) and getattr(instance, "_is_param", False)
        if cls is Buffer:
            return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)
        return False


class Parameter(Tensor, metaclass=_RoleMeta):
    """A tensor that a module lists in `parameters()` once it is assigned as an attribute.

    Args:
        data: The values; shares memory with the parameter.
        requires_grad: Whether gradients are collected.
    """

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            from ..ops import empty

            data = empty(0)
        elif not isinstance(data, Tensor):
            raise TypeError(f"Parameter(): data must be a Tensor, got {type(data).__name__}")
        kind = type(data)
        if kind is Tensor or kind is Parameter or issubclass(kind, (Buffer, Parameter)):
            return Tensor._make_subclass(cls, data.detach(), requires_grad)
        # A user's own Tensor subclass keeps its class and is only marked as a parameter.
        marked = data.detach().requires_grad_(requires_grad)
        if not isinstance(marked, kind):
            marked = Tensor._make_subclass(kind, marked, requires_grad)
        marked._is_param = True
        return marked

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) in memo:
            return memo[id(self)]
        copy = type(self)(self.detach().clone(), self.requires_grad)
        memo[id(self)] = copy
        return copy

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_parameter, (self.detach(), self.requires_grad)


class Buffer(Tensor, metaclass=_RoleMeta):
    """A tensor that a module registers as a buffer once it is assigned as an attribute.

    Args:
        data: The values; shares memory with the buffer.
        persistent: Whether the buffer is part of the module's `state_dict`.
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Buffer:
        if data is None:
            from ..ops import empty

            data = empty(0)
        buffer = Tensor._make_subclass(cls, data.detach(), data.requires_grad)
        buffer._is_buffer = True
        buffer.persistent = persistent
        return buffer

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        pass

    def __deepcopy__(self, memo: dict[int, Any]) -> Buffer:
        if id(self) not in memo:
            memo[id(self)] = Buffer(self.detach().clone(), persistent=self.persistent)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_buffer, (self.detach(), self.persistent)


class UninitializedParameter(Parameter):
    """A parameter whose shape is found at the first forward call of a lazy module."""

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        from ..ops import empty

        data = empty(0, device=device, dtype=dtype)
        return Tensor._make_subclass(cls, data, requires_grad)

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        pass

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Turn into an ordinary parameter of this shape, with undefined values.

        Args:
            shape: Sizes of the parameter.
            device: Where to allocate; this parameter's device by default.
            dtype: Element type; this parameter's dtype by default.
        """
        from ..ops import empty

        device = self.device if device is None else device
        dtype = self.dtype if dtype is None else dtype
        self.data = empty(shape, device=device, dtype=dtype)
        self.__class__ = Parameter

    def __deepcopy__(self, memo: dict[int, Any]) -> UninitializedParameter:
        if id(self) not in memo:
            memo[id(self)] = UninitializedParameter(self.requires_grad, self.device, self.dtype)
        return memo[id(self)]

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return "<UninitializedParameter>"

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return UninitializedParameter, (self.requires_grad,)


def is_lazy(param: Any) -> bool:
    """Whether `param` still waits for its shape."""
    return isinstance(param, UninitializedParameter)


def _rebuild_parameter(data: Tensor, requires_grad: bool) -> Parameter:
    return Parameter(data, requires_grad)


def _rebuild_buffer(data: Tensor, persistent: bool) -> Buffer:
    return Buffer(data, persistent=persistent)
