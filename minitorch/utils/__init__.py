"""Tools around the engine: data loading, activation checkpointing, graph drawing."""

from __future__ import annotations

_SUBMODULES = ("data", "checkpoint", "graph", "model_zoo", "_pytree")

__all__ = ["checkpoint", "data", "graph"]


def __getattr__(name: str) -> object:
    if name in _SUBMODULES:
        import importlib

        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_SUBMODULES])
