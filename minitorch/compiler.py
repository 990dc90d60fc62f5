"""What programs ask about compilation; every op runs as it is called."""

from __future__ import annotations


def is_compiling():
    """False: nothing is compiled."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn=None, recursive=True, *, reason=None):
    """fn itself, also as a decorator with arguments."""
    return fn if fn is not None else lambda f: f


def reset():
    """Nothing to do: no compiled code is kept."""
