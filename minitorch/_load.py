"""Loads the compiled extension, and says what to do where it is missing."""

from __future__ import annotations

try:
    from . import _C
except ImportError as error:
    if "_C" not in str(error):
        raise
    import os

    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    text = "minitorch's compiled extension (minitorch._C) was not found."
    if os.path.exists(os.path.join(here, "CMakeLists.txt")):
        text += (
            f" Python imported the source folder {here}, which has not been built. Either build it in"
            " place with `bash scripts/build.sh`, or install it with `pip install .` and run from"
            " another folder."
        )
    raise ImportError(f"{text} ({error})") from error

__all__ = ["_C"]
