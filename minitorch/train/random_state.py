"""The state of all global random generators, to save and restore."""

from __future__ import annotations

import sys

import minitorch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def get_random_state() -> dict[str, Any]:
    """States of minitorch's generators, Python's, and NumPy's where it is in use."""
    import random

    state: dict[str, Any] = {"minitorch": minitorch.get_rng_state(), "python": random.getstate()}
    if minitorch.cuda.is_available():
        state["cuda"] = minitorch.cuda.get_rng_state()
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        state["numpy"] = numpy.random.get_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restore what :func:`get_random_state` returned."""
    import random

    minitorch.set_rng_state(state["minitorch"].cpu())
    random.setstate(state["python"])
    if "cuda" in state and minitorch.cuda.is_available():
        minitorch.cuda.set_rng_state(state["cuda"].cpu())
    if "numpy" in state:
        import numpy

        numpy.random.set_state(state["numpy"])
