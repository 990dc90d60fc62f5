"""The older name of :mod:`minitorch.hub`'s loading of weights."""

from __future__ import annotations

from ..hub import load_state_dict_from_url as load_url

__all__ = ["load_url"]
