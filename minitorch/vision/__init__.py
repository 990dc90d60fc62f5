"""Data sets, transforms, models and image helpers under torchvision's names.

``import minitorch.vision as torchvision`` runs the tutorials' image code.
"""

from __future__ import annotations

_SUBMODULES = ("datasets", "models", "transforms", "utils")

__all__ = ["datasets", "models", "transforms", "utils"]


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES])
