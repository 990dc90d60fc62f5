"""Construction without initialisation."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["skip_init"]


def skip_init(module_cls: type, *args: Any, **kwargs: Any) -> Any:
    """A `module_cls(*args, **kwargs)` whose parameters may hold any values.

    Args:
        module_cls: A Module subclass that takes `device`.
        *args: Its arguments.
        **kwargs: Its keyword arguments.
    """
    from ..modules.module import Module

    if not issubclass(module_cls, Module):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    return module_cls(*args, **kwargs)
