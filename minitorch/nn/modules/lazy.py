"""Layers that learn their input sizes from the first call."""

from __future__ import annotations

from ..parameter import UninitializedParameter, is_lazy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["LazyModuleMixin"]


class LazyModuleMixin:
    """Turns a layer into one that runs `initialize_parameters(input)` at its first call.

    After that call the module becomes an ordinary `cls_to_become`.
    """

    cls_to_become: type | None = None

    def _make_lazy(self, *names: str | None, device: Any, dtype: Any) -> None:
        """Replace the named parameters by ones without a shape."""
        for name in names:
            if name is not None:
                setattr(self, name, UninitializedParameter(device=device, dtype=dtype))

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter still waits for its shape."""
        return any(is_lazy(p) for p in self._parameters.values())  # type: ignore[attr-defined]

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters their shapes from the input; every lazy layer overrides this."""
        raise NotImplementedError(
            f"initialize_parameters is not implemented for {type(self).__name__}"
        )

    def reset_parameters(self) -> None:
        """Draw fresh initial values, once the shapes are known."""
        weight = self._parameters["weight"]  # type: ignore[attr-defined]
        placeholder = weight is not None and not is_lazy(weight) and weight.numel() == 0
        if not placeholder and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.has_uninitialized_params():
            self.initialize_parameters(*args, **kwargs)
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become  # type: ignore[assignment]
            return self(*args, **kwargs)
        return super().__call__(*args, **kwargs)  # type: ignore[misc]
