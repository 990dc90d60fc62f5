"""Every op: its Python side with the gradient, one module per family.

All modules of this folder are imported, so a new file needs no entry here.
"""

from __future__ import annotations

import os
from importlib import import_module

from .. import _autocast
from ._register import FUNCTIONAL, FUNCTIONS, METHODS

for _file in sorted(os.listdir(os.path.dirname(__file__))):
    if _file.endswith(".py") and not _file.startswith("_"):
        import_module(f"{__name__}.{_file[:-3]}")
_autocast.wrap_all(FUNCTIONS, METHODS, FUNCTIONAL)


def __getattr__(name):
    try:
        return FUNCTIONS[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


__all__ = ["FUNCTIONAL", "FUNCTIONS", "METHODS"]
